using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.MailProtection.Cms;

/// <summary>
/// Makes detached signatures (SignedData, RFC 5652 §5) with SHA-256 and RSA (PKCS #1 v1.5 or PSS) or ECDSA. What does not change
/// from message to message is encoded once.
/// </summary>
internal sealed class SignerProfile
{
    private readonly AsymmetricAlgorithm _key;
    private readonly byte[] _issuerAndSerial;
    private readonly byte[] _certificates;
    private readonly byte[] _fixedAttributes;
    private readonly byte[] _capabilities;

    private readonly RSASignaturePadding _padding;

    private SignerProfile(AsymmetricAlgorithm key, X509Certificate2 certificate, byte[] certificates, RSASignaturePadding padding)
    {
        _key = key;
        _padding = padding;
        _issuerAndSerial = CmsWriter.IssuerAndSerial(certificate);
        _certificates = certificates;
        _fixedAttributes = EncodeSigningCertificate(certificate);
        _capabilities = EncodeCapabilities();
        MaximumSignatureLength = key switch
        {
            RSA rsa => (rsa.KeySize + 7) / 8,
            ECDsa ecdsa => ecdsa.GetMaxSignatureSize(DSASignatureFormat.Rfc3279DerSequence),
            _ => throw new ArgumentException("A signing key is RSA or ECDSA."),
        };
    }

    /// <summary>RSA: every signature has it. ECDSA: most are a few octets shorter.</summary>
    public int MaximumSignatureLength { get; }

