using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>
/// Who a principal is, for ever: 128 random bits. Mail addresses belong to it for a time and are never the key,
/// so the next holder of an address inherits nothing.
/// </summary>
public readonly record struct PrincipalId(UInt128 Value)
{
    public const int Size = 16;

    public static PrincipalId New() => new(Id128.Random());

    /// <param name="octets">Exactly 16, most significant first.</param>
    public static PrincipalId FromOctets(ReadOnlySpan<byte> octets) => new(Id128.Read(octets));

    public static bool TryParse(string? text, out PrincipalId id)
    {
        var ok = Id128.TryParse(text, out var value);
        id = new PrincipalId(value);
        return ok;
    }

    public byte[] ToOctets() => Id128.Write(Value);

    /// <summary>32 hexadecimal digits in lower case.</summary>
    public override string ToString() => Id128.Format(Value);
}

/// <summary>Names one ticket: 128 random bits that the KDC chose; <c>kekid.keyIdentifier</c> on the wire.</summary>
public readonly record struct TicketId(UInt128 Value)
{
    public const int Size = 16;

    public static TicketId New() => new(Id128.Random());

    /// <param name="octets">Exactly 16, most significant first.</param>
    public static TicketId FromOctets(ReadOnlySpan<byte> octets) => new(Id128.Read(octets));

    public static bool TryParse(string? text, out TicketId id)
    {
        var ok = Id128.TryParse(text, out var value);
        id = new TicketId(value);
        return ok;
    }

    public byte[] ToOctets() => Id128.Write(Value);

    /// <summary>32 hexadecimal digits in lower case.</summary>
    public override string ToString() => Id128.Format(Value);
}

/// <summary>128 bits as octets (big-endian) and as hexadecimal text.</summary>
internal static class Id128
{
    public static UInt128 Random()
    {
        Span<byte> octets = stackalloc byte[16];
        RandomNumberGenerator.Fill(octets);
        return BinaryPrimitives.ReadUInt128BigEndian(octets);
    }

    public static UInt128 Read(ReadOnlySpan<byte> octets) => octets.Length == 16
        ? BinaryPrimitives.ReadUInt128BigEndian(octets)
        : throw new ArgumentException("16 octets are needed.", nameof(octets));

    public static byte[] Write(UInt128 value)
    {
        var octets = new byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(octets, value);
        return octets;
    }

    public static string Format(UInt128 value) => value.ToString("x32", CultureInfo.InvariantCulture);

    public static bool TryParse([NotNullWhen(true)] string? text, out UInt128 value)
    {
        value = default;
        return text is { Length: 32 } && UInt128.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }
}
