using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>Algorithm attributes C1–C3 to and from <see cref="CardKeyAlgorithm"/> (OpenPGP card 3.4 §4.4.3.9).</summary>
internal static class KeyAttributes
{
    private static readonly byte[] P256 = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
    private static readonly byte[] P384 = [0x2B, 0x81, 0x04, 0x00, 0x22];

    public static byte[] Encode(CardKeyAlgorithm algorithm, CardKey key)
    {
        var kind = key == CardKey.Decipher ? (byte)0x12 : (byte)0x13;
        return algorithm switch
        {
            CardKeyAlgorithm.Rsa2048 => [0x01, 0x08, 0x00, 0x00, 0x20, 0x00],
            CardKeyAlgorithm.Rsa3072 => [0x01, 0x0C, 0x00, 0x00, 0x20, 0x00],
            CardKeyAlgorithm.Rsa4096 => [0x01, 0x10, 0x00, 0x00, 0x20, 0x00],
            CardKeyAlgorithm.P256 => [kind, .. P256],
            CardKeyAlgorithm.P384 => [kind, .. P384],
            _ => throw new ArgumentOutOfRangeException(nameof(algorithm)),
        };
    }

    public static CardKeyAlgorithm? Decode(ReadOnlySpan<byte> attributes)
    {
        if (attributes.Length >= 3 && attributes[0] == 0x01)
        {
            return (attributes[1] << 8 | attributes[2]) switch
            {
                2048 => CardKeyAlgorithm.Rsa2048,
                3072 => CardKeyAlgorithm.Rsa3072,
                4096 => CardKeyAlgorithm.Rsa4096,
                _ => null,
            };
        }
        if (attributes.Length < 2 || attributes[0] is not (0x12 or 0x13))
            return null;
        var oid = attributes[1..];
        return oid.StartsWith(P256) ? CardKeyAlgorithm.P256 : oid.StartsWith(P384) ? CardKeyAlgorithm.P384 : null;
    }

    public static ECCurve Curve(CardKeyAlgorithm algorithm) => algorithm switch
    {
        CardKeyAlgorithm.P256 => ECCurve.NamedCurves.nistP256,
        CardKeyAlgorithm.P384 => ECCurve.NamedCurves.nistP384,
        _ => throw new CardException(CardFault.Protocol, "This key of the card is not an elliptic-curve key."),
    };
}
