using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>The public half of a key on the card: exactly one of the two is set.</summary>
public sealed record CardPublicKey(CardKeyAlgorithm Algorithm, RSAParameters? Rsa, ECParameters? Ec)
{
    /// <summary>Reads the template 7F49 (OpenPGP card 3.4 §7.2.14).</summary>
    /// <exception cref="CardException">It is not one.</exception>
    internal static CardPublicKey Parse(CardKeyAlgorithm algorithm, ReadOnlyMemory<byte> template)
    {
        if (algorithm is CardKeyAlgorithm.P256 or CardKeyAlgorithm.P384)
        {
            var field = algorithm == CardKeyAlgorithm.P256 ? 32 : 48;
            if (Tlv.Find(template, 0x86) is not { } point || point.Length != 1 + 2 * field || point.Span[0] != 0x04)
                throw new CardException(CardFault.Protocol, "The card's public key is not a point of its curve.");
            var parameters = new ECParameters
            {
                Curve = KeyAttributes.Curve(algorithm),
                Q = new ECPoint { X = point.Slice(1, field).ToArray(), Y = point[(1 + field)..].ToArray() },
            };
            return new CardPublicKey(algorithm, null, parameters);
        }
        if (Tlv.Find(template, 0x81) is not { } modulus || Tlv.Find(template, 0x82) is not { } exponent)
            throw new CardException(CardFault.Protocol, "The card's public key lacks modulus or exponent.");
        var rsa = new RSAParameters
        {
            Modulus = modulus.Span.TrimStart((byte)0).ToArray(),
            Exponent = exponent.Span.TrimStart((byte)0).ToArray(),
        };
        return new CardPublicKey(algorithm, rsa, null);
    }
}
