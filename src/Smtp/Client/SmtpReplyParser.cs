using System.Collections.Immutable;
using System.Text;
using GatewaySecure.Addresses;

namespace GatewaySecure.Smtp.Client;

/// <summary>How far a reply could be read.</summary>
internal enum ReplyParse
{
    Incomplete,
    Complete,

    /// <summary>Not a reply by RFC 5321 §4.2, or one beyond all measure.</summary>
    Malformed,
}

/// <summary>
/// Octets to one reply (RFC 5321 §4.2, RFC 2034). Pure and strict: each line ends with CRLF and no CR or LF stands elsewhere; all lines
/// have the same code. Text beyond printable characters is shown as <c>?</c>, so that it can go into logs and reports.
/// </summary>
internal static class SmtpReplyParser
{
    /// <summary>With CRLF. RFC 5321 §4.5.3.1.5 says 512; some peers are wordier.</summary>
    public const int MaxLine = 2048;

    public const int MaxLines = 128;

    public static ReplyParse Parse(ReadOnlySpan<byte> input, out SmtpReply? reply, out int consumed)
    {
        reply = null;
        consumed = 0;
        var lines = ImmutableArray.CreateBuilder<string>();
        EnhancedStatus? status = null;
        var code = 0;
        while (true)
        {
            var rest = input[consumed..];
            var end = rest.IndexOfAny((byte)'\r', (byte)'\n');
            // One octet of a CRLF may still be on its way.
            if (end < 0 || (rest[end] == '\r' && end + 1 == rest.Length))
                return rest.Length > MaxLine ? ReplyParse.Malformed : ReplyParse.Incomplete;
            if (rest[end] == '\n' || rest[end + 1] != '\n' || end + 2 > MaxLine || lines.Count == MaxLines)
                return ReplyParse.Malformed;

            var line = rest[..end];
            if (!TryReadCode(line, out var lineCode) || (lines.Count > 0 && lineCode != code))
                return ReplyParse.Malformed;
            if (line.Length > 3 && line[3] is not ((byte)' ' or (byte)'-'))
                return ReplyParse.Malformed;
            code = lineCode;
            var text = line.Length > 4 ? Printable.Show(Encoding.UTF8.GetString(line[4..])) : "";
            if (TrySplitStatus(text, code, out var lineStatus, out var remaining) && (lines.Count == 0 || status == lineStatus))
                (status, text) = (lineStatus, remaining);
            lines.Add(text);
            consumed += end + 2;
            if (line.Length == 3 || line[3] == ' ')
            {
                reply = new SmtpReply(code, status, lines.ToImmutable());
                return ReplyParse.Complete;
            }
        }
    }

    private static bool TryReadCode(ReadOnlySpan<byte> line, out int code)
    {
        code = 0;
        if (line.Length < 3 || line[0] is < (byte)'2' or > (byte)'5' || line[1] is < (byte)'0' or > (byte)'9' || line[2] is < (byte)'0' or > (byte)'9')
            return false;
        code = ((line[0] - '0') * 100) + ((line[1] - '0') * 10) + (line[2] - '0');
        return true;
    }

    /// <summary>RFC 2034 §4: the status's class is the first digit of the code.</summary>
    private static bool TrySplitStatus(string text, int code, out EnhancedStatus status, out string remaining)
    {
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        remaining = space < 0 ? "" : text[(space + 1)..];
        return EnhancedStatus.TryParse(space < 0 ? text : text[..space], out status) && status.Class == code / 100;
    }
}
