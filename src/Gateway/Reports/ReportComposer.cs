using System.Globalization;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Reports;

/// <summary>
/// The octets of one report: multipart/report (RFC 6522) with words, delivery status (RFC 3464) and what is given back. In 7 bits, but where
/// the mail itself came with SMTPUTF8 (RFC 6533) or is given back in 8 bits. No line is longer than 998 octets (RFC 5322 §2.1.1).
/// </summary>
internal sealed class ReportComposer(DomainName hostName, SpooledMail about, IReadOnlyList<RecipientReport> reports, DateTimeOffset now)
{
    private readonly Envelope _envelope = about.Mail.Envelope;

    /// <summary>UTF-8 may stand where the plain types have ASCII only: whoever sent the mail can read it.</summary>
    private readonly bool _mayBeGlobal = about.Mail.Envelope is var e
        && (e.SmtpUtf8 || e.Sender!.NeedsSmtpUtf8 || reports.Any(r => e.Recipients[r.Index].Address.NeedsSmtpUtf8));

    /// <param name="id">Of the report: names it, and its boundary.</param>
    /// <param name="retryUntil">What a delayed recipient is tried until.</param>
    public byte[] Compose(QueueId id, Func<RecipientReport, DateTimeOffset> retryUntil)
    {
        var boundary = $"report-{id}";
        var parts = new List<ReportPart> { Words(), Status(retryUntil), ReturnedContent.Of(about, _mayBeGlobal, whole: IsWholeReturned()) };
        var text = new ReportText();
        text.Line($"From: Mail Delivery System <postmaster@{hostName.Ascii}>");
        text.Line($"To: <{_envelope.Sender}>");
        text.Line($"Subject: {Subject()}");
        text.Line($"Date: {InternetDate(now)}");
        text.Line($"Message-ID: <{id}@{hostName.Ascii}>");
        text.Line("Auto-Submitted: auto-replied");
        text.Line("MIME-Version: 1.0");
        text.Line($"Content-Type: multipart/report; report-type=delivery-status; boundary=\"{boundary}\"");
        if (parts.Exists(p => p.IsEightBit))
            text.Line("Content-Transfer-Encoding: 8bit");
        text.Line("");
        foreach (var part in parts)
        {
            text.Line($"--{boundary}");
            text.Line($"Content-Type: {part.Type}");
            if (part.Encoding is { } encoding)
                text.Line($"Content-Transfer-Encoding: {encoding}");
            text.Line("");
            text.Octets(part.Content);
        }
        text.Line($"--{boundary}--");
        return text.ToArray();
    }

    /// <summary>RFC 3461 §4.3: RET speaks of failures; elsewhere only the header is given back.</summary>
    private bool IsWholeReturned() => _envelope.Return == DsnReturn.Full && reports.Any(r => r.Kind == ReportKind.Failed);

    private string Subject() => reports.Select(r => r.Kind).Distinct().ToArray() switch
    {
        [ReportKind.Failed] => "Your mail could not be delivered",
        [ReportKind.Delayed] => "Your mail is waiting",
        [ReportKind.Relayed] => "Your mail was passed on",
        [ReportKind.Delivered] => "Your mail was delivered",
        var kinds => kinds.Contains(ReportKind.Failed) ? "Your mail could not be delivered to everybody" : "What became of your mail",
    };

    private ReportPart Words()
    {
        var text = new ReportText();
        text.Line($"This is the mail gateway {hostName.Unicode}.");
        foreach (var kind in reports.GroupBy(r => r.Kind).OrderBy(k => k.Key))
        {
            text.Line("");
            text.Line(kind.Key switch
            {
                ReportKind.Failed => "Your mail could not be delivered to these recipients, and is not tried again:",
                ReportKind.Relayed => "Your mail was handed to a mail server that does not report on delivery itself:",
                ReportKind.Delivered => "Your mail was delivered to these recipients:",
                _ => "Your mail to these recipients is waiting. You need not send it again:",
            });
            foreach (var report in kind)
            {
                text.Line("");
                text.Line($"  {_envelope.Recipients[report.Index].Address}");
                text.Line($"    {report.Reason}");
            }
        }
        text.Line("");
        text.Line($"Accepted {InternetDate(about.Mail.AcceptedAt)} as {about.Id}.");
        text.Line("");
        var octets = text.ToArray();
        return Ascii.IsValid(octets)
            ? new ReportPart("text/plain; charset=us-ascii", null, octets)
            : new ReportPart("text/plain; charset=utf-8", "base64", ReportText.Base64(octets));
    }

