using System.Globalization;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Reports;

/// <summary>
/// Writes reports as multipart/report (RFC 6522, RFC 3464) into the spool, from the null reverse-path. Returns header fields only,
/// and of a mail that was to be protected not even its subject: a report travels in clear.
/// </summary>
internal sealed class ReportWriter(MailSpool spool, Action<SpooledMail> queue, DomainName hostName, QueueTimes times, TimeProvider time) : IReporter
{
    /// <summary>The rule that a report's own decision names.</summary>
    public const string RuleName = "(report)";

    public async ValueTask ReportAsync(SpooledMail about, IReadOnlyList<RecipientReport> reports, CancellationToken cancellationToken)
    {
        if (about.Mail.Envelope.Sender is not { } sender)
            return;
        foreach (var kind in reports.Where(r => IsWanted(about.Mail.Envelope.Recipients[r.Index], r.Kind)).GroupBy(r => r.Kind))
        {
            await using var writer = spool.Begin();
            var text = Compose(about, sender, kind.Key, [.. kind], writer.Id);
            await writer.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);
            queue(await writer.CommitAsync(Accepted(sender, text), cancellationToken));
        }
    }

    /// <summary>NOTIFY as RFC 3461 §4.1 has it; without it, failures and delays are reported (§5.2.3).</summary>
    private static bool IsWanted(EnvelopeRecipient recipient, ReportKind kind) => kind switch
    {
        ReportKind.Relayed => recipient.Notify.HasFlag(DsnNotify.Success),
        ReportKind.Failed => recipient.Notify == DsnNotify.Unspecified || recipient.Notify.HasFlag(DsnNotify.Failure),
        _ => recipient.Notify == DsnNotify.Unspecified || recipient.Notify.HasFlag(DsnNotify.Delay),
    };

    private AcceptedMail Accepted(MailAddress sender, string text) => new()
    {
        AcceptedAt = time.GetUtcNow(),
        Envelope = new Envelope
        {
            Sender = null,
            Recipients = [new EnvelopeRecipient(sender, DsnNotify.Never)],
            SmtpUtf8 = sender.NeedsSmtpUtf8,
            Body = Ascii.IsValid(text) ? BodyType.SevenBit : BodyType.EightBitMime,
        },
        Decisions =
        [
            new Decision
            {
                Rule = RuleName,
                PolicyVersion = "-",
                Action = DecisionAction.Protect,
                Methods = [ProtectionMethod.Normal],
                Reason = "a report of this gateway",
            },
        ],
        Session = new SessionFacts("-", null, null, SenderEvidence.None, FromInside: true),
        HoldsEightBit = !Ascii.IsValid(text),
    };

    private string Compose(SpooledMail about, MailAddress sender, ReportKind kind, RecipientReport[] reports, QueueId id)
    {
        var boundary = $"report-{id}";
        var parts = ComposeParts(about, kind, reports, boundary);
        var eightBit = !Ascii.IsValid(parts);
        var text = new StringBuilder();
        Line(text, $"From: Mail Delivery System <postmaster@{hostName.Ascii}>");
        Line(text, $"To: <{sender}>");
        Line(text, $"Subject: {Subject(kind)}");
        Line(text, $"Date: {InternetDate(time.GetUtcNow())}");
        Line(text, $"Message-ID: <{id}@{hostName.Ascii}>");
        Line(text, "Auto-Submitted: auto-replied");
        Line(text, "MIME-Version: 1.0");
        Line(text, $"Content-Type: multipart/report; report-type=delivery-status; boundary=\"{boundary}\"");
        if (eightBit)
            Line(text, EightBitEncoding);
        Line(text, "");
        return text.Append(parts).ToString();
    }

    private string ComposeParts(SpooledMail about, ReportKind kind, RecipientReport[] reports, string boundary)
    {
        var text = new StringBuilder();
        // Internationalised where it has to be (RFC 6533 §3): the plain status and header types are ASCII.
        var global = about.Mail.Envelope.SmtpUtf8 || reports.Any(r => about.Mail.Envelope.Recipients[r.Index].Address.NeedsSmtpUtf8);
        Line(text, $"--{boundary}");
        Line(text, "Content-Type: text/plain; charset=utf-8");
        Line(text, EightBitEncoding);
        Line(text, "");
        WriteWords(text, about, kind, reports);
        Line(text, $"--{boundary}");
        Line(text, global ? "Content-Type: message/global-delivery-status" : "Content-Type: message/delivery-status");
        if (global)
            Line(text, EightBitEncoding);
        Line(text, "");
        var status = new StringBuilder();
        WriteStatus(status, about, kind, reports);
        foreach (var c in status.ToString())
            text.Append(global || char.IsAscii(c) ? c : '?');
        Line(text, $"--{boundary}");
        Line(text, global ? "Content-Type: message/global-headers" : "Content-Type: text/rfc822-headers; charset=utf-8");
        Line(text, EightBitEncoding);
        Line(text, "");
        ReturnedHeader.Write(text, about);
        Line(text, $"--{boundary}--");
        return text.ToString();
    }

    private const string EightBitEncoding = "Content-Transfer-Encoding: 8bit";

    private static string Subject(ReportKind kind) => kind switch
    {
        ReportKind.Failed => "Your mail could not be delivered",
        ReportKind.Relayed => "Your mail was passed on",
        _ => "Your mail is waiting",
    };

    private void WriteWords(StringBuilder text, SpooledMail about, ReportKind kind, RecipientReport[] reports)
    {
        Line(text, $"This is the mail gateway {hostName.Unicode}.");
        Line(text, "");
        Line(text, kind switch
        {
            ReportKind.Failed => "Your mail could not be delivered to these recipients, and is not tried again:",
            ReportKind.Relayed => "Your mail was handed to a mail server that does not report on delivery itself:",
            _ => "Your mail to these recipients is waiting. You need not send it again:",
        });
        foreach (var report in reports)
        {
            Line(text, "");
            Line(text, $"  {about.Mail.Envelope.Recipients[report.Index].Address}");
            Line(text, $"    {report.Reason}");
        }
        Line(text, "");
        Line(text, $"Accepted {InternetDate(about.Mail.AcceptedAt)} as {about.Id}.");
        Line(text, "");
    }

    private void WriteStatus(StringBuilder text, SpooledMail about, ReportKind kind, RecipientReport[] reports)
    {
        var envelope = about.Mail.Envelope;
        Line(text, $"Reporting-MTA: dns; {hostName.Ascii}");
        if (envelope.EnvelopeId is { } envelopeId)
            Line(text, $"Original-Envelope-Id: {envelopeId}");
        Line(text, $"Arrival-Date: {InternetDate(about.Mail.AcceptedAt)}");
        foreach (var report in reports)
        {
            var recipient = envelope.Recipients[report.Index];
            Line(text, "");
            if (recipient.OriginalRecipient is { } original)
                Line(text, $"Original-Recipient: {original}");
            Line(text, $"Final-Recipient: {(recipient.Address.NeedsSmtpUtf8 ? "utf-8" : "rfc822")}; {recipient.Address}");
            Line(text, $"Action: {kind.ToString().ToLowerInvariant()}");
            Line(text, $"Status: {StatusOf(report)}");
            if (report is { NextHop: { } nextHop, Reply: { } reply })
            {
                Line(text, $"Remote-MTA: dns; {nextHop}");
                Line(text, $"Diagnostic-Code: smtp; {reply.Code} {string.Join(' ', reply.Lines)}");
            }
            if (report is { Kind: ReportKind.Delayed, IsHeld: false })
                Line(text, $"Will-Retry-Until: {InternetDate(about.Mail.AcceptedAt + times.ExpireAfter)}");
        }
        Line(text, "");
    }

    /// <summary>Of the class that the action has (RFC 3464 §2.3.4), with the remote host's detail where it gave one.</summary>
    private static string StatusOf(RecipientReport report)
    {
        var digit = report.Kind switch
        {
            ReportKind.Failed => 5,
            ReportKind.Relayed => 2,
            _ => 4,
        };
        return report.Reply?.Status is { } status ? $"{digit}.{status.Subject}.{status.Detail}" : report.Kind switch
        {
            ReportKind.Relayed => "2.0.0",
            _ when report.NextHop is null => $"{digit}.7.1",
            _ => $"{digit}.4.7",
        };
    }

    private static string InternetDate(DateTimeOffset at) =>
        at.UtcDateTime.ToString("ddd, dd MMM yyyy HH:mm:ss +0000", CultureInfo.InvariantCulture);

    /// <summary>One line whatever the text holds: what others wrote can add no line.</summary>
    private static void Line(StringBuilder text, string line)
    {
        // RFC 5322 §2.1.1 allows 998 octets; a character has up to three.
        var length = Math.Min(line.Length, Ascii.IsValid(line) ? 900 : 330);
        for (var i = 0; i < length; i++)
            text.Append(char.IsControl(line[i]) ? ' ' : line[i]);
        text.Append("\r\n");
    }
}

/// <summary>The times of the queue that reports name.</summary>
/// <param name="ExpireAfter">How long a mail is tried.</param>
internal sealed record QueueTimes(TimeSpan ExpireAfter);
