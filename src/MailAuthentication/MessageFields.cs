using System.Collections.Immutable;
using System.Text;

namespace GatewaySecure.MailAuthentication;

/// <summary>One field of a message as it came, its folding and final line end with it.</summary>
/// <param name="Name">As written, without white space; empty for a line that is no field.</param>
public readonly record struct MessageField(string Name, ReadOnlyMemory<byte> Raw)
{
    public bool Is(string name) => Name.Equals(name, StringComparison.OrdinalIgnoreCase);

    /// <summary>What stands behind the colon, folding and white space with it, without the last line end.</summary>
    public ReadOnlyMemory<byte> RawValue
    {
        get
        {
            var value = Raw[(Raw.Span.IndexOf((byte)':') + 1)..];
            return value.Span.EndsWith("\r\n"u8) ? value[..^2] : value;
        }
    }

    /// <summary>What stands behind the colon, unfolded; octets above 127 as Latin-1, since no tag we read may hold one.</summary>
    public string Value
    {
        get
        {
            var text = Encoding.Latin1.GetString(Raw.Span);
            return text[(text.IndexOf(':', StringComparison.Ordinal) + 1)..].Replace("\r\n", "", StringComparison.Ordinal).Trim();
        }
    }
}

/// <summary>The header of a message, cut into its fields.</summary>
public static class MessageFields
{
    /// <param name="header">Up to the empty line, which may be in it.</param>
    public static ImmutableArray<MessageField> Parse(ReadOnlyMemory<byte> header)
    {
        var fields = ImmutableArray.CreateBuilder<MessageField>();
        var at = 0;
        while (at < header.Length)
        {
            var end = at;
            do
                end = EndOfLine(header.Span, end);
            while (end < header.Length && header.Span[end] is (byte)' ' or (byte)'\t');
            var raw = header[at..end];
            if (raw.Span.SequenceEqual("\r\n"u8))
                break;
            var colon = raw.Span.IndexOf((byte)':');
            fields.Add(new MessageField(colon < 0 ? "" : Encoding.Latin1.GetString(raw.Span[..colon]).Trim(), raw));
            at = end;
        }
        return fields.ToImmutable();
    }

    private static int EndOfLine(ReadOnlySpan<byte> header, int from)
    {
        var end = header[from..].IndexOf("\r\n"u8);
        return end < 0 ? header.Length : from + end + 2;
    }
}
