using System.Text;

namespace GatewaySecure.MailProtection.Mime;

/// <summary>One header field as it stands: its octets with line end and folding.</summary>
internal readonly record struct HeaderField(string Name, ReadOnlyMemory<byte> Raw)
{
    public bool Is(string name) => Name.Equals(name, StringComparison.OrdinalIgnoreCase);

    /// <summary>RFC 2045: describes the body, travels with it.</summary>
    public bool IsContent => Name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase);

    /// <summary>Unfolded; octets above 127 as UTF-8 where they are.</summary>
    public string Value
    {
        get
        {
            var text = Encoding.UTF8.GetString(Raw.Span);
            return text[(text.IndexOf(':') + 1)..].Replace("\r", "").Replace("\n", "").Trim();
        }
    }
}

/// <summary>
/// The header of a message or MIME entity: every field with its octets untouched. It ends at the first empty line, or before the
/// first line that is no field (RFC 5322 §2.2), so malformed input is body and never an error.
/// </summary>
internal sealed class HeaderBlock
{
    private HeaderBlock(List<HeaderField> fields, int bodyOffset, bool endsInEmptyLine)
    {
        Fields = fields;
        BodyOffset = bodyOffset;
        EndsInEmptyLine = endsInEmptyLine;
    }

    public IReadOnlyList<HeaderField> Fields { get; }

    /// <summary>Octets from the beginning to the body: past the empty line where there is one.</summary>
    public int BodyOffset { get; }

    public bool EndsInEmptyLine { get; }

    public HeaderField? First(string name)
    {
        foreach (var field in Fields)
        {
            if (field.Is(name))
                return field;
        }
        return null;
    }

    public IEnumerable<HeaderField> All(string name) => Fields.Where(f => f.Is(name));

    /// <param name="data">From the first octet of the header.</param>
    /// <param name="isWhole">Nothing follows <paramref name="data"/>.</param>
    /// <returns>Null: the end of the header is not in it yet.</returns>
    public static HeaderBlock? TryParse(ReadOnlyMemory<byte> data, bool isWhole)
    {
        var fields = new List<HeaderField>();
        var span = data.Span;
        var at = 0;
        while (true)
        {
            var lineEnd = EndOfLine(span, at);
            if (lineEnd < 0 && !isWhole)
                return null;
            if (at >= span.Length)
                return new HeaderBlock(fields, at, endsInEmptyLine: false);
            var end = lineEnd < 0 ? span.Length : lineEnd;
            if (IsEmptyLine(span[at..end]))
                return new HeaderBlock(fields, end, endsInEmptyLine: true);
            var name = FieldName(span[at..end]);
            if (name is null)
                return new HeaderBlock(fields, at, endsInEmptyLine: false);
            while (end < span.Length && span[end] is (byte)' ' or (byte)'\t')
            {
                var next = EndOfLine(span, end);
                if (next < 0 && !isWhole)
                    return null;
                end = next < 0 ? span.Length : next;
            }
            // Whether the field goes on can't be told before the next octet is there.
            if (end == span.Length && !isWhole)
                return null;
            fields.Add(new HeaderField(name, data[at..end]));
            at = end;
        }
    }

    private static int EndOfLine(ReadOnlySpan<byte> span, int from)
    {
        var feed = span[from..].IndexOf((byte)'\n');
        return feed < 0 ? -1 : from + feed + 1;
    }

    private static bool IsEmptyLine(ReadOnlySpan<byte> line) => line is [(byte)'\n'] or [(byte)'\r', (byte)'\n'];

    private static string? FieldName(ReadOnlySpan<byte> line)
    {
        var colon = line.IndexOf((byte)':');
        if (colon <= 0)
            return null;
        // RFC 5322 §4.5: white space before the colon is obsolete and still a field.
        var name = line[..colon].TrimEnd(" \t"u8);
        if (name.IsEmpty || name.ContainsAnyExceptInRange((byte)33, (byte)126))
            return null;
        return Encoding.ASCII.GetString(name);
    }
}
