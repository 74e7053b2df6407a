using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.SmartCard;

/// <summary>The public half of a key on the card: exactly one of the two is set.</summary>
public sealed record CardPublicKey(CardKeyAlgorithm Algorithm, RSAParameters? Rsa, ECParameters? Ec)
{
    /// <summary>Octets of the curve's field; zero for RSA.</summary>
    public int FieldLength => Algorithm switch
    {
        CardKeyAlgorithm.P256 => 32,
        CardKeyAlgorithm.P384 => 48,
        _ => 0,
    };

    /// <summary>Bits of the modulus; zero on a curve.</summary>
    public int ModulusBits => Algorithm switch
    {
        CardKeyAlgorithm.Rsa2048 => 2048,
        CardKeyAlgorithm.Rsa3072 => 3072,
        CardKeyAlgorithm.Rsa4096 => 4096,
        _ => 0,
    };

    /// <summary>The certified key; null where it is of a kind that this program does not use.</summary>
    /// <exception cref="CryptographicException">The certificate is malformed.</exception>
    public static CardPublicKey? Of(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        // Not the certificate's own methods: they give no key where the key usage names another use than the type's.
        using var rsa = certificate.PublicKey.GetRSAPublicKey();
        if (rsa is not null)
            return Of(rsa);
        using var curve = certificate.PublicKey.GetECDiffieHellmanPublicKey();
        return curve is null ? null : Of(curve);
    }

    /// <summary>The public half; null where it is of a kind that this program does not use.</summary>
    public static CardPublicKey? Of(RSA key)
    {
        ArgumentNullException.ThrowIfNull(key);
        CardKeyAlgorithm? algorithm = key.KeySize switch
        {
            2048 => CardKeyAlgorithm.Rsa2048,
            3072 => CardKeyAlgorithm.Rsa3072,
            4096 => CardKeyAlgorithm.Rsa4096,
            _ => null,
        };
        return algorithm is { } known ? new CardPublicKey(known, key.ExportParameters(false), null) : null;
    }

    /// <summary>The public half; null where it is of a kind that this program does not use.</summary>
    public static CardPublicKey? Of(ECAlgorithm key)
    {
        ArgumentNullException.ThrowIfNull(key);
        var parameters = key.ExportParameters(false);
        CardKeyAlgorithm? algorithm = parameters.Curve.Oid.Value switch
        {
            "1.2.840.10045.3.1.7" => CardKeyAlgorithm.P256,
            "1.3.132.0.34" => CardKeyAlgorithm.P384,
            _ => null,
        };
        return algorithm is { } known ? new CardPublicKey(known, null, parameters) : null;
    }

    /// <summary>The point, uncompressed (SEC 1 §2.3.3).</summary>
    /// <exception cref="InvalidOperationException">An RSA key has none.</exception>
    public byte[] Point() => Ec is { } ec ? [0x04, .. ec.Q.X!, .. ec.Q.Y!] : throw new InvalidOperationException("An RSA key is no point.");

    /// <summary>The same key, whatever stands around it.</summary>
    public bool IsSameAs(CardPublicKey other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Algorithm == other.Algorithm
            && (Rsa is { } rsa ? rsa.Modulus.AsSpan().SequenceEqual(other.Rsa!.Value.Modulus)
                : Ec!.Value.Q.X.AsSpan().SequenceEqual(other.Ec!.Value.Q.X) && Ec!.Value.Q.Y.AsSpan().SequenceEqual(other.Ec!.Value.Q.Y));
    }

    /// <summary>Reads the template 7F49 (OpenPGP card 3.4 §7.2.14; SP 800-73-4 part 2 §3.3.2).</summary>
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
