using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.MailProtection.Cms;

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
    public static bool? Verify(X509Certificate2 certificate, byte[] algorithmIdentifier, HashAlgorithmName hash, byte[] digest, byte[] signature)
    {
        var algorithm = new AsnReader(algorithmIdentifier, AsnEncodingRules.BER).ReadSequence();
        var oid = algorithm.ReadObjectIdentifier();
        // The hash in the signature's own name must be the one that the signer states beside it.
        HashAlgorithmName? named = oid switch
        {
            Oids.Rsa or Oids.RsaPss => hash,
            Oids.RsaSha1 or Oids.EcdsaSha1 => HashAlgorithmName.SHA1,
            Oids.RsaSha256 or Oids.EcdsaSha256 => HashAlgorithmName.SHA256,
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
            using var rsa = certificate.GetRSAPublicKey();
            // The platform takes the salt as long as the hash, which RFC 4056 §3 recommends; others are not read.
            if (oid == Oids.RsaPss && PssSaltLength(algorithm) != digest.Length)
                return null;
            return rsa?.VerifyHash(digest, signature, hash, oid == Oids.RsaPss ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1) ?? false;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <summary>RFC 4055 §3.1: 20 where it is absent. Hash and mask are the ones that the verification takes, or it fails.</summary>
    private static int PssSaltLength(AsnReader algorithm)
    {
        var parameters = algorithm.HasData ? algorithm.ReadSequence() : null;
        while (parameters is { HasData: true })
        {
            var tag = parameters.PeekTag();
            if (tag.TagValue != 2)
            {
                parameters.ReadEncodedValue();
                continue;
            }
            var value = parameters.ReadSequence(tag);
            return value.TryReadInt32(out var length) && length is >= 0 and <= 512
                ? length
                : throw new AsnContentException("The salt's length is out of range.");
        }
        return 20;
    }
}
