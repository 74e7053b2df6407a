using System.Buffers.Binary;
using System.Formats.Asn1;
using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>
/// RSA paddings of PKCS #1 v2.2 (RFC 8017) for cards and tokens that do the bare power only, or whose word about a padding is not to be asked for. Taking one off runs through the
/// whole block in the same way whatever it holds, and answers one exception for every fault.
/// </summary>
public static class RsaPadding
{
    /// <summary>DigestInfo of a digest (RFC 8017 §9.2, step 2).</summary>
    /// <exception cref="CryptographicException">Not SHA-256, SHA-384 or SHA-512, or not their length.</exception>
    public static byte[] DigestInfo(ReadOnlySpan<byte> hash, HashAlgorithmName algorithm)
    {
        var (oid, length) = algorithm.Name switch
        {
            "SHA256" => ("2.16.840.1.101.3.4.2.1", 32),
            "SHA384" => ("2.16.840.1.101.3.4.2.2", 48),
            "SHA512" => ("2.16.840.1.101.3.4.2.3", 64),
            _ => throw new CryptographicException("Cards sign SHA-256, SHA-384 and SHA-512 only."),
        };
        if (hash.Length != length)
            throw new CryptographicException("The digest has not the length of its algorithm.");
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(oid);
                writer.WriteNull();
            }
            writer.WriteOctetString(hash);
        }
        return writer.Encode();
    }

    /// <summary>The block to sign, as long as the modulus.</summary>
    public static byte[] ForSigning(ReadOnlySpan<byte> hash, HashAlgorithmName algorithm, RSASignaturePadding padding, int modulusBits)
    {
        if (padding == RSASignaturePadding.Pkcs1)
        {
            var info = DigestInfo(hash, algorithm);
            var fill = new byte[modulusBits / 8 - info.Length - 3];
            Array.Fill(fill, (byte)0xFF);
            return [0x00, 0x01, .. fill, 0x00, .. info];
        }
        return padding == RSASignaturePadding.Pss ? Pss(hash, algorithm, modulusBits)
            : throw new CryptographicException("This signature padding is not known.");
    }

    /// <summary>EME-PKCS1-v1_5 (§7.2.2) or EME-OAEP (§7.1.2) off a block that the card deciphered. The caller clears both.</summary>
    public static byte[] TakeOff(ReadOnlySpan<byte> block, RSAEncryptionPadding padding) =>
        padding == RSAEncryptionPadding.Pkcs1 ? Pkcs1(block)
        : padding.Mode == RSAEncryptionPaddingMode.Oaep ? Oaep(block, padding.OaepHashAlgorithm)
        : throw new CryptographicException("This encryption padding is not known.");

    /// <summary>EMSA-PSS-ENCODE with a salt as long as the digest (§9.1.1).</summary>
    private static byte[] Pss(ReadOnlySpan<byte> hash, HashAlgorithmName algorithm, int modulusBits)
    {
        // The modulus has whole octets and its top bit set: emBits = modBits - 1.
        var length = modulusBits / 8;
        var salt = RandomNumberGenerator.GetBytes(hash.Length);
        var h = CryptographicOperations.HashData(algorithm, [.. new byte[8], .. hash, .. salt]);
        var db = new byte[length - h.Length - 1];
        db[^(salt.Length + 1)] = 0x01;
        salt.CopyTo(db, db.Length - salt.Length);
        Mask(db, h, algorithm);
        db[0] &= 0x7F;
        return [.. db, .. h, 0xBC];
    }

    private static byte[] Pkcs1(ReadOnlySpan<byte> block)
    {
        // All ones where so far nothing is wrong; the zero that ends the filling is looked for to the last octet.
        var bad = block[0] | (block[1] ^ 0x02);
        int found = 0, start = 0;
        for (var i = 2; i < block.Length; i++)
        {
            var isZero = IsZero(block[i]);
            start |= (i + 1) & isZero & ~found;
            found |= isZero;
        }
        bad |= ~found & 0xFF;
        // At least eight octets of filling.
        bad |= (start - 11) >> 31 & 0xFF;
        return bad == 0 ? block[start..].ToArray() : throw Refused();
    }

    private static byte[] Oaep(ReadOnlySpan<byte> block, HashAlgorithmName algorithm)
    {
        var label = CryptographicOperations.HashData(algorithm, []);
        var size = label.Length;
        if (block.Length < 2 * size + 2)
            throw Refused();
        var seed = block.Slice(1, size).ToArray();
        var db = block[(1 + size)..].ToArray();
        try
        {
            Mask(seed, db, algorithm);
            Mask(db, seed, algorithm);
            int bad = block[0];
            for (var i = 0; i < size; i++)
                bad |= db[i] ^ label[i];
            // Zeros, then a one, then the message.
            int found = 0, start = 0;
            for (var i = size; i < db.Length; i++)
            {
                var isOne = IsZero((byte)(db[i] ^ 0x01));
                bad |= db[i] & ~isOne & ~found;
                start |= (i + 1) & isOne & ~found;
                found |= isOne;
            }
            bad |= ~found & 0xFF;
            return (bad & 0xFF) == 0 ? db[start..] : throw Refused();
        }
        finally
        {
            CryptographicOperations.ZeroMemory(db);
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    /// <summary>MGF1 (§B.2.1), laid over the target.</summary>
    private static void Mask(Span<byte> target, ReadOnlySpan<byte> seed, HashAlgorithmName algorithm)
    {
        var counter = new byte[4];
        var at = 0;
        for (var i = 0; at < target.Length; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(counter, i);
            foreach (var octet in CryptographicOperations.HashData(algorithm, [.. seed, .. counter]))
            {
                if (at < target.Length)
                    target[at++] ^= octet;
            }
        }
    }

    /// <summary>All ones for zero, else zero.</summary>
    private static int IsZero(byte value) => (value - 1) >> 31;

    private static CryptographicException Refused() => new("This can't be deciphered.");
}
