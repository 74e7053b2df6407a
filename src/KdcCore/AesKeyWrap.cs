using System.Buffers.Binary;
using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>
/// AES key wrap without padding (RFC 3394 §2.2) for keys of n × 8 octets, n ≥ 2. The platform offers only the padded
/// variant of RFC 5649, which CMS's id-aes256-wrap is not; so the mode is composed here over the platform's AES.
/// </summary>
public static class AesKeyWrap
{
    private const int Half = 8;

    // RFC 3394 §2.2.3.1
    private const ulong InitialValue = 0xA6A6A6A6A6A6A6A6;

    /// <returns>8 octets more than <paramref name="key"/>.</returns>
    public static byte[] Wrap(ReadOnlySpan<byte> kek, ReadOnlySpan<byte> key)
    {
        if (key.Length < 2 * Half || key.Length % Half != 0)
            throw new ArgumentException("The key must have a multiple of 8 octets, at least 16.", nameof(key));
        using var aes = Blocks(kek);
        // One for all blocks: making it costs more than what it does.
        using var encryptor = aes.CreateEncryptor();
        var result = new byte[key.Length + Half];
        key.CopyTo(result.AsSpan(Half));
        var block = new byte[2 * Half];
        BinaryPrimitives.WriteUInt64BigEndian(block, InitialValue);
        var n = key.Length / Half;
        for (var t = 1; t <= 6 * n; t++)
        {
            var r = result.AsSpan(Half * (1 + (t - 1) % n), Half);
            r.CopyTo(block.AsSpan(Half));
            encryptor.TransformBlock(block, 0, block.Length, block, 0);
            block.AsSpan(Half).CopyTo(r);
            Step(block, t);
        }
        block.AsSpan(0, Half).CopyTo(result);
        CryptographicOperations.ZeroMemory(block);
        return result;
    }

    /// <returns>The key, or null where the integrity check fails (checked in constant time).</returns>
    public static byte[]? Unwrap(ReadOnlySpan<byte> kek, ReadOnlySpan<byte> wrapped)
    {
        if (wrapped.Length < 3 * Half || wrapped.Length % Half != 0)
            return null;
        using var aes = Blocks(kek);
        using var decryptor = aes.CreateDecryptor();
        var key = wrapped[Half..].ToArray();
        var block = new byte[2 * Half];
        wrapped[..Half].CopyTo(block);
        var n = key.Length / Half;
        for (var t = 6 * n; t >= 1; t--)
        {
            var r = key.AsSpan(Half * ((t - 1) % n), Half);
            Step(block, t);
            r.CopyTo(block.AsSpan(Half));
            decryptor.TransformBlock(block, 0, block.Length, block, 0);
            block.AsSpan(Half).CopyTo(r);
        }
        Span<byte> expected = stackalloc byte[Half];
        BinaryPrimitives.WriteUInt64BigEndian(expected, InitialValue);
        var good = CryptographicOperations.FixedTimeEquals(block.AsSpan(0, Half), expected);
        CryptographicOperations.ZeroMemory(block);
        if (good)
            return key;
        CryptographicOperations.ZeroMemory(key);
        return null;
    }

    private static Aes Blocks(ReadOnlySpan<byte> kek)
    {
        var aes = Aes.Create();
        (aes.Mode, aes.Padding) = (CipherMode.ECB, PaddingMode.None);
        aes.SetKey(kek);
        return aes;
    }

    private static void Step(Span<byte> block, int t) =>
        BinaryPrimitives.WriteUInt64BigEndian(block, BinaryPrimitives.ReadUInt64BigEndian(block) ^ (ulong)t);
}
