using System.Buffers.Binary;
using System.Text;

namespace GatewaySecure.TestKit;

/// <summary>Writes TNEF streams as Outlook does ([MS-OXTNEF]): attributes with checksums, and property lists in them.</summary>
public sealed class TnefWriter
{
    private readonly MemoryStream _stream = new();

    public TnefWriter(string messageClass = "IPM.Microsoft Mail.Note")
    {
        UInt32(_stream, 0x223E9F78);
        _stream.Write([1, 0]);
        Attribute(1, 0x00089006, [0, 0, 1, 0]);
        Attribute(1, 0x00069007, [0xE4, 0x04, 0, 0, 0, 0, 0, 0]);
        Attribute(1, 0x00078008, Encoding.ASCII.GetBytes(messageClass + "\0"));
    }

    public byte[] ToArray() => _stream.ToArray();

    /// <summary>The message's own properties, such as <see cref="Html"/>.</summary>
    public TnefWriter Message(params (uint Tag, byte[] Value)[] properties) => Attribute(1, 0x00069003, Properties(properties));

    public TnefWriter Attachment(string name, byte[] content)
    {
        BeginAttachment();
        Attribute(2, 0x00018010, Encoding.Latin1.GetBytes(name[..Math.Min(name.Length, 12)] + "\0"));
        Attribute(2, 0x0006800F, content);
        return Attribute(2, 0x00069005, Properties((0x3707001F, Unicode(name)), (0x37050003, [1, 0, 0, 0])));
    }

    public TnefWriter Embedded(string name, TnefWriter message)
    {
        BeginAttachment();
        // IID_IMessage, and the message as a stream of its own.
        byte[] value = [.. new Guid("00020307-0000-0000-C000-000000000046").ToByteArray(), .. message.ToArray()];
        return Attribute(2, 0x00069005, Properties((0x37050003, [5, 0, 0, 0]), (0x3001001F, Unicode(name)), (0x3701000D, value)));
    }

    /// <summary>Any attribute, also one that lies about its length.</summary>
    public TnefWriter Attribute(byte level, uint tag, byte[] value, uint? length = null)
    {
        _stream.WriteByte(level);
        UInt32(_stream, tag);
        UInt32(_stream, length ?? (uint)value.Length);
        _stream.Write(value);
        var sum = (ushort)value.Sum(b => b);
        _stream.Write([(byte)sum, (byte)(sum >> 8)]);
        return this;
    }

    public static (uint Tag, byte[] Value) Html(string html) => (0x10130102, Encoding.ASCII.GetBytes(html));

    public static (uint Tag, byte[] Value) Text(string text) => (0x1000001F, Unicode(text));

    public static (uint Tag, byte[] Value) Subject(string text) => (0x0037001F, Unicode(text));

    /// <summary>Not really compressed: the format has a form for that ([MS-OXRTFCP] §2.1.3.1.5).</summary>
    public static (uint Tag, byte[] Value) Rtf(string rtf)
    {
        using var stream = new MemoryStream();
        UInt32(stream, (uint)(rtf.Length + 12));
        UInt32(stream, (uint)rtf.Length);
        UInt32(stream, 0x414C454D);
        UInt32(stream, 0);
        stream.Write(Encoding.ASCII.GetBytes(rtf));
        return (0x10090102, stream.ToArray());
    }

    /// <param name="properties">Of a fixed size up to four octets, or text, binary or object.</param>
    public static byte[] Properties(params (uint Tag, byte[] Value)[] properties)
    {
        using var stream = new MemoryStream();
        UInt32(stream, (uint)properties.Length);
        foreach (var (tag, value) in properties)
        {
            var type = tag & 0xFFFF;
            UInt32(stream, tag);
            if (type is 0x0D or 0x1E or 0x1F or 0x102)
            {
                UInt32(stream, 1);
                UInt32(stream, (uint)value.Length);
            }
            stream.Write(value);
            stream.Write(new byte[(4 - value.Length % 4) % 4]);
        }
        return stream.ToArray();
    }

    private static byte[] Unicode(string text) => Encoding.Unicode.GetBytes(text + "\0");

    private void BeginAttachment() => Attribute(2, 0x00069002, [1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x20, 0, 0x20, 0, 0, 0, 0, 0]);

    private static void UInt32(Stream stream, uint value)
    {
        Span<byte> octets = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(octets, value);
        stream.Write(octets);
    }
}
