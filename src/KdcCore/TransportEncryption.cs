using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>How a master key travels from one vault to another: RSA-OAEP to the receiving vault's transport key.</summary>
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

    /// <summary>The key leaves the vault for the time of this one encryption.</summary>
    public static async ValueTask<byte[]> SendAsync(IMasterKeyVault vault, WrappedMasterKey key, RSA transportKey, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(vault);
        byte[] encrypted = [];
        await vault.ReleaseAsync(
            key,
            (clear, _) =>
            {
                encrypted = transportKey.Encrypt(clear.Span, Padding);
                return default;
            },
            cancellationToken);
        return encrypted;
    }
}
