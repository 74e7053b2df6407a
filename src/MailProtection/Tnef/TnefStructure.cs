using System.Buffers.Binary;
using System.Text;

namespace GatewaySecure.MailProtection.Tnef;

/// <summary>
/// Walks through a TNEF stream ([MS-OXTNEF] §2.1) and the property lists in it, by their lengths alone: whatever they say lies within the stream,
/// and there are neither too many attachments nor messages in messages. Only then a reader that trusts lengths may have it.
/// </summary>
internal sealed class TnefStructure
{
    private const uint Signature = 0x223E9F78;
    private const uint MessageClassTag = 0x00078008;
    private const uint MessagePropertiesTag = 0x00069003;
    private const uint RecipientTableTag = 0x00069004;
    private const uint AttachmentPropertiesTag = 0x00069005;
    private const uint AttachmentBeginTag = 0x00069002;

    private const int MostAttachments = 250;
    private const int MostProperties = 20_000;
    private const int DeepestMessage = 3;

    /// <summary>In octets; what it unpacks to is at most nine times as much.</summary>
    private const int LargestCompressedText = 2 << 20;

    private const ushort AttachDataId = 0x3701;
    private const ushort CompressedTextId = 0x1009;
    private const ushort MessageIdId = 0x1035;

    private int _attachments;
    private int _properties;

    private TnefStructure()
    {
    }

    /// <summary>Such as <c>IPM.Microsoft Mail.Note</c>; empty where it says none.</summary>
    public string MessageClass { get; private set; } = "";

    /// <summary>The outermost message brings a Message-ID of its own.</summary>
    public bool HasMessageId { get; private set; }

    /// <returns>Null, and what is wrong in plain words.</returns>
    public static TnefStructure? TryRead(ReadOnlySpan<byte> tnef, out string? problem)
    {
        var structure = new TnefStructure();
        problem = structure.ReadStream(tnef, depth: 0);
        return problem is null ? structure : null;
    }

    private string? ReadStream(ReadOnlySpan<byte> rest, int depth)
    {
        if (depth > DeepestMessage)
            return $"it holds messages within messages, more than {DeepestMessage} deep";
        if (rest.Length < 6 || BinaryPrimitives.ReadUInt32LittleEndian(rest) != Signature)
            return "it does not begin as TNEF does";
        rest = rest[6..];
        while (!rest.IsEmpty)
        {
            // Level, tag, length; then the value and its checksum.
            if (rest.Length < 9)
                return "it ends within an attribute";
            var tag = BinaryPrimitives.ReadUInt32LittleEndian(rest[1..]);
            var length = BinaryPrimitives.ReadUInt32LittleEndian(rest[5..]);
            if (rest[0] is not (1 or 2) || length > (uint)rest.Length - 9 || rest.Length - 9 - length < 2)
                return "an attribute is longer than what is there";
            var value = rest.Slice(9, (int)length);
            if (ReadAttribute(tag, value, depth) is { } problem)
                return problem;
            rest = rest[(9 + (int)length + 2)..];
        }
        return null;
    }

    private string? ReadAttribute(uint tag, ReadOnlySpan<byte> value, int depth)
    {
        switch (tag)
        {
            case MessageClassTag when depth == 0:
                MessageClass = Encoding.Latin1.GetString(value[..Math.Min(value.Length, 100)]).TrimEnd('\0');
                return null;
            case AttachmentBeginTag:
                return ++_attachments > MostAttachments ? $"it holds more than {MostAttachments} attachments" : null;
            case MessagePropertiesTag or AttachmentPropertiesTag:
                return ReadProperties(ref value, depth);
            case RecipientTableTag:
                if (!TryTake(ref value, out var rows))
                    return "its list of recipients is cut off";
                for (; rows > 0; rows--)
                {
                    if (ReadProperties(ref value, depth) is { } problem)
                        return problem;
                }
                return null;
            default:
                return null;
        }
    }

    private string? ReadProperties(ref ReadOnlySpan<byte> rest, int depth)
    {
        const string cut = "a property is longer than what is there";
        if (!TryTake(ref rest, out var count))
            return cut;
        for (; count > 0; count--)
        {
            if (++_properties > MostProperties)
                return $"it holds more than {MostProperties} properties";
            if (!TryTake(ref rest, out var header))
                return cut;
            var (type, id) = ((ushort)header, (ushort)(header >> 16));
            if (id >= 0x8000 && !TrySkipName(ref rest))
                return cut;
            var isList = (type & 0x1000) != 0;
            var valueType = type & 0xFFF;
            var size = FixedSize(valueType);
            if (size < 0)
                return $"a property has the type {valueType:x}, which there is not";
            uint values = 1;
            if ((isList || size == 0) && !TryTake(ref rest, out values))
                return cut;
            if (size > 0)
            {
                if (!TrySkip(ref rest, values * (ulong)size))
                    return cut;
                continue;
            }
            HasMessageId |= depth == 0 && id == MessageIdId;
            for (; values > 0; values--)
            {
                if (!TryTake(ref rest, out var length) || length > (uint)rest.Length)
                    return cut;
                var value = rest[..(int)length];
                if (id == CompressedTextId && length > LargestCompressedText)
                    return "its text is too large to be unpacked";
                // Behind the interface's identifier, a message is a TNEF stream of its own.
                if (id == AttachDataId && valueType == 0x0D && length >= 20
                    && BinaryPrimitives.ReadUInt32LittleEndian(value[16..]) == Signature
                    && ReadStream(value[16..], depth + 1) is { } problem)
                    return problem;
                if (!TrySkip(ref rest, (length + 3UL) / 4 * 4))
                    return cut;
            }
        }
        return null;
    }

    /// <summary>In octets with its padding; 0: it says its length itself; negative: there is no such type.</summary>
    private static int FixedSize(int type) => type switch
    {
        0x00 or 0x01 => 4,
        0x02 or 0x03 or 0x04 or 0x0A or 0x0B => 4,
        0x05 or 0x06 or 0x07 or 0x14 or 0x40 => 8,
        0x48 => 16,
        0x0D or 0x1E or 0x1F or 0x102 => 0,
        _ => -1,
    };

    private static bool TrySkipName(ref ReadOnlySpan<byte> rest)
    {
        if (!TrySkip(ref rest, 16) || !TryTake(ref rest, out var kind) || !TryTake(ref rest, out var idOrLength))
            return false;
        return kind == 0 || TrySkip(ref rest, (idOrLength + 3UL) / 4 * 4);
    }

    private static bool TryTake(ref ReadOnlySpan<byte> rest, out uint value)
    {
        value = 0;
        if (rest.Length < 4)
            return false;
        value = BinaryPrimitives.ReadUInt32LittleEndian(rest);
        rest = rest[4..];
        return true;
    }

    private static bool TrySkip(ref ReadOnlySpan<byte> rest, ulong count)
    {
        if (count > (ulong)rest.Length)
            return false;
        rest = rest[(int)count..];
        return true;
    }
}
