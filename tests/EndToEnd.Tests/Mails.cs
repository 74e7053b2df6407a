using System.Text;
using System.Text.RegularExpressions;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Mail to send, and what to look for in mail that came.</summary>
internal static partial class Mails
{
    /// <summary>In bodies only: header fields of S/MIME mail stay in clear.</summary>
    public const string Secret = "ZebraQuartz81726NeverInClear";

    /// <summary>Nobody's business but the reader's in KDC mail, and never a log's.</summary>
    public const string Subject = "Wolfram harvest";

    public static string NewId() => $"{Guid.NewGuid():N}@example.org";

    /// <summary>With CRLF line ends.</summary>
    public static string Text(string id, string from, string to, string body = "The password is " + Secret + " today.") =>
        $"""
        From: {from}
        To: {to}
        Subject: {Subject}
        Date: {DateTimeOffset.UtcNow:r}
        Message-ID: <{id}>
        MIME-Version: 1.0
        Content-Type: text/plain; charset=us-ascii

        {body}
        Second line.

        """.ReplaceLineEndings("\r\n");

    /// <summary>The end of a header and a body whose attachment <c>report.pdf</c> lies within TNEF, where no octet of its name is to be seen.</summary>
    public static string Winmail()
    {
        var tnef = new TnefWriter().Message(TnefWriter.Html("<p>rich</p>")).Attachment("report.pdf", [1, 2, 3, 4]).ToArray();
        return "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b\r\n"
            + "Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + Convert.ToBase64String(tnef, Base64FormattingOptions.InsertLineBreaks) + "\r\n--b--\r\n";
    }

    /// <summary>What stands below the trace field that our gateway put on top.</summary>
    public static byte[] BelowOurReceived(byte[] message)
    {
        var text = Encoding.Latin1.GetString(message);
        var field = OurReceived().Match(text);
        Assert.True(field.Success, "There is no Received field of the gateway in:\n" + text[..Math.Min(text.Length, 1000)]);
        return message[(field.Index + field.Length)..];
    }

    /// <summary>What stands behind the first empty line.</summary>
    public static byte[] BodyOf(byte[] message)
    {
        var at = message.AsSpan().IndexOf("\r\n\r\n"u8);
        Assert.True(at >= 0, "There is no empty line.");
        return message[(at + 4)..];
    }

    /// <summary>True where the octets hold the secret as it is, in base64 at any offset, or in quoted-printable.</summary>
    public static bool TellsSecret(byte[] content)
    {
        var text = Encoding.Latin1.GetString(content);
        if (text.Contains(Secret, StringComparison.Ordinal) || SoftLineEnd().Replace(text, "").Contains(Secret, StringComparison.Ordinal))
            return true;
        var joined = LineEnd().Replace(text, "");
        return Enumerable.Range(0, 3).Any(shift =>
        {
            // The first and last characters mix with their neighbours; those between are sure.
            var coded = Convert.ToBase64String(Encoding.ASCII.GetBytes(new string('x', shift) + Secret));
            return joined.Contains(coded[4..^4], StringComparison.Ordinal);
        });
    }

    [GeneratedRegex(@"^Received: [^\r\n]*(\r?\n[ \t][^\r\n]*)*\bby gateway\.example\.org [^\r\n]*(\r?\n[ \t][^\r\n]*)*\r?\n", RegexOptions.Multiline)]
    private static partial Regex OurReceived();

    [GeneratedRegex(@"=\r?\n")]
    private static partial Regex SoftLineEnd();

    [GeneratedRegex(@"\r?\n")]
    private static partial Regex LineEnd();
}
