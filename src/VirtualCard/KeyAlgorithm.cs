using System.Buffers.Binary;
using System.Security.Cryptography;

namespace GatewaySecure.VirtualCard;

/// <summary>The algorithm attributes C1–C3 this card accepts: RSA 2048/3072/4096, ECDSA and ECDH on P-256 and P-384 (§4.4.3.9).</summary>
internal sealed record KeyAlgorithm(int RsaBits, ECCurve? Curve, int FieldBytes)
{
    private static readonly byte[] P256 = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
    private static readonly byte[] P384 = [0x2B, 0x81, 0x04, 0x00, 0x22];

    /// <returns>Null where this card has no such algorithm for the slot.</returns>
    public static KeyAlgorithm? Parse(ReadOnlySpan<byte> attributes, bool decipher)
    {
        if (attributes.Length is 5 or 6 && attributes[0] == 0x01)
        {
            int bits = BinaryPrimitives.ReadUInt16BigEndian(attributes[1..]);
            var exponent = BinaryPrimitives.ReadUInt16BigEndian(attributes[3..]);
            var format = attributes.Length == 6 ? attributes[5] : 0;
            return bits is 2048 or 3072 or 4096 && exponent is 17 or 32 && format == 0 ? new KeyAlgorithm(bits, null, 0) : null;
        }
        if (attributes.Length < 2 || attributes[0] != (decipher ? 0x12 : 0x13))
            return null;
        var oid = attributes[1..];
        // A trailing FF or 00 states whether the public key comes along on import; both are accepted there.
        if (oid[^1] is 0xFF or 0x00)
            oid = oid[..^1];
        if (oid.SequenceEqual(P256))
            return new KeyAlgorithm(0, ECCurve.NamedCurves.nistP256, 32);
        return oid.SequenceEqual(P384) ? new KeyAlgorithm(0, ECCurve.NamedCurves.nistP384, 48) : null;
    }

    /// <summary>Content of the algorithm information FA (§4.4.3.11).</summary>
    public static byte[] Information()
    {
        var all = new List<byte[]>();
        foreach (var tag in new[] { 0xC1, 0xC2, 0xC3 })
        {
            foreach (var bits in new[] { 2048, 3072, 4096 })
                all.Add(Tlv.Encode(tag, 0x01, (byte)(bits >> 8), (byte)bits, 0x00, 0x20, 0x00));
            byte kind = tag == 0xC2 ? (byte)0x12 : (byte)0x13;
            all.Add(Tlv.Encode(tag, [kind, .. P256]));
            all.Add(Tlv.Encode(tag, [kind, .. P384]));
        }
        return Tlv.Join([.. all]);
    }
}
