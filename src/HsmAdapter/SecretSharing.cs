using System.Security.Cryptography;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// Shamir's scheme, octet by octet over GF(2⁸) with the polynomial x⁸+x⁴+x³+x²+1 (0x11D), the one of libgfshare, whose <c>gfcombine</c> puts
/// shares together too. Fewer shares than the threshold tell nothing. No table look-ups: time does not depend on secrets.
/// </summary>
internal static class SecretSharing
{
    /// <returns>Shares number 1 to <paramref name="count"/>, each as long as the secret.</returns>
    public static byte[][] Split(ReadOnlySpan<byte> secret, int threshold, int count)
    {
        if (threshold < 2 || threshold > count || count > 255)
            throw new ArgumentException("Between 2 and 255 shares, of which at least 2 and at most all are needed.", nameof(threshold));
        var shares = new byte[count][];
        for (var i = 0; i < count; i++)
            shares[i] = new byte[secret.Length];
        Span<byte> coefficients = stackalloc byte[threshold];
        for (var octet = 0; octet < secret.Length; octet++)
        {
            RandomNumberGenerator.Fill(coefficients);
            coefficients[0] = secret[octet];
            for (var x = 1; x <= count; x++)
            {
                byte value = 0;
                for (var c = threshold - 1; c >= 0; c--)
                    value = (byte)(Multiply(value, (byte)x) ^ coefficients[c]);
                shares[x - 1][octet] = value;
            }
        }
        CryptographicOperations.ZeroMemory(coefficients);
        return shares;
    }

    /// <summary>The secret, where the shares belong together and are enough; else something random.</summary>
    public static byte[] Combine(IReadOnlyList<(int Number, byte[] Share)> shares)
    {
        if (shares.Count < 2 || shares.Any(s => s.Number is < 1 or > 255) || shares.DistinctBy(s => s.Number).Count() != shares.Count
            || shares.DistinctBy(s => s.Share.Length).Count() != 1)
        {
            throw new CryptographicException("These are no shares of one secret.");
        }
        var secret = GC.AllocateArray<byte>(shares[0].Share.Length, pinned: true);
        foreach (var (number, share) in shares)
        {
            // Lagrange's basis polynomial at 0; subtraction is exclusive or.
            byte basis = 1;
            foreach (var (other, _) in shares.Where(s => s.Number != number))
                basis = Multiply(basis, Multiply((byte)other, Invert((byte)(other ^ number))));
            for (var i = 0; i < secret.Length; i++)
                secret[i] ^= Multiply(share[i], basis);
        }
        return secret;
    }

    private static byte Multiply(byte a, byte b)
    {
        int result = 0, factor = a;
        for (var bit = 0; bit < 8; bit++)
        {
            result ^= factor & -(b >> bit & 1);
            factor = factor << 1 ^ 0x11D & -(factor >> 7);
        }
        return (byte)result;
    }

    /// <summary>a²⁵⁴ = a⁻¹.</summary>
    private static byte Invert(byte a)
    {
        byte result = 1;
        for (var i = 0; i < 254; i++)
            result = Multiply(result, a);
        return result;
    }
}
