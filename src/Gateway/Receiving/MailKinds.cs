using System.Runtime.InteropServices;
using System.Text;
using GatewaySecure.Policies;
using MimeKit;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>
/// What a mail is by its structure. An exemption lowers protection, so in doubt a mail is ordinary: what has attachments, a part that does
/// not belong there, a field twice, or more than such mail needs. Nothing is thrown for what a mail holds.
/// </summary>
internal static class MailKinds
{
    /// <summary>A mail of these kinds is small; in octets, with its header.</summary>
    public const int Largest = 128 << 10;

    /// <summary>What a receipt or report says for people; in octets.</summary>
    private const int LongestNotice = 8 << 10;

    /// <summary>A quick look, so that most mail is not kept.</summary>
    public static bool MayBeSpecial(ReadOnlySpan<byte> header)
    {
        var text = Encoding.Latin1.GetString(header);
        return text.Contains("text/calendar", StringComparison.OrdinalIgnoreCase)
            || text.Contains("multipart/alternative", StringComparison.OrdinalIgnoreCase)
            || text.Contains("multipart/report", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Of a message in a file.</summary>
    /// <exception cref="IOException">It can't be read.</exception>
    public static MailKind OfFile(string path, bool nullSender) =>
        new FileInfo(path).Length > Largest ? MailKind.Ordinary : Of(File.ReadAllBytes(path), nullSender);

    /// <param name="mail">Header and body.</param>
    /// <param name="nullSender">It comes from the null reverse-path.</param>
    public static MailKind Of(ReadOnlyMemory<byte> mail, bool nullSender)
    {
        try
        {
            using var stream = MemoryMarshal.TryGetArray(mail, out var array)
                ? new MemoryStream(array.Array!, array.Offset, array.Count, writable: false)
                : new MemoryStream(mail.ToArray(), writable: false);
            using var message = MimeMessage.Load(new ParserOptions { MaxMimeDepth = 4 }, stream);
            if (message.Body is not { } body || !SaysOnce(HeaderFacts.Read(mail.Span)) || !IsPlain(body.Headers))
                return MailKind.Ordinary;
            return body switch
            {
                MultipartReport report => OfReport(report, nullSender),
                MultipartAlternative alternatives => IsInvitation(alternatives) ? MailKind.Calendar : MailKind.Ordinary,
                TextPart text => IsCalendar(text) ? MailKind.Calendar : MailKind.Ordinary,
                _ => MailKind.Ordinary,
            };
        }
        catch (Exception e) when (e is FormatException or IOException or ArgumentException or NotSupportedException)
        {
            return MailKind.Ordinary;
        }
    }

    private static MailKind OfReport(MultipartReport report, bool nullSender)
    {
        // RFC 8098 §3, RFC 3461 §6.1: both come from the null reverse-path. A third part would give back the mail that it is about.
        if (!nullSender || !HasNothingAround(report) || report.Count is not (2 or 3) || !IsNotice(report[0]) || !IsPlain(report[1].Headers))
            return MailKind.Ordinary;
        return (report.ReportType?.ToLowerInvariant(), report[1]) switch
        {
            ("disposition-notification", MessageDispositionNotification { Fields: { } fields })
                when report.Count == 2 && fields.Contains("Final-Recipient") && fields.Contains("Disposition") => MailKind.Receipt,
            ("delivery-status", MessageDeliveryStatus { StatusGroups: { Count: > 1 } groups })
                when (report.Count == 2 || report[2].ContentType.IsMimeType("text", "rfc822-headers"))
                    && groups[0].Contains("Reporting-MTA")
                    && groups.Skip(1).All(g => g.Contains("Final-Recipient") && g.Contains("Action") && g.Contains("Status")) => MailKind.Report,
            _ => MailKind.Ordinary,
        };
    }

    private static bool IsNotice(MimeEntity part) =>
        part is TextPart { IsAttachment: false } text && IsPlain(text.Headers) && text.Text.Length <= LongestNotice;

    /// <summary>RFC 6047 §2.4: the same meeting as text, as HTML and as a calendar object, each at most once.</summary>
    private static bool IsInvitation(MultipartAlternative alternatives)
    {
        if (!HasNothingAround(alternatives) || alternatives.Count is < 1 or > 3 || alternatives.Any(p => p is not TextPart { IsAttachment: false }))
            return false;
        var parts = alternatives.Cast<TextPart>().ToList();
        var types = parts.Select(p => p.ContentType.MediaSubtype.ToLowerInvariant()).ToList();
        return types.Distinct().Count() == types.Count
            && types.All(t => t is "plain" or "html" or "calendar")
            && parts.All(p => IsPlain(p.Headers))
            && !parts.Any(HoldsData)
            && parts.FirstOrDefault(p => p.ContentType.IsMimeType("text", "calendar")) is { } calendar
            && IsCalendar(calendar);
    }

    private static bool IsCalendar(TextPart part) =>
        !part.IsAttachment
        && part.ContentType.IsMimeType("text", "calendar")
        && part.ContentType.Parameters["method"] is { } method
        && MeetingObject.IsMeeting(part.Text, method);

    /// <summary>A file within HTML is an attachment too.</summary>
    private static bool HoldsData(TextPart part) =>
        part.ContentType.IsMimeType("text", "html") && part.Text.Contains("data:", StringComparison.OrdinalIgnoreCase);

    /// <summary>No field that describes the body stands twice: readers would differ about what it is.</summary>
    private static bool IsPlain(HeaderList headers) =>
        headers.Where(h => h.Field.StartsWith("Content-", StringComparison.OrdinalIgnoreCase)).GroupBy(h => h.Field.ToLowerInvariant()).All(g => g.Count() == 1);

    /// <summary>The same of the mail's own header, as it came; and there is a Content-Type.</summary>
    private static bool SaysOnce(IEnumerable<HeaderFact> headers)
    {
        var names = headers.Select(h => h.Name.ToLowerInvariant()).Where(n => n.StartsWith("content-", StringComparison.Ordinal)).ToList();
        return names.Contains("content-type") && names.Distinct().Count() == names.Count;
    }

    private static bool HasNothingAround(Multipart multipart) =>
        string.IsNullOrWhiteSpace(multipart.Epilogue)
        // Programs write one sentence for readers that know no MIME.
        && (multipart.Preamble?.Length ?? 0) <= 200;
}
