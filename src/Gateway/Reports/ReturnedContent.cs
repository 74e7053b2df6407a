using System.Text;
using System.Text.Unicode;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Reports;

/// <summary>
/// What a report gives back of the mail it is about: the header; of a mail that was to be protected only those fields that show anyway; and
/// the whole of it where that was asked for and tells nobody anything.
/// </summary>
internal static class ReturnedContent
{
    /// <summary>In octets; of a larger mail only the header is given back.</summary>
    public const int MaximumWhole = 64 * 1024;

    private const int MaximumHeader = 64 * 1024;

    private static readonly HashSet<string> ShownOfProtectedMail =
        new(["From", "To", "Cc", "Date", "Message-ID", "In-Reply-To", "References", "Received"], StringComparer.OrdinalIgnoreCase);

    /// <param name="mayBeGlobal">UTF-8 may be given back as it is.</param>
    /// <param name="whole">All of it is wanted.</param>
    public static ReportPart Of(SpooledMail about, bool mayBeGlobal, bool whole)
    {
        // A rule may have demanded more before, or for another recipient: then it is no mail to travel back in clear.
        var isProtected = about.Mail.Decisions.Concat(about.Decisions).Any(d => d.Methods is not [ProtectionMethod.Normal]);
        return whole && !isProtected && Whole(about, mayBeGlobal) is { } all ? all : Header(about, isProtected, mayBeGlobal);
    }

    private static ReportPart? Whole(SpooledMail about, bool mayBeGlobal)
    {
        // To a stranger, whose address may be forged, no content is sent that he perhaps never wrote.
        if (!about.Mail.Session.FromInside || about.Content.Length > MaximumWhole)
            return null;
        var octets = new byte[about.Content.Length];
        using (var stream = about.Content.OpenRead())
            stream.ReadExactly(octets);
        // As it is or not at all: it is not re-encoded, nor may it break the lines or the bits of its way back.
        var eightBit = !Ascii.IsValid(octets);
        if (LongestLine(octets) > ReportText.MaxLine || (eightBit && about.Mail.Envelope.Body != BodyType.EightBitMime && !mayBeGlobal))
            return null;
        var header = octets.AsSpan(0, HeaderLength(octets));
        if (!Ascii.IsValid(header) && !(mayBeGlobal && Utf8.IsValid(header)))
            return null;
        byte[] content = octets.AsSpan().EndsWith("\r\n"u8) ? octets : [.. octets, .. "\r\n"u8];
        return new ReportPart(Ascii.IsValid(header) ? "message/rfc822" : "message/global", eightBit ? "8bit" : null, content);
    }

    private static ReportPart Header(SpooledMail about, bool isProtected, bool mayBeGlobal)
    {
        var capture = new HeaderCapture();
        using (var stream = about.Content.OpenRead())
        {
            var buffer = new byte[16 * 1024];
            int count;
            while (!capture.IsComplete && capture.Octets.Length < MaximumHeader && (count = stream.Read(buffer)) > 0)
                capture.Add(buffer.AsSpan(0, count));
        }
        var block = capture.Octets[..Math.Min(capture.Octets.Length, MaximumHeader)];
        // Eight-bit text of no known kind shows as question marks; UTF-8 only to who can read it.
        var header = mayBeGlobal && Utf8.IsValid(block) ? Encoding.UTF8.GetString(block) : Encoding.ASCII.GetString(block);
        var text = new ReportText();
        var shown = true;
        foreach (var line in header.Split("\r\n").TakeWhile(l => l.Length > 0))
        {
            if (line[0] is not (' ' or '\t'))
            {
                var name = line.Split(':')[0].TrimEnd();
                shown = line.Contains(':', StringComparison.Ordinal) && (!isProtected || ShownOfProtectedMail.Contains(name));
            }
            if (shown)
                text.Line(line);
        }
        text.Line("");
        var octets = text.ToArray();
        return Ascii.IsValid(octets)
            ? new ReportPart("text/rfc822-headers", null, octets)
            : new ReportPart("message/global-headers", "8bit", octets);
    }

    private static int HeaderLength(ReadOnlySpan<byte> octets) =>
        octets.IndexOf("\r\n\r\n"u8) is >= 0 and var end ? end + 4 : octets.Length;

    private static int LongestLine(ReadOnlySpan<byte> octets)
    {
        var longest = 0;
        while (octets.IndexOf("\r\n"u8) is >= 0 and var end)
        {
            longest = Math.Max(longest, end);
            octets = octets[(end + 2)..];
        }
        return Math.Max(longest, octets.Length);
    }
}
