using System.Security.Cryptography;
using System.Text;
using GatewaySecure.KdcCore;

namespace GatewaySecure.HsmAdapter;

/// <summary>What a wrapped key is bound to, as octets.</summary>
internal static class KeyNames
{
    public static byte[] Of(MasterKeyName name) => Encoding.ASCII.GetBytes($"{name.Principal}/{name.Kvno}");

    public static byte[] Of(EscrowedKey key) => Encoding.ASCII.GetBytes(
        $"escrow/{key.Principal}/{key.Algorithm}/{Convert.ToHexStringLower(SHA256.HashData(key.PublicKey.Span))}");

    /// <exception cref="ArgumentException">It would not do as a part of a file's name.</exception>
    public static void Demand(string name)
    {
        if (name.Length is 0 or > 64 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
            throw new ArgumentException("A key's name has 1 to 64 letters, digits, '-' and '_'.", nameof(name));
    }

    public static int RsaBits(EscrowAlgorithm algorithm) => algorithm switch
    {
        EscrowAlgorithm.Rsa2048 => 2048,
        EscrowAlgorithm.Rsa3072 => 3072,
        EscrowAlgorithm.Rsa4096 => 4096,
        _ => 0,
    };

    public static ECCurve Curve(EscrowAlgorithm algorithm) =>
        algorithm == EscrowAlgorithm.EcP256 ? ECCurve.NamedCurves.nistP256 : ECCurve.NamedCurves.nistP384;
}
