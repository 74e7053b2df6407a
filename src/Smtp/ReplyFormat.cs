using System.Buffers;
using System.Globalization;
using System.Text;
using GatewaySecure.Addresses;

namespace GatewaySecure.Smtp;

/// <summary>A reply as its octets (RFC 5321 §4.2): whatever its text holds, what goes out are well-formed reply lines.</summary>
internal static class ReplyFormat
{
    // RFC 5321 §4.5.3.1.5: 512 octets with code and CRLF.
    private const int MaxText = 480;

    /// <summary>Gives the number of octets written.</summary>
    public static int Write(IBufferWriter<byte> output, SmtpReply reply)
    {
        var lines = reply.Lines.IsDefaultOrEmpty ? [""] : reply.Lines;
        var count = 0;
        for (var i = 0; i < lines.Length; i++)
        {
            var mark = i == lines.Length - 1 ? ' ' : '-';
            var status = reply.Status is { } s ? $"{s} " : "";
            var line = string.Create(CultureInfo.InvariantCulture, $"{reply.Code:000}{mark}{status}{Clean(lines[i])}\r\n");
            output.Advance(Encoding.ASCII.GetBytes(line, output.GetSpan(line.Length)));
            count += line.Length;
        }
        return count;
    }

    /// <summary>Printable ASCII on one line, whatever a handler put into its text.</summary>
    private static string Clean(string text)
    {
        if (text.Length > MaxText)
            text = text[..MaxText];
        return text.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0
            ? text
            : string.Create(text.Length, text, static (span, source) =>
            {
                for (var i = 0; i < span.Length; i++)
                    span[i] = source[i] is >= ' ' and <= '~' ? source[i] : '?';
            });
    }
}
