using System.Buffers.Binary;
using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>The identifier that an OpenPGP card keeps for a key, version 4 (RFC 9580 §5.5.4.2). OpenSC and GnuPG show a key only once it is set.</summary>
internal static class OpenPgpFingerprint
{
    private const byte Rsa = 1;
    private const byte Ecdh = 18;
    private const byte Ecdsa = 19;

    /// <returns>The 20 octets, and the four octets of the key's date.</returns>
    public static (byte[] Fingerprint, byte[] Date) Of(CardPublicKey key, CardKey slot, DateTimeOffset made)
    {
        var date = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(date, (uint)made.ToUnixTimeSeconds());
        byte[] packet = [4, .. date, .. Material(key, slot)];
#pragma warning disable CA5350 // What the format prescribes; nothing relies on it.
        return (SHA1.HashData([0x99, (byte)(packet.Length >> 8), (byte)packet.Length, .. packet]), date);
#pragma warning restore CA5350
    }

    private static byte[] Material(CardPublicKey key, CardKey slot)
    {
        if (key.Rsa is { } rsa)
            return [Rsa, .. Number(rsa.Modulus!), .. Number(rsa.Exponent!)];
        var q = key.Ec!.Value.Q;
        var oid = KeyAttributes.Encode(key.Algorithm, slot)[1..];
        byte[] point = [(byte)oid.Length, .. oid, .. Number([0x04, .. q.X!, .. q.Y!])];
        // KDF parameters (RFC 9580 §11.5, §9.2): SHA-256 with AES-128 for P-256, SHA-384 with AES-256 for P-384.
        byte[] derivation = key.Algorithm == CardKeyAlgorithm.P256 ? [3, 1, 8, 7] : [3, 1, 9, 9];
        return slot == CardKey.Decipher ? [Ecdh, .. point, .. derivation] : [Ecdsa, .. point];
    }

    private static byte[] Number(byte[] octets)
    {
        var bare = octets.AsSpan().TrimStart((byte)0);
        var bits = 8 * bare.Length - byte.LeadingZeroCount(bare[0]);
        return [(byte)(bits >> 8), (byte)bits, .. bare];
    }
}
