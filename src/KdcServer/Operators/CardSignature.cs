using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>Signatures by cards: RSA PKCS #1 v1.5, or ECDSA as DER, over SHA-256; with a key on P-384 over SHA-384.</summary>
internal static class CardSignature
{
    /// <param name="publicKey">SubjectPublicKeyInfo.</param>
    public static bool Holds(ReadOnlyMemory<byte> publicKey, ReadOnlySpan<byte> text, ReadOnlySpan<byte> signature)
    {
        try
        {
            var key = PublicKey.CreateFromSubjectPublicKeyInfo(publicKey.Span, out _);
            using var rsa = key.GetRSAPublicKey();
            if (rsa is not null)
                return rsa.KeySize is >= 2048 and <= 4096 && rsa.VerifyData(text, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            using var elliptic = key.GetECDsaPublicKey();
            return elliptic is { KeySize: 256 or 384 }
                && elliptic.VerifyData(text, signature, elliptic.KeySize > 256 ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        }
        catch (CryptographicException)
        {
            // Not a key or not a signature: it does not hold.
            return false;
        }
    }
}
