using System.Buffers;
using System.Text;

namespace GatewaySecure.MailProtection.Mime;

/// <summary>One entity of a message, by its place in the octets.</summary>
internal sealed class MimeNode(MimeNode? parent, long start)
{
    public MimeNode? Parent { get; } = parent;

    /// <summary>First octet of the header.</summary>
    public long Start { get; } = start;

    /// <summary>First octet of the body.</summary>
    public long BodyStart { get; set; }

    /// <summary>Past the last octet of the body; the line end before a boundary belongs to the boundary (RFC 2046 §5.1.1).</summary>
    public long End { get; set; } = -1;

    public HeaderBlock Header { get; set; } = HeaderBlock.TryParse(ReadOnlyMemory<byte>.Empty, isWhole: true)!;

    public MediaType Type { get; set; } = MediaType.Default;

    public List<MimeNode> Children { get; } = [];

    public string? TransferEncoding => Header.First("Content-Transfer-Encoding")?.Value;

    public int Depth => Parent is null ? 0 : Parent.Depth + 1;

    /// <summary>This and everything below it, in order.</summary>
    public IEnumerable<MimeNode> All() => Children.SelectMany(c => c.All()).Prepend(this);
}

/// <summary>
/// Finds where the parts of a message begin and end, in one forward pass with little memory. What is malformed, too deep or too many is left
/// as the body of the part around it.
/// </summary>
internal sealed class MimeScanner
{
    private const int MaximumHeader = 1024 * 1024;
    private const int MaximumDepth = 40;
    private const int MaximumNodes = 2000;
    private const int MaximumBoundary = 250;

    private readonly List<(MimeNode Node, byte[] Boundary)> _open = [];
    private readonly ArrayBufferWriter<byte> _header = new();
    private readonly MimeNode _root = new(null, 0);
    private MimeNode? _current;
    private bool _inHeader = true;
    private int _nodes = 1;

    private MimeScanner() => _current = _root;

    public static MimeNode Scan(Stream stream)
    {
        var scanner = new MimeScanner();
        var buffer = new byte[32 * 1024];
        var filled = 0;
        long offset = 0;
        var atLineStart = true;
        var lastLineEnd = 0;
        while (true)
        {
            var read = stream.Read(buffer, filled, buffer.Length - filled);
            filled += read;
            var at = 0;
            while (at < filled)
            {
                var feed = buffer.AsSpan(at, filled - at).IndexOf((byte)'\n');
                // An unfinished line waits for its rest, unless it fills the buffer or is the last.
                if (feed < 0 && read > 0 && !(at == 0 && filled == buffer.Length))
                    break;
                var length = feed < 0 ? filled - at : feed + 1;
                scanner.Line(buffer.AsSpan(at, length), offset + at, atLineStart, lastLineEnd);
                atLineStart = feed >= 0;
                lastLineEnd = feed < 0 ? 0 : feed > 0 && buffer[at + feed - 1] == '\r' ? 2 : 1;
                at += length;
            }
            buffer.AsSpan(at, filled - at).CopyTo(buffer);
            filled -= at;
            offset += at;
            if (read == 0)
                break;
        }
        scanner.CloseAll(offset);
        return scanner._root;
    }

    private void Line(ReadOnlySpan<byte> line, long offset, bool atLineStart, int lastLineEnd)
    {
        if (atLineStart && line.StartsWith("--"u8) && TryBoundary(line, offset, lastLineEnd))
            return;
        if (!_inHeader)
            return;
        if (_header.WrittenCount + line.Length > MaximumHeader)
        {
            EndHeader(offset, isWhole: true);
            return;
        }
        _header.Write(line);
        if (atLineStart && line is [(byte)'\n'] or [(byte)'\r', (byte)'\n'])
            EndHeader(offset + line.Length, isWhole: true);
    }

    private bool TryBoundary(ReadOnlySpan<byte> line, long offset, int lastLineEnd)
    {
        var text = line[2..].TrimEnd(" \t\r\n"u8);
        for (var i = _open.Count - 1; i >= 0; i--)
        {
            var boundary = _open[i].Boundary;
            if (!text.StartsWith(boundary))
                continue;
            var closes = text[boundary.Length..].SequenceEqual("--"u8);
            if (!closes && text.Length != boundary.Length)
                continue;
            var multipart = _open[i].Node;
            if (_inHeader)
                EndHeader(offset, isWhole: true, mayOpen: false);
            Close(offset - lastLineEnd, multipart);
            _open.RemoveRange(i + 1, _open.Count - i - 1);
            if (closes)
            {
                _open.RemoveAt(i);
                _current = multipart;
            }
            else
            {
                _current = Begin(multipart, offset + line.Length);
            }
            return true;
        }
        return false;
    }

    private MimeNode? Begin(MimeNode parent, long offset)
    {
        if (++_nodes > MaximumNodes)
            return parent;
        var node = new MimeNode(parent, offset) { BodyStart = offset };
        parent.Children.Add(node);
        _inHeader = true;
        _header.ResetWrittenCount();
        return node;
    }

    private void EndHeader(long bodyStart, bool isWhole, bool mayOpen = true)
    {
        var node = _current!;
        _inHeader = false;
        node.Header = HeaderBlock.TryParse(_header.WrittenSpan.ToArray(), isWhole)!;
        node.Type = MediaType.Of(node.Header);
        // A line that is no field ends the header early; what follows it is body.
        node.BodyStart = Math.Min(bodyStart, node.Start + node.Header.BodyOffset);
        if (!mayOpen || node.Depth >= MaximumDepth)
            return;
        if (node.Type.IsMultipart && node.Type["boundary"] is { Length: > 0 and <= MaximumBoundary } boundary)
            _open.Add((node, Encoding.UTF8.GetBytes(boundary.TrimEnd())));
        else if (node.Type.Name is "message/rfc822" or "message/global" && node.BodyStart == bodyStart && IsIdentity(node.TransferEncoding))
            _current = Begin(node, bodyStart);
    }

    private static bool IsIdentity(string? encoding) =>
        encoding is null || encoding.Trim().ToLowerInvariant() is "" or "7bit" or "8bit" or "binary";

    /// <summary>Ends the current part and those around it, up to but not including the multipart.</summary>
    private void Close(long end, MimeNode? upTo)
    {
        for (var node = _current; node is not null && node != upTo; node = node.Parent)
        {
            if (node.End < 0)
                node.End = Math.Max(end, node.BodyStart);
        }
    }

    private void CloseAll(long end)
    {
        if (_inHeader)
            EndHeader(end, isWhole: true, mayOpen: false);
        Close(end, upTo: null);
        foreach (var node in _root.All())
        {
            if (node.End < 0)
                node.End = Math.Max(end, node.BodyStart);
        }
    }
}