    private ReportPart Status(Func<RecipientReport, DateTimeOffset> retryUntil)
    {
        var text = new ReportText();
        text.Line($"Reporting-MTA: dns; {hostName.Ascii}");
        if (_envelope.EnvelopeId is { } envelopeId)
            text.Line($"Original-Envelope-Id: {Plain(envelopeId)}");
        text.Line($"Arrival-Date: {InternetDate(about.Mail.AcceptedAt)}");
        foreach (var report in reports)
            WriteRecipient(text, report, retryUntil);
        text.Line("");
        var octets = text.ToArray();
        return Ascii.IsValid(octets)
            ? new ReportPart("message/delivery-status", null, octets)
            : new ReportPart("message/global-delivery-status", "8bit", octets);
    }

    private void WriteRecipient(ReportText text, RecipientReport report, Func<RecipientReport, DateTimeOffset> retryUntil)
    {
        var recipient = _envelope.Recipients[report.Index];
        text.Line("");
        // RFC 3464 §2.3.1: only where the sender said it.
        if (recipient.OriginalRecipient is { } original)
            text.Line($"Original-Recipient: {Plain(original)}");
        text.Line($"Final-Recipient: {(recipient.Address.NeedsSmtpUtf8 ? "utf-8" : "rfc822")}; {Plain(recipient.Address.ToString())}");
        text.Line($"Action: {report.Kind.ToString().ToLowerInvariant()}");
        text.Line($"Status: {StatusOf(report)}");
        // What our own folder says is no SMTP.
        if (report is { Reply: { } reply, Kind: not ReportKind.Delivered })
            text.Line($"Diagnostic-Code: smtp; {Plain($"{reply.Code} {(reply.Status is { } status ? $"{status} " : "")}{string.Join(' ', reply.Lines)}")}");
        if (report is { Kind: ReportKind.Delayed, IsHeld: false })
            text.Line($"Will-Retry-Until: {InternetDate(retryUntil(report))}");
    }

    /// <summary>RFC 6533 §3: in a plain report, what is not ASCII is written by its code points.</summary>
    private string Plain(string text) => _mayBeGlobal || Ascii.IsValid(text)
        ? text
        : string.Concat(text.EnumerateRunes().Select(r => r.IsAscii ? r.ToString() : string.Create(CultureInfo.InvariantCulture, $"\\x{{{r.Value:X}}}")));

    /// <summary>Of the class that the action has (RFC 3464 §2.3.4), with the remote host's detail where it gave one.</summary>
    private static string StatusOf(RecipientReport report)
    {
        var digit = report.Kind switch
        {
            ReportKind.Failed => 5,
            ReportKind.Delayed => 4,
            _ => 2,
        };
        return report.Reply?.Status is { } status ? $"{digit}.{status.Subject}.{status.Detail}" : report.Kind switch
        {
            ReportKind.Relayed or ReportKind.Delivered => "2.0.0",
            _ when report.NextHop is null && !report.IsExpired && (report.Kind == ReportKind.Failed || report.IsHeld) => $"{digit}.7.1",
            _ => $"{digit}.4.7",
        };
    }

    private static string InternetDate(DateTimeOffset at) =>
        at.UtcDateTime.ToString("ddd, dd MMM yyyy HH:mm:ss +0000", CultureInfo.InvariantCulture);
}

/// <summary>One part of a report.</summary>
/// <param name="Encoding">Content-Transfer-Encoding; null is 7bit.</param>
/// <param name="Content">Ends with a line end.</param>
internal sealed record ReportPart(string Type, string? Encoding, byte[] Content)
{
    public bool IsEightBit => Encoding == "8bit";
}
