using System.Numerics;
using System.Security.Cryptography;

namespace GatewaySecure.VirtualCard;

/// <summary>
/// Asymmetric keys by key reference: GENERAL AUTHENTICATE, GENERATE (SP 800-73-4 part 2 §3.2.4, §3.3.2), the vendor's import,
/// move and metadata. RSA is the bare power; paddings are the terminal's.
/// </summary>
internal sealed class PivKeys(CardFile<PivState> file, PivPins pins)
{
    public byte[] Use(CommandApdu command)
    {
        var key = Find(command.P2);
        if (key.Algorithm != command.P1)
            throw new StatusException(StatusWords.IncorrectParameters);
        RequirePin(command.P2);
        if (Tlv.ReadAll(command.Data) is not [(0x7C, var template)])
            throw new StatusException(StatusWords.WrongData);
        foreach (var (tag, value) in Tlv.ReadAll(template))
        {
            if (tag == 0x81 && value.Length > 0)
                return Tlv.Encode(0x7C, Tlv.Encode(0x82, Curve(key.Algorithm) is null ? Power(key, value) : Sign(key, value)));
            if (tag == 0x85 && value.Length > 0)
                return Tlv.Encode(0x7C, Tlv.Encode(0x82, KeyRing.Agree(Slot(key), value)));
        }
        throw new StatusException(StatusWords.WrongData);
    }

    public byte[] Generate(CommandApdu command)
    {
        RequireReference(command.P2);
        if (Tlv.ReadAll(command.Data) is not [(0xAC, var template)] || Tlv.ReadAll(template) is not [(0x80, [var algorithm]), ..])
            throw new StatusException(StatusWords.WrongData);
        var slot = new KeySlot { Attributes = Attributes(algorithm) };
        KeyRing.Generate(slot, decipher: true);
        Store(command.P2, new PivKey { Algorithm = algorithm, PrivateKey = slot.PrivateKey, Origin = 1 });
        return KeyRing.PublicTemplate(slot, decipher: true);
    }

    /// <summary>FE: RSA by its primes (01, 02), a curve's key by its scalar (06); other parts are looked over.</summary>
    public byte[] Import(CommandApdu command)
    {
        RequireReference(command.P2);
        var parts = Tlv.ReadAll(command.Data).DistinctBy(p => p.Tag).ToDictionary(p => p.Tag, p => p.Value);
        var slot = new KeySlot { Attributes = Attributes(command.P1) };
        if (parts.TryGetValue(0x06, out var scalar))
            KeyRing.Import(slot, decipher: true, new Dictionary<int, byte[]> { [0x92] = scalar });
        else if (parts.TryGetValue(0x01, out var p) && parts.TryGetValue(0x02, out var q))
            KeyRing.Import(slot, decipher: true, new Dictionary<int, byte[]> { [0x91] = [1, 0, 1], [0x92] = p, [0x93] = q });
        else
            throw new StatusException(StatusWords.WrongData);
        Store(command.P2, new PivKey { Algorithm = command.P1, PrivateKey = slot.PrivateKey, Origin = 2 });
        return [];
    }

    /// <summary>F6: P1 takes over the key of P2; P1 FF deletes it.</summary>
    public byte[] Move(CommandApdu command)
    {
        var key = Find(command.P2);
        if (command.P1 != 0xFF)
        {
            RequireReference(command.P1);
            if (file.State.Keys.ContainsKey(Name(command.P1)))
                throw new StatusException(StatusWords.ConditionsNotSatisfied);
            file.State.Keys[Name(command.P1)] = key;
        }
        file.State.Keys.Remove(Name(command.P2));
        file.Save();
        return [];
    }

    public byte[] Metadata(byte reference)
    {
        var key = Find(reference);
        var template = Tlv.ReadAll(KeyRing.PublicTemplate(Slot(key), decipher: true))[0].Value;
        return Tlv.Join(
            Tlv.Encode(0x01, key.Algorithm),
            Tlv.Encode(0x02, (byte)(reference switch { 0x9C => 3, 0x9E => 1, _ => 2 }), 0x01),
            Tlv.Encode(0x03, key.Origin),
            Tlv.Encode(0x04, template));
    }

    private PivKey Find(byte reference) => file.State.Keys.TryGetValue(Name(reference), out var key)
        ? key
        : throw new StatusException(StatusWords.ReferencedDataNotFound);

    private void Store(byte reference, PivKey key)
    {
        file.State.Keys[Name(reference)] = key;
        file.Save();
    }

    /// <summary>9C wants the PIN for each use, 9E never, the others once (part 1 §3.1, table 4b).</summary>
    private void RequirePin(byte reference)
    {
        var allowed = reference switch
        {
            0x9C => pins.Fresh,
            0x9E => true,
            _ => pins.Verified,
        };
        if (!allowed)
            throw new StatusException(StatusWords.SecurityNotSatisfied);
        if (reference == 0x9C)
            pins.Fresh = false;
    }

    private static void RequireReference(byte reference)
    {
        if (reference is not (0x9A or 0x9C or 0x9D or 0x9E or (>= 0x82 and <= 0x95)))
            throw new StatusException(StatusWords.IncorrectParameters);
    }

    /// <summary>m^d mod n by the Chinese remainder theorem; the platform's type does no bare power.</summary>
    private static byte[] Power(PivKey key, byte[] input)
    {
        using var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(key.PrivateKey, out _);
        var k = rsa.ExportParameters(true);
        var m = Number(input);
        if (input.Length != k.Modulus!.Length || m >= Number(k.Modulus))
            throw new StatusException(StatusWords.WrongData);
        BigInteger p = Number(k.P!), q = Number(k.Q!);
        var first = BigInteger.ModPow(m, Number(k.DP!), p);
        var second = BigInteger.ModPow(m, Number(k.DQ!), q);
        var h = Number(k.InverseQ!) * (first - second) % p;
        var result = second + (h.Sign < 0 ? h + p : h) * q;
        var bare = result.ToByteArray(isUnsigned: true, isBigEndian: true);
        return [.. new byte[input.Length - bare.Length], .. bare];
    }

    private static byte[] Sign(PivKey key, byte[] digest)
    {
        if (digest.Length > (key.Algorithm == 0x11 ? 32 : 48))
            throw new StatusException(StatusWords.WrongData);
        using var ec = ECDsa.Create();
        ec.ImportPkcs8PrivateKey(key.PrivateKey, out _);
        return ec.SignHash(digest, DSASignatureFormat.Rfc3279DerSequence);
    }

    private static BigInteger Number(byte[] octets) => new(octets, isUnsigned: true, isBigEndian: true);

    private static KeySlot Slot(PivKey key) => new() { Attributes = Attributes(key.Algorithm), PrivateKey = key.PrivateKey };

    private static ECCurve? Curve(byte algorithm) => KeyAlgorithm.Parse(Attributes(algorithm), decipher: true)?.Curve;

    /// <summary>The same key as the key ring names it.</summary>
    private static byte[] Attributes(byte algorithm) => algorithm switch
    {
        0x07 => [0x01, 0x08, 0x00, 0x00, 0x20, 0x00],
        0x05 => [0x01, 0x0C, 0x00, 0x00, 0x20, 0x00],
        0x16 => [0x01, 0x10, 0x00, 0x00, 0x20, 0x00],
        0x11 => [0x12, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
        0x14 => [0x12, 0x2B, 0x81, 0x04, 0x00, 0x22],
        _ => throw new StatusException(StatusWords.WrongData),
    };

    private static string Name(byte reference) => reference.ToString("X2", System.Globalization.CultureInfo.InvariantCulture);
}
