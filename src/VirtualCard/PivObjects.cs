using System.Buffers.Binary;
using System.Security.Cryptography;

namespace GatewaySecure.VirtualCard;

/// <summary>Data objects: GET DATA, PUT DATA (SP 800-73-4 part 2 §3.1.2, §3.3.1).</summary>
internal sealed class PivObjects(CardFile<PivState> file, PivPins pins)
{
    private const int MaxObject = 3052;
    private const int Unique = 0x5FC102;
    private const int Capabilities = 0x5FC107;

    // Fingerprints, facial image, printed information, iris images: with the PIN only (part 1 table 2).
    private static readonly int[] Guarded = [0x5FC103, 0x5FC108, 0x5FC109, 0x5FC121];

    public byte[] Get(CommandApdu command)
    {
        RequirePlace(command);
        if (Tlv.ReadAll(command.Data) is not [(0x5C, var name)])
            throw new StatusException(StatusWords.WrongData);
        // Discovery object: identifier, and "PIV application PIN only" (part 1 §3.3.2).
        if (name is [0x7E])
            return Convert.FromHexString("7E124F0BA0000003080000100001005F2F024000");
        var tag = TagOf(name);
        if (Guarded.Contains(tag) && !pins.Verified)
            throw new StatusException(StatusWords.SecurityNotSatisfied);
        return file.State.Objects.TryGetValue(Name(tag), out var value)
            ? Tlv.Encode(0x53, value)
            : throw new StatusException(StatusWords.FileNotFound);
    }

    public byte[] Put(CommandApdu command)
    {
        RequirePlace(command);
        if (Tlv.ReadAll(command.Data) is not [(0x5C, var name), (0x53, var value)])
            throw new StatusException(StatusWords.WrongData);
        if (value.Length > MaxObject)
            throw new StatusException(StatusWords.NotEnoughMemory);
        var tag = TagOf(name);
        if (value.Length == 0)
            file.State.Objects.Remove(Name(tag));
        else
            file.State.Objects[Name(tag)] = value;
        file.Save();
        return [];
    }

    /// <summary>What a card has from its maker: cardholder unique identifier and capability container, without which OpenSC sees no card.</summary>
    public static void Personalise(PivState state)
    {
        state.Objects[Name(Unique)] = Tlv.Join(
            Tlv.Encode(0x30, Convert.FromHexString("D4E739DA739CED39CE739D836858210842108421C84210C3EB")),
            Tlv.Encode(0x34, RandomNumberGenerator.GetBytes(16)),
            Tlv.Encode(0x35, "20991231"u8),
            Tlv.Encode(0x3E, []),
            Tlv.Encode(0xFE, []));
        state.Objects[Name(Capabilities)] = Tlv.Join(
            Tlv.Encode(0xF0, [0xA0, 0x00, 0x00, 0x01, 0x16, 0xFF, 0x02, .. RandomNumberGenerator.GetBytes(14)]),
            Convert.FromHexString("F10121F20121F300F40100F50110F600F700FA00FB00FC00FD00FE00"));
    }

    public static uint Number(byte[] serial) => BinaryPrimitives.ReadUInt32BigEndian(serial);

    private static void RequirePlace(CommandApdu command)
    {
        if (command.Tag != 0x3FFF)
            throw new StatusException(StatusWords.IncorrectParameters);
    }

    private static int TagOf(byte[] name) => name is [0x5F, var middle, var last]
        ? 0x5F0000 | middle << 8 | last
        : throw new StatusException(StatusWords.FileNotFound);

    private static string Name(int tag) => tag.ToString("X6", System.Globalization.CultureInfo.InvariantCulture);
}
