using System.Security.Cryptography;

namespace GatewaySecure.CardEnrollment.Issuing;

/// <summary>A private key that came under the transport key, and must be the one that the record names.</summary>
internal static class TransportedKey
{
    /// <param name="pkcs8">In clear; the caller clears it.</param>
    /// <param name="expected">SubjectPublicKeyInfo.</param>
    /// <exception cref="CryptographicException">It is another key.</exception>
    public static AsymmetricAlgorithm Read(ReadOnlySpan<byte> pkcs8, ReadOnlySpan<byte> expected)
    {
        using var publicHalf = TryRsa(expected);
        AsymmetricAlgorithm key = publicHalf is null ? ECDiffieHellman.Create() : RSA.Create();
        try
        {
            key.ImportPkcs8PrivateKey(pkcs8, out _);
            return key.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(expected)
                ? key
                : throw new CryptographicException("The key that came from the vault is not the one on record.");
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    private static RSA? TryRsa(ReadOnlySpan<byte> subjectPublicKeyInfo)
    {
        var rsa = RSA.Create();
        try
        {
            rsa.ImportSubjectPublicKeyInfo(subjectPublicKeyInfo, out _);
            return rsa;
        }
        catch (CryptographicException)
        {
            // A key on a curve.
            rsa.Dispose();
            return null;
        }
    }
}
