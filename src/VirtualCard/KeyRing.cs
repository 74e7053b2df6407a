using System.Numerics;
using System.Security.Cryptography;

namespace GatewaySecure.VirtualCard;

/// <summary>The three asymmetric keys: generate, import, public part, sign, decipher, agree. Wrong input ends with a status word.</summary>
internal static class KeyRing
{
    private static readonly (HashAlgorithmName Name, byte[] Prefix)[] DigestInfos =
    [
        (HashAlgorithmName.SHA1, Convert.FromHexString("3021300906052B0E03021A05000414")),
        (HashAlgorithmName.SHA256, Convert.FromHexString("3031300D060960864801650304020105000420")),
        (HashAlgorithmName.SHA384, Convert.FromHexString("3041300D060960864801650304020205000430")),
        (HashAlgorithmName.SHA512, Convert.FromHexString("3051300D060960864801650304020305000440")),
    ];

    public static void Generate(KeySlot slot, bool decipher)
    {
        var algorithm = Algorithm(slot, decipher);
        if (algorithm.Curve is { } curve)
        {
            using var key = ECDiffieHellman.Create(curve);
            slot.PrivateKey = key.ExportPkcs8PrivateKey();
        }
        else
        {
            using var key = RSA.Create(algorithm.RsaBits);
            slot.PrivateKey = key.ExportPkcs8PrivateKey();
        }
        slot.Origin = 1;
    }

    /// <summary>The public key template 7F49 (§7.2.14).</summary>
    public static byte[] PublicTemplate(KeySlot slot, bool decipher)
    {
        if (slot.PrivateKey.Length == 0)
            throw new StatusException(StatusWords.ReferencedDataNotFound);
        if (Algorithm(slot, decipher).Curve is not null)
        {
            using var key = OpenEc(slot);
            var q = key.ExportParameters(false).Q;
            return Tlv.Encode(0x7F49, Tlv.Encode(0x86, [0x04, .. q.X!, .. q.Y!]));
        }
        using var rsa = OpenRsa(slot);
        var p = rsa.ExportParameters(false);
        return Tlv.Encode(0x7F49, Tlv.Join(Tlv.Encode(0x81, p.Modulus!), Tlv.Encode(0x82, p.Exponent!)));
    }

    /// <summary>Signs a DigestInfo (RSA) or a bare digest (ECDSA, answered as r‖s).</summary>
    public static byte[] Sign(KeySlot slot, ReadOnlySpan<byte> input)
    {
        RequireKey(slot);
        if (Algorithm(slot, false).Curve is not null)
        {
            if (input.Length is < 20 or > 64)
                throw new StatusException(StatusWords.WrongData);
            using var ec = ECDsa.Create();
            ec.ImportPkcs8PrivateKey(slot.PrivateKey, out _);
            return ec.SignHash(input.ToArray());
        }
        foreach (var (name, prefix) in DigestInfos)
        {
            if (!input.StartsWith(prefix) || input.Length != prefix.Length + prefix[^1])
                continue;
            using var rsa = OpenRsa(slot);
            return rsa.SignHash(input[prefix.Length..], name, RSASignaturePadding.Pkcs1);
        }
        throw new StatusException(StatusWords.WrongData);
    }

    /// <summary>RSA: strips PKCS#1 v1.5. Any fault is one and the same 6A80.</summary>
    public static byte[] DecipherRsa(KeySlot slot, ReadOnlySpan<byte> cryptogram)
    {
        RequireKey(slot);
        if (Algorithm(slot, true).Curve is not null)
            throw new StatusException(StatusWords.WrongData);
        using var rsa = OpenRsa(slot);
        try
        {
            return rsa.Decrypt(cryptogram, RSAEncryptionPadding.Pkcs1);
        }
        catch (CryptographicException)
        {
            throw new StatusException(StatusWords.WrongData);
        }
    }

    /// <summary>ECDH with the other side's point (04‖X‖Y): the X coordinate of the shared point.</summary>
    public static byte[] Agree(KeySlot slot, ReadOnlySpan<byte> point)
    {
        RequireKey(slot);
        var algorithm = Algorithm(slot, true);
        if (algorithm.Curve is not { } curve || point.Length != 1 + 2 * algorithm.FieldBytes || point[0] != 0x04)
            throw new StatusException(StatusWords.WrongData);
        using var own = OpenEc(slot);
        try
        {
            using var other = ECDiffieHellman.Create(new ECParameters
            {
                Curve = curve,
                Q = new ECPoint
                {
                    X = point.Slice(1, algorithm.FieldBytes).ToArray(),
                    Y = point[(1 + algorithm.FieldBytes)..].ToArray(),
                },
            });
            return own.DeriveRawSecretAgreement(other.PublicKey);
        }
        catch (CryptographicException)
        {
            // The point is not on the curve.
            throw new StatusException(StatusWords.WrongData);
        }
    }

