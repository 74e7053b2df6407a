using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>
/// AES-256-GCM with a zero nonce, for keys that are used once: each reply's key is derived from a context of its own.
/// Ciphertext ‖ 16-octet tag.
/// </summary>
internal static class ReplySeal
{
    private const int TagSize = 16;
    private const int NonceSize = 12;

    public static byte[] Seal(ReadOnlySpan<byte> kek, ReadOnlySpan<byte> plain, ReadOnlySpan<byte> additional)
    {
        var box = new byte[plain.Length + TagSize];
        Span<byte> nonce = stackalloc byte[NonceSize];
        nonce.Clear();
        using var gcm = new AesGcm(kek, TagSize);
        gcm.Encrypt(nonce, plain, box.AsSpan(0, plain.Length), box.AsSpan(plain.Length), additional);
        return box;
    }

    /// <returns>Null where the tag does not hold.</returns>
    public static byte[]? Open(ReadOnlySpan<byte> kek, ReadOnlySpan<byte> box, ReadOnlySpan<byte> additional)
    {
        if (box.Length < TagSize)
            return null;
        var plain = new byte[box.Length - TagSize];
        Span<byte> nonce = stackalloc byte[NonceSize];
        nonce.Clear();
        using var gcm = new AesGcm(kek, TagSize);
        try
        {
            gcm.Decrypt(nonce, box[..plain.Length], box[plain.Length..], plain, additional);
            return plain;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }
}