    public static SignerProfile Create(
        X509Certificate2 certificate, AsymmetricAlgorithm key, IEnumerable<X509Certificate2> intermediates, RSASignaturePadding padding)
    {
        CheckSameKey(certificate, key);
        // A SET OF in DER is sorted; AsnWriter does that.
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSetOf(CmsWriter.Context(0)))
        {
            var seen = new HashSet<string>();
            foreach (var one in intermediates.Prepend(certificate))
            {
                if (seen.Add(one.Thumbprint))
                    writer.WriteEncodedValue(one.RawData);
            }
        }
        return new SignerProfile(key, certificate, writer.Encode(), padding);
    }

    /// <summary>Length of what <see cref="Sign"/> returns with a signature of the maximum length.</summary>
    public int MaximumLength(DateTimeOffset signingTime) =>
        Encode(EncodeAttributes(new byte[SHA256.HashSizeInBytes], signingTime, forHash: false), new byte[MaximumSignatureLength]).Length;

    /// <summary>ContentInfo with SignedData without content.</summary>
    /// <exception cref="CryptographicException">The key refused.</exception>
    public byte[] Sign(ReadOnlySpan<byte> contentDigest, DateTimeOffset signingTime)
    {
        // RFC 5652 §5.4: hashed as SET OF, sent as [0] IMPLICIT.
        var toHash = EncodeAttributes(contentDigest, signingTime, forHash: true);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(toHash, digest);
        var signature = _key switch
        {
            RSA rsa => rsa.SignHash(digest.ToArray(), HashAlgorithmName.SHA256, _padding),
            ECDsa ecdsa => ecdsa.SignHash(digest.ToArray(), DSASignatureFormat.Rfc3279DerSequence),
            _ => throw new CryptographicException("The signing key is of no known kind."),
        };
        if (signature.Length > MaximumSignatureLength)
            throw new CryptographicException("The signature is longer than its key allows.");
        return Encode(EncodeAttributes(contentDigest, signingTime, forHash: false), signature);
    }

    private byte[] Encode(byte[] attributes, byte[] signature)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER, attributes.Length + signature.Length + _certificates.Length + 512);
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(Oids.SignedData);
            using (writer.PushSequence(CmsWriter.Context(0)))
            using (writer.PushSequence())
            {
                writer.WriteInteger(1);
                using (writer.PushSetOf())
                    writer.WriteAlgorithm(Oids.Sha256);
                using (writer.PushSequence())
                    writer.WriteObjectIdentifier(Oids.Data);
                writer.WriteEncodedValue(_certificates);
                using (writer.PushSetOf())
                    WriteSignerInfo(writer, attributes, signature);
            }
        }
        return writer.Encode();
    }

    private void WriteSignerInfo(AsnWriter writer, byte[] attributes, byte[] signature)
    {
        using (writer.PushSequence())
        {
            writer.WriteInteger(1);
            writer.WriteEncodedValue(_issuerAndSerial);
            writer.WriteAlgorithm(Oids.Sha256);
            writer.WriteEncodedValue(attributes);
            if (_key is RSA && _padding == RSASignaturePadding.Pss)
                WritePss(writer);
            else if (_key is RSA)
                writer.WriteAlgorithm(Oids.Rsa, withNull: true);
            else
                writer.WriteAlgorithm(Oids.EcdsaSha256);
            writer.WriteOctetString(signature);
        }
    }

    /// <summary>RFC 4056 §3: the same hash everywhere, and a salt of its length.</summary>
    private static void WritePss(AsnWriter writer)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(Oids.RsaPss);
            using (writer.PushSequence())
            {
                writer.WriteSha256AndMask();
                using (writer.PushSequence(CmsWriter.Context(2)))
                    writer.WriteInteger(SHA256.HashSizeInBytes);
            }
        }
    }

    private byte[] EncodeAttributes(ReadOnlySpan<byte> contentDigest, DateTimeOffset signingTime, bool forHash)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER, 512);
        using (writer.PushSetOf(forHash ? Asn1Tag.SetOf : CmsWriter.Context(0)))
        {
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(Oids.ContentType);
                using (writer.PushSetOf())
                    writer.WriteObjectIdentifier(Oids.Data);
            }
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(Oids.SigningTime);
                using (writer.PushSetOf())
                {
                    // RFC 5652 §11.3: UTCTime through 2049.
                    if (signingTime.UtcDateTime.Year < 2050)
                        writer.WriteUtcTime(signingTime.ToUniversalTime());
                    else
                        writer.WriteGeneralizedTime(signingTime.ToUniversalTime(), omitFractionalSeconds: true);
                }
            }
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(Oids.MessageDigest);
                using (writer.PushSetOf())
                    writer.WriteOctetString(contentDigest);
            }
            writer.WriteEncodedValue(_capabilities);
            writer.WriteEncodedValue(_fixedAttributes);
        }
        return writer.Encode();
    }

    /// <summary>RFC 5035 §3: binds the certificate, lest another with the same key takes its place. SHA-256 is the default and omitted.</summary>
    private static byte[] EncodeSigningCertificate(X509Certificate2 certificate)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(Oids.SigningCertificateV2);
            using (writer.PushSetOf())
            using (writer.PushSequence())
            using (writer.PushSequence())
            using (writer.PushSequence())
                writer.WriteOctetString(SHA256.HashData(certificate.RawData));
        }
        return writer.Encode();
    }

    /// <summary>RFC 8551 §2.5.2, in order of preference.</summary>
    private static byte[] EncodeCapabilities()
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(Oids.SmimeCapabilities);
            using (writer.PushSetOf())
            using (writer.PushSequence())
            {
                writer.WriteAlgorithm(Oids.Aes256Gcm);
                writer.WriteAlgorithm(Oids.Aes256Cbc);
                writer.WriteAlgorithm(Oids.Aes128Cbc);
            }
        }
        return writer.Encode();
    }

    private static void CheckSameKey(X509Certificate2 certificate, AsymmetricAlgorithm key)
    {
        using var rsa = certificate.GetRSAPublicKey();
        using var ecdsa = certificate.GetECDsaPublicKey();
        var same = key switch
        {
            RSA k => rsa is not null && rsa.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(k.ExportSubjectPublicKeyInfo()),
            ECDsa k => ecdsa is { KeySize: 256 or 384 or 521 }
                && ecdsa.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(k.ExportSubjectPublicKeyInfo()),
            _ => false,
        };
        if (!same)
            throw new ArgumentException("The signing key must be RSA or ECDSA (P-256, P-384, P-521) and belong to its certificate.", nameof(key));
    }
}
