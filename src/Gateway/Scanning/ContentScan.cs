using System.Collections.Immutable;
using System.Text;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection;
using GatewaySecure.Milter;
using GatewaySecure.Policies;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Scanning;

/// <summary>
/// Takes each mail past the scanners once: that one passed, and which fields it wants on top, is kept in the spool, since the content of an item
/// never changes. A mail that was refused is asked about again when a person lets it go on.
/// </summary>
internal sealed class ContentScan(
    ImmutableArray<MilterScanner> scanners, PolicySnapshot policy, IAuditChain audit, TimeProvider time, ILogger<ContentScan> log) : IContentScan, IDisposable
{
    public async ValueTask<ScanOutcome> ExamineAsync(SpooledMail item, CancellationToken cancellationToken)
    {
        foreach (var scanner in scanners)
        {
            if (!HasToPass(item, scanner.Scanner) || item.KeptState(KeyOf(scanner.Scanner)) is not null)
                continue;
            if (await AskAsync(item, scanner, cancellationToken) is { } objection)
                return objection;
        }
        return new ScanOutcome.Clean();
    }

    public IMailContent ContentOf(SpooledMail item)
    {
        if (scanners.IsEmpty)
            return item.Content;
        // The last one to add stands on top.
        var added = scanners.Reverse()
            .Where(s => HasToPass(item, s.Scanner))
            .Select(s => item.KeptState(KeyOf(s.Scanner)))
            .SelectMany(state => state is { } octets ? octets.ToArray() : [])
            .ToArray();
        return added.Length == 0 ? item.Content : new ContentWithTop(added, item.Content);
    }

    public void Dispose()
    {
        foreach (var scanner in scanners)
            scanner.Dispose();
    }

    /// <summary>Null: it passed.</summary>
    private async ValueTask<ScanOutcome?> AskAsync(SpooledMail item, MilterScanner scanner, CancellationToken cancellationToken)
    {
        var name = scanner.Scanner.Name;
        MilterVerdict? verdict;
        try
        {
            (verdict, var notAsked) = await scanner.AskAsync(item, ContentOf(item), cancellationToken);
            if (notAsked is not null)
                return notAsked;
        }
        catch (MilterException e)
        {
            log.ScannerFailed(name, item.Id, e.Message);
            return new ScanOutcome.Unknown($"held until scanner {name} can look at it: {e.Message}");
        }
        switch (verdict)
        {
            case MilterVerdict.Accepted accepted:
                var fields = string.Concat(accepted.Added.Select(f => $"{f.Name}: {f.Value}\r\n"));
                // Losing it in a crash of the machine costs one more look.
                using (await item.TakeTurnAsync(cancellationToken))
                    await item.KeepStateAsync(KeyOf(scanner.Scanner), Encoding.ASCII.GetBytes(fields), cancellationToken, durable: false);
                log.Scanned(name, item.Id, accepted.Added.Length);
                return null;
            case MilterVerdict.TryLater later:
                log.ScannerFailed(name, item.Id, later.Reason);
                return new ScanOutcome.Unknown($"held until scanner {name} can tell: {later.Reason}");
            case MilterVerdict.Quarantined quarantined:
                return await RefuseAsync(item, scanner.Scanner, $"quarantined: {quarantined.Reason}", InfectedHandling.Hold, cancellationToken);
            case MilterVerdict.ChangeRefused refused:
                var wish = $"wants {refused.Change}, which is not done to accepted mail";
                return await RefuseAsync(item, scanner.Scanner, wish, InfectedHandling.Hold, cancellationToken);
            case MilterVerdict.Rejected rejected:
                return await RefuseAsync(item, scanner.Scanner, rejected.Reason, scanner.Scanner.Infected, cancellationToken);
            default:
                // A mail that vanishes without a word is what nobody can explain later: it is a refusal like any other.
                return await RefuseAsync(item, scanner.Scanner, "discard it", scanner.Scanner.Infected, cancellationToken);
        }
    }

    private async ValueTask<ScanOutcome> RefuseAsync(
        SpooledMail item, Scanner scanner, string said, InfectedHandling handling, CancellationToken cancellationToken)
    {
        var inside = item.Mail.Session.FromInside;
        if (handling == InfectedHandling.Bounce && !inside)
            handling = InfectedHandling.Hold;
        var reason = $"scanner {scanner.Name} refused it ({said})";
        log.Refused(scanner.Name, item.Id, handling, said);
        var sender = item.Mail.Envelope.Sender?.ToString() ?? "<>";
        var entry = new AuditEvent(time.GetUtcNow(), "scan.refusal", $"scanner {scanner.Name}", sender, $"{item.Id} {handling}: {said}");
        await audit.AppendAsync(new AuditEntry(entry), cancellationToken);
        return handling switch
        {
            // To a sender outside nothing is said: it may be forged.
            InfectedHandling.Hold => new ScanOutcome.Hold(reason, IsReported: inside),
            InfectedHandling.Bounce => new ScanOutcome.Refuse(reason, IsReported: true),
            _ => new ScanOutcome.Refuse($"{reason}; discarded", IsReported: false),
        };
    }

    private bool HasToPass(SpooledMail item, Scanner scanner) =>
        item.Mail.Envelope.Recipients.Any(r => scanner.Directions.Contains(
            item.Mail.Session.FromInside ? policy.DirectionOf(item.Mail.Envelope.Sender, r.Address) : Direction.Inbound));

    /// <summary>Another address is another scanner.</summary>
    private static string KeyOf(Scanner scanner) => $"scan {scanner.Name} {scanner.Address}";
}
