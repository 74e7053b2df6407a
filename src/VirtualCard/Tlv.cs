namespace GatewaySecure.VirtualCard;

/// <summary>BER-TLV as cards use it: tags of one or two octets, definite lengths up to 65535 (ISO 7816-4 §5.2.2).</summary>
internal static class Tlv
{
    public static byte[] Encode(int tag, params ReadOnlySpan<byte> value)
    {
        var head = new List<byte>(6);
        if (tag > 0xFF)
            head.Add((byte)(tag >> 8));
        head.Add((byte)tag);
        if (value.Length > 0xFF)
            head.AddRange([0x82, (byte)(value.Length >> 8), (byte)value.Length]);
        else if (value.Length > 0x7F)
            head.AddRange([0x81, (byte)value.Length]);
        else
            head.Add((byte)value.Length);
        return [.. head, .. value];
    }

    public static byte[] Join(params byte[][] parts) => [.. parts.SelectMany(p => p)];

    /// <exception cref="StatusException">6A80: the octets are not a sequence of whole objects.</exception>
    public static List<(int Tag, byte[] Value)> ReadAll(ReadOnlySpan<byte> data)
    {
        var result = new List<(int, byte[])>();
        while (!data.IsEmpty)
        {
            var (tag, length) = ReadHead(ref data);
            if (length > data.Length)
                throw new StatusException(StatusWords.WrongData);
            result.Add((tag, data[..length].ToArray()));
            data = data[length..];
        }
        return result;
    }

    /// <summary>Tag and length alone, as in the private key template 7F48 whose values stand elsewhere.</summary>
    public static (int Tag, int Length) ReadHead(ref ReadOnlySpan<byte> data)
    {
        var tag = Next(ref data);
        if ((tag & 0x1F) == 0x1F)
            tag = tag << 8 | Next(ref data);
        var length = Next(ref data);
        switch (length)
        {
            case < 0x80:
                break;
            case 0x81:
                length = Next(ref data);
                break;
            case 0x82:
                length = Next(ref data) << 8 | Next(ref data);
                break;
            default:
                throw new StatusException(StatusWords.WrongData);
        }
        return (tag, length);
    }

    private static int Next(ref ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
            throw new StatusException(StatusWords.WrongData);
        var value = data[0];
        data = data[1..];
        return value;
    }
}
