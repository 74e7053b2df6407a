using System.Diagnostics.CodeAnalysis;

namespace GatewaySecure.SmartCard;

/// <summary>BER-TLV objects as cards answer them (ISO 7816-4 §5.2.2): a tree of templates and values.</summary>
public sealed record Tlv(int Tag, ReadOnlyMemory<byte> Value)
{
    private const int MaxDepth = 8;

    /// <summary>The sequence of objects. False where the octets are not whole objects.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> octets, [NotNullWhen(true)] out IReadOnlyList<Tlv>? objects)
    {
        var found = new List<Tlv>();
        objects = null;
        var rest = octets;
        while (!rest.IsEmpty)
        {
            var at = 0;
            if (!TryTag(rest.Span, ref at, out var tag) || !TryLength(rest.Span, ref at, out var length) || length > rest.Length - at)
                return false;
            found.Add(new Tlv(tag, rest.Slice(at, length)));
            rest = rest[(at + length)..];
        }
        objects = found;
        return true;
    }

    /// <summary>The first object with that tag, in templates up to eight deep; null where there is none.</summary>
    public static ReadOnlyMemory<byte>? Find(ReadOnlyMemory<byte> octets, int tag) => Find(octets, tag, MaxDepth);

    private static ReadOnlyMemory<byte>? Find(ReadOnlyMemory<byte> octets, int tag, int depth)
    {
        // A card that nests without end must not end the program.
        if (depth == 0 || !TryParse(octets, out var objects))
            return null;
        foreach (var item in objects)
        {
            if (item.Tag == tag)
                return item.Value;
            if (item.IsTemplate && Find(item.Value, tag, depth - 1) is { } inner)
                return inner;
        }
        return null;
    }

    public static byte[] Encode(int tag, ReadOnlySpan<byte> value)
    {
        byte[] length = value.Length switch
        {
            < 0x80 => [(byte)value.Length],
            <= 0xFF => [0x81, (byte)value.Length],
            <= 0xFFFF => [0x82, (byte)(value.Length >> 8), (byte)value.Length],
            _ => throw new ArgumentException("A card's object has at most 65535 octets.", nameof(value)),
        };
        byte[] head = tag > 0xFF ? [(byte)(tag >> 8), (byte)tag] : [(byte)tag];
        return [.. head, .. length, .. value];
    }

    private bool IsTemplate => ((Tag > 0xFF ? Tag >> 8 : Tag) & 0x20) != 0;

    private static bool TryTag(ReadOnlySpan<byte> octets, ref int at, out int tag)
    {
        tag = octets[at++];
        if ((tag & 0x1F) != 0x1F)
            return true;
        if (at >= octets.Length)
            return false;
        tag = tag << 8 | octets[at++];
        return (tag & 0x80) == 0;
    }

    private static bool TryLength(ReadOnlySpan<byte> octets, ref int at, out int length)
    {
        length = 0;
        if (at >= octets.Length)
            return false;
        int first = octets[at++];
        if (first < 0x80)
        {
            length = first;
            return true;
        }
        var count = first & 0x7F;
        if (count is 0 or > 3 || at + count > octets.Length)
            return false;
        for (var i = 0; i < count; i++)
            length = length << 8 | octets[at++];
        return true;
    }
}
