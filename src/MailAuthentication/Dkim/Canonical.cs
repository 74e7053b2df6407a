using System.Text;

namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>The two ways in which DKIM reads a message (RFC 6376 §3.4).</summary>
internal enum Canonicalisation
{
    Simple,
    Relaxed,
}

/// <summary>Header fields as they are signed (RFC 6376 §3.4.1, §3.4.2, §3.7).</summary>
internal static class Canonical
{
    /// <summary>With its line end.</summary>
    public static byte[] Field(ReadOnlySpan<byte> raw, Canonicalisation way)
    {
        if (way == Canonicalisation.Simple)
            return raw.EndsWith("\r\n"u8) ? raw.ToArray() : [.. raw, .. "\r\n"u8];
        var colon = raw.IndexOf((byte)':');
        if (colon < 0)
            return [.. raw.TrimEnd("\r\n \t"u8), .. "\r\n"u8];
        var name = raw[..colon].TrimEnd(" \t"u8);
        var line = new byte[raw.Length + 2];
        var length = Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(name).ToLowerInvariant(), line);
        line[length++] = (byte)':';
        var start = length;
        var space = false;
        foreach (var octet in raw[(colon + 1)..])
        {
            if (octet is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n')
            {
                space = true;
                continue;
            }
            if (space && length > start)
                line[length++] = (byte)' ';
            space = false;
            line[length++] = octet;
        }
        line[length++] = (byte)'\r';
        line[length++] = (byte)'\n';
        return line[..length];
    }

    /// <summary>The signature's own field as it is signed: nothing behind <c>b=</c>, and no line end.</summary>
    public static byte[] WithoutSignature(ReadOnlySpan<byte> raw, Canonicalisation way)
    {
        var (from, to) = SignatureValue(raw);
        var emptied = Field([.. raw[..from], .. raw[to..]], way);
        return emptied[..^2];
    }

    private static (int From, int To) SignatureValue(ReadOnlySpan<byte> raw)
    {
        var at = raw.IndexOf((byte)':') + 1;
        while (at < raw.Length)
        {
            var length = raw[at..].IndexOf((byte)';');
            var end = length < 0 ? raw.Length : at + length;
            var equals = raw[at..end].IndexOf((byte)'=');
            if (equals >= 0 && raw.Slice(at, equals).Trim(" \t\r\n"u8).SequenceEqual("b"u8))
                return (at + equals + 1, length < 0 && raw.EndsWith("\r\n"u8) ? end - 2 : end);
            at = end + 1;
        }
        return (raw.Length, raw.Length);
    }
}
