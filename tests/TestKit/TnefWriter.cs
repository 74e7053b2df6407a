using System.Buffers.Binary;
using System.Text;

namespace GatewaySecure.TestKit;

/// <summary>Writes TNEF streams as Outlook does ([MS-OXTNEF]): attributes with checksums, and property lists in them.</summary>
public sealed class TnefWriter
{
    private readonly List<byte> _octets = [];

    public TnefWriter(string messageClass = "IPM.Microsoft Mail.Note")
    {
        _octets.AddRange(UInt32(0x223E9F78));
        _octets.AddRange([1, 0]);
        Attribute(1, 0x00089006, [0, 0, 1, 0]);
        Attribute(1, 0x00069007, [0xE4, 0x04, 0, 0, 0, 0, 0, 0]);
        Attribute(1, 0x00078008, Encoding.ASCII.GetBytes(messageClass + "\0"));
    }

    public byte[] ToArray() => [.. _octets];

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
        var sum = (ushort)value.Sum(b => b);
        _octets.AddRange([level, .. UInt32(tag), .. UInt32(length ?? (uint)value.Length), .. value, (byte)sum, (byte)(sum >> 8)]);
        return this;
    }

    public static (uint Tag, byte[] Value) Html(string html) => (0x10130102, Encoding.ASCII.GetBytes(html));

    public static (uint Tag, byte[] Value) Text(string text) => (0x1000001F, Unicode(text));

    public static (uint Tag, byte[] Value) Subject(string text) => (0x0037001F, Unicode(text));

    /// <summary>Not really compressed: the format has a form for that ([MS-OXRTFCP] §2.1.3.1.5).</summary>
    public static (uint Tag, byte[] Value) Rtf(string rtf) => (0x10090102,
    [
        .. UInt32((uint)(rtf.Length + 12)), .. UInt32((uint)rtf.Length), .. UInt32(0x414C454D), .. UInt32(0), .. Encoding.ASCII.GetBytes(rtf),
    ]);

    /// <param name="properties">Of a fixed size up to four octets, or text, binary or object.</param>
    public static byte[] Properties(params (uint Tag, byte[] Value)[] properties)
    {
        List<byte> octets = [.. UInt32((uint)properties.Length)];
        foreach (var (tag, value) in properties)
        {
            octets.AddRange(UInt32(tag));
            if ((tag & 0xFFFF) is 0x0D or 0x1E or 0x1F or 0x102)
                octets.AddRange([.. UInt32(1), .. UInt32((uint)value.Length)]);
            octets.AddRange([.. value, .. new byte[(4 - value.Length % 4) % 4]]);
        }
        return [.. octets];
    }

    private static byte[] Unicode(string text) => Encoding.Unicode.GetBytes(text + "\0");

    private void BeginAttachment() => Attribute(2, 0x00069002, [1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x20, 0, 0x20, 0, 0, 0, 0, 0]);

    private static byte[] UInt32(uint value)
    {
        var octets = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(octets, value);
        return octets;
    }
}
