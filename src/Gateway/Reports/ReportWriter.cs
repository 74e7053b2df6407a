using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Reports;

/// <summary>
/// Puts reports into the spool, from the null reverse-path: one mail for all that is to be said at once, of whatever kind. What it gives
/// back of a mail says <see cref="ReturnedContent"/>.
/// </summary>
internal sealed class ReportWriter(MailSpool spool, Action<SpooledMail> queue, DomainName hostName, QueueTimes times, TimeProvider time) : IReporter
{
    /// <summary>The rule that a report's own decision names.</summary>
    public const string RuleName = "(report)";

    public async ValueTask ReportAsync(SpooledMail about, IReadOnlyList<RecipientReport> reports, CancellationToken cancellationToken)
    {
        if (about.Mail.Envelope.Sender is not { } sender)
            return;
        var wanted = reports.Where(r => IsWanted(about.Mail, r)).ToList();
        if (wanted.Count == 0)
            return;
        await using var writer = spool.Begin();
        var now = time.GetUtcNow();
        var octets = new ReportComposer(hostName, about, wanted, now).Compose(writer.Id, r => now + Left(about, r));
        await writer.WriteAsync(octets, cancellationToken);
        queue(await writer.CommitAsync(OwnMail.Accepted(null, sender, RuleName, "a report of this gateway", now, Ascii.IsValid(octets)), cancellationToken));
    }

    /// <summary>
    /// NOTIFY as RFC 3461 §4.1 has it. Without it, failures are reported (§5.2.3), and to our own people delays too; a stranger's
    /// address may be forged, so nobody is told of a mail's fate who perhaps never sent it, but where it must be.
    /// </summary>
    private static bool IsWanted(AcceptedMail mail, RecipientReport report)
    {
        var notify = mail.Envelope.Recipients[report.Index].Notify;
        return report.Kind switch
        {
            ReportKind.Relayed or ReportKind.Delivered => notify.HasFlag(DsnNotify.Success),
            ReportKind.Failed => notify == DsnNotify.Unspecified || notify.HasFlag(DsnNotify.Failure),
            _ => (notify == DsnNotify.Unspecified && mail.Session.FromInside) || notify.HasFlag(DsnNotify.Delay),
        };
    }

    private TimeSpan Left(SpooledMail about, RecipientReport report)
    {
        var left = times.ExpireAfter - about.TriedFor(report.Index, times.ExpireAfter);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }
}

/// <summary>The times of the queue that reports name.</summary>
/// <param name="ExpireAfter">How long a mail is tried.</param>
internal sealed record QueueTimes(TimeSpan ExpireAfter);
