using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.MailProtection.Cms;
using Org.BouncyCastle.Crypto.Engines;
using Org.BouncyCastle.Crypto.Signers;
using Org.BouncyCastle.Math.EC.Rfc8032;
using Org.BouncyCastle.Security;

namespace GatewaySecure.MailProtection.Opening;

/// <summary>Which algorithms of signatures and key derivation are read.</summary>
internal static class SignatureAlgorithms
{
    public static HashAlgorithmName? HashName(string oid) => oid switch
    {
        Oids.Sha1 => HashAlgorithmName.SHA1,
        Oids.Sha256 => HashAlgorithmName.SHA256,
        Oids.Sha384 => HashAlgorithmName.SHA384,
        Oids.Sha512 => HashAlgorithmName.SHA512,
        _ => null,
    };

    public static HashAlgorithmName? KdfHash(string oid) => oid switch
    {
        Oids.StdDhSha1 => HashAlgorithmName.SHA1,
        Oids.StdDhSha256 => HashAlgorithmName.SHA256,
        Oids.StdDhSha384 => HashAlgorithmName.SHA384,
        Oids.StdDhSha512 => HashAlgorithmName.SHA512,
        _ => null,
    };

    [SuppressMessage("Security", "CA5350", Justification = "SHA-1 is verified in old mail, with a warning; never produced.")]
    public static byte[] Hash(HashAlgorithmName name, byte[] data) => CryptographicOperations.HashData(name, data);

    /// <summary>Null: the algorithm is not read.</summary>
    /// <param name="digest">Digest of what was signed, by <paramref name="hash"/>.</param>
    /// <param name="message">What was signed, where it is at hand: EdDSA takes no digest.</param>
    public static bool? Verify(
        X509Certificate2 certificate, byte[] algorithmIdentifier, HashAlgorithmName hash, byte[] digest, byte[]? message, byte[] signature)
    {
        var algorithm = new AsnReader(algorithmIdentifier, AsnEncodingRules.BER).ReadSequence();
        var oid = algorithm.ReadObjectIdentifier();
        // The hash in the signature's own name must be the one that the signer states beside it.
        HashAlgorithmName? named = oid switch
        {
            Oids.Rsa or Oids.RsaPss or Oids.Dsa => hash,
            // RFC 8419 §3: with signed attributes SHA-512 digests the content; other hashes are in use, and nothing rests on which.
            Oids.Ed25519 when message is not null => hash,
            Oids.RsaSha1 or Oids.EcdsaSha1 or Oids.DsaSha1 => HashAlgorithmName.SHA1,
            Oids.RsaSha256 or Oids.EcdsaSha256 or Oids.DsaSha256 => HashAlgorithmName.SHA256,
            Oids.RsaSha384 or Oids.EcdsaSha384 => HashAlgorithmName.SHA384,
            Oids.RsaSha512 or Oids.EcdsaSha512 => HashAlgorithmName.SHA512,
            _ => null,
        };
        if (named is null)
            return null;
        if (named != hash)
            return false;
        try
        {
            if (oid is Oids.EcdsaSha1 or Oids.EcdsaSha256 or Oids.EcdsaSha384 or Oids.EcdsaSha512)
            {
                using var ecdsa = certificate.GetECDsaPublicKey();
                return ecdsa?.VerifyHash(digest, signature, DSASignatureFormat.Rfc3279DerSequence) ?? false;
            }
            if (oid == Oids.Ed25519)
                return VerifyEd25519(certificate, message!, signature);
            if (oid is Oids.Dsa or Oids.DsaSha1 or Oids.DsaSha256)
            {
                using var dsa = certificate.GetDSAPublicKey();
                return dsa?.VerifySignature(digest, signature, DSASignatureFormat.Rfc3279DerSequence) ?? false;
            }
            using var rsa = certificate.GetRSAPublicKey();
            if (oid != Oids.RsaPss)
                return rsa?.VerifyHash(digest, signature, hash, RSASignaturePadding.Pkcs1) ?? false;
            if (ReadPss(algorithm) is not { } pss || pss.Hash != hash)
                return null;
            if (rsa is null)
                return false;
            // RFC 4056 §3 recommends a salt as long as the hash, and the platform takes no other.
            return pss.SaltLength == digest.Length
                ? rsa.VerifyHash(digest, signature, hash, RSASignaturePadding.Pss)
                : VerifyPss(rsa, digest, signature, hash, pss.SaltLength);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static bool VerifyPss(RSA rsa, byte[] digest, byte[] signature, HashAlgorithmName hash, int saltLength)
    {
        var name = hash.Name!.Replace("SHA", "SHA-", StringComparison.Ordinal);
        var signer = PssSigner.CreateRawSigner(new RsaEngine(), DigestUtilities.GetDigest(name), DigestUtilities.GetDigest(name), saltLength, PssSigner.TrailerImplicit);
        signer.Init(forSigning: false, DotNetUtilities.GetRsaPublicKey(rsa));
        signer.BlockUpdate(digest, 0, digest.Length);
        return signer.VerifySignature(signature);
    }

    private static bool VerifyEd25519(X509Certificate2 certificate, byte[] message, byte[] signature)
    {
        var key = certificate.PublicKey.EncodedKeyValue.RawData;
        return certificate.PublicKey.Oid.Value == Oids.Ed25519 && key.Length == Ed25519.PublicKeySize && signature.Length == Ed25519.SignatureSize
            && Ed25519.Verify(signature, 0, key, 0, message, 0, message.Length);
    }

    /// <summary>RFC 4055 §3.1: SHA-1 and 20 where they are absent. Null where hash and mask differ, which nobody uses and the platform does not take.</summary>
    private static (HashAlgorithmName Hash, int SaltLength)? ReadPss(AsnReader algorithm)
    {
        var (hash, mask, salt) = (Oids.Sha1, Oids.Sha1, 20);
        var parameters = algorithm.HasData ? algorithm.ReadSequence() : null;
        while (parameters is { HasData: true })
        {
            var tag = parameters.PeekTag();
            var field = parameters.ReadSequence(tag);
            switch (tag.TagValue)
            {
                case 0:
                    hash = field.ReadSequence().ReadObjectIdentifier();
                    break;
                case 1:
                    var generator = field.ReadSequence();
                    if (generator.ReadObjectIdentifier() != Oids.Mgf1)
                        return null;
                    mask = generator.ReadSequence().ReadObjectIdentifier();
                    break;
                case 2:
                    if (!field.TryReadInt32(out salt) || salt is < 0 or > 512)
                        throw new AsnContentException("The salt's length is out of range.");
                    break;
            }
        }
        return hash == mask && HashName(hash) is { } name ? (name, salt) : null;
    }
}
