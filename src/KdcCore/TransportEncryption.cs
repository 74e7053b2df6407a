using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>How a master key travels from one vault to another, or to a station: RSA-OAEP to the receiver's transport key.</summary>
public static class TransportEncryption
{
    public const int MinimumBits = 3072;

    /// <summary>RFC 8017 §7.1 with its defaults: the one set of parameters that every token has. OAEP does not rest on SHA-1's collisions.</summary>
    public static RSAEncryptionPadding Padding => RSAEncryptionPadding.OaepSHA1;

    /// <returns>Null where the octets are no RSA key, or too short a one.</returns>
    public static RSA? ReadKey(ReadOnlySpan<byte> subjectPublicKeyInfo)
    {
        var rsa = RSA.Create();
        try
        {
            rsa.ImportSubjectPublicKeyInfo(subjectPublicKeyInfo, out var read);
            if (read == subjectPublicKeyInfo.Length && rsa.KeySize is >= MinimumBits and <= 16384)
                return rsa;
        }
        catch (CryptographicException)
        {
            // Not a key; told by the result.
        }
        rsa.Dispose();
        return null;
    }

    /// <summary>A private key (PKCS #8) for a receiver: an AES-256 key by RSA-OAEP, and behind it the private key under that (RFC 5649), as CKM_RSA_AES_KEY_WRAP does.</summary>
    public static byte[] SealPrivateKey(RSA transportKey, ReadOnlySpan<byte> pkcs8)
    {
        ArgumentNullException.ThrowIfNull(transportKey);
        Span<byte> key = stackalloc byte[32];
        RandomNumberGenerator.Fill(key);
        using var aes = Aes.Create();
        aes.SetKey(key);
        byte[] result = [.. transportKey.Encrypt(key, Padding), .. aes.EncryptKeyWrapPadded(pkcs8)];
        CryptographicOperations.ZeroMemory(key);
        return result;
    }

    /// <returns>PKCS #8; the caller clears it.</returns>
    /// <exception cref="CryptographicException">Damaged, or for another receiver.</exception>
    public static byte[] OpenPrivateKey(RSA transportKey, ReadOnlySpan<byte> sealedKey)
    {
        ArgumentNullException.ThrowIfNull(transportKey);
        var size = (transportKey.KeySize + 7) / 8;
        if (sealedKey.Length <= size)
            throw new CryptographicException("A transported private key is too short.");
        var key = transportKey.Decrypt(sealedKey[..size], Padding);
        using var aes = Aes.Create();
        aes.SetKey(key);
        CryptographicOperations.ZeroMemory(key);
        return aes.DecryptKeyWrapPadded(sealedKey[size..]);
    }
}