    /// <summary>Takes the parts of an extended header list, by tag: RSA 91 e, 92 p, 93 q; EC 92 scalar, 99 point (§4.4.3.12).</summary>
    public static void Import(KeySlot slot, bool decipher, IReadOnlyDictionary<int, byte[]> parts)
    {
        var algorithm = Algorithm(slot, decipher);
        try
        {
            slot.PrivateKey = algorithm.Curve is { } curve ? ImportEc(curve, algorithm, parts) : ImportRsa(algorithm.RsaBits, parts);
        }
        catch (CryptographicException)
        {
            throw new StatusException(StatusWords.WrongData);
        }
        slot.Origin = 2;
    }

    private static byte[] ImportEc(ECCurve curve, KeyAlgorithm algorithm, IReadOnlyDictionary<int, byte[]> parts)
    {
        if (!parts.TryGetValue(0x92, out var scalar) || scalar.Length > algorithm.FieldBytes)
            throw new StatusException(StatusWords.WrongData);
        var d = new byte[algorithm.FieldBytes];
        scalar.CopyTo(d, d.Length - scalar.Length);
        var parameters = new ECParameters { Curve = curve, D = d };
        using var key = ECDiffieHellman.Create(parameters);
        return key.ExportPkcs8PrivateKey();
    }

    private static byte[] ImportRsa(int bits, IReadOnlyDictionary<int, byte[]> parts)
    {
        if (!parts.TryGetValue(0x91, out var e) || !parts.TryGetValue(0x92, out var first) || !parts.TryGetValue(0x93, out var second))
            throw new StatusException(StatusWords.WrongData);
        BigInteger p = Number(first), q = Number(second), exponent = Number(e), n = p * q;
        if (n.GetBitLength() != bits || p < 3 || q < 3)
            throw new StatusException(StatusWords.WrongData);
        var d = Inverse(exponent, (p - 1) * (q - 1));
        using var rsa = RSA.Create(new RSAParameters
        {
            Modulus = Octets(n, bits / 8),
            Exponent = exponent.ToByteArray(isUnsigned: true, isBigEndian: true),
            D = Octets(d, bits / 8),
            P = Octets(p, bits / 16),
            Q = Octets(q, bits / 16),
            DP = Octets(d % (p - 1), bits / 16),
            DQ = Octets(d % (q - 1), bits / 16),
            InverseQ = Octets(Inverse(q, p), bits / 16),
        });
        return rsa.ExportPkcs8PrivateKey();
    }

    private static BigInteger Number(byte[] octets) => new(octets, isUnsigned: true, isBigEndian: true);

    private static byte[] Octets(BigInteger value, int length)
    {
        var bare = value.ToByteArray(isUnsigned: true, isBigEndian: true);
        if (bare.Length > length)
            throw new StatusException(StatusWords.WrongData);
        var padded = new byte[length];
        bare.CopyTo(padded, length - bare.Length);
        return padded;
    }

    private static BigInteger Inverse(BigInteger value, BigInteger modulus)
    {
        BigInteger a = value % modulus, b = modulus, x = 1, y = 0;
        while (a > 1)
        {
            if (b.IsZero)
                throw new StatusException(StatusWords.WrongData);
            var quotient = a / b;
            (a, b) = (b, a % b);
            (x, y) = (y, x - quotient * y);
        }
        if (a != 1)
            throw new StatusException(StatusWords.WrongData);
        return x < 0 ? x + modulus : x;
    }

    private static KeyAlgorithm Algorithm(KeySlot slot, bool decipher) =>
        KeyAlgorithm.Parse(slot.Attributes, decipher) ?? throw new StatusException(StatusWords.TechnicalProblem);

    private static void RequireKey(KeySlot slot)
    {
        if (slot.PrivateKey.Length == 0)
            throw new StatusException(StatusWords.ReferencedDataNotFound);
    }

    private static RSA OpenRsa(KeySlot slot)
    {
        var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(slot.PrivateKey, out _);
        return rsa;
    }

    private static ECDiffieHellman OpenEc(KeySlot slot)
    {
        var key = ECDiffieHellman.Create();
        key.ImportPkcs8PrivateKey(slot.PrivateKey, out _);
        return key;
    }
}
