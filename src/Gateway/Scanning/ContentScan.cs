using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Text;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.KdcCore;
using GatewaySecure.Milter;
using GatewaySecure.Policies;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Scanning;

/// <summary>
/// Takes each form of a mail past the scanners once, whoever delivers it: that one passed, and which fields it wants on top, is kept in the
/// spool, since neither form ever changes. A mail that was refused is asked about again when a person lets it go on, or after a restart.
/// </summary>
internal sealed class ContentScan(
    ImmutableArray<MilterScanner> scanners, PolicySnapshot policy, IAuditChain audit, TimeProvider time, ILogger<ContentScan> log) : IContentScan, IDisposable
{
    private readonly ConditionalWeakTable<SpooledMail, Examinations> _examinations = [];

    public Task<ScanOutcome> ExamineAsync(SpooledMail item, MailForm form, CancellationToken cancellationToken) => scanners.IsEmpty
        ? Task.FromResult<ScanOutcome>(new ScanOutcome.Clean())
        : _examinations.GetOrCreateValue(item).ExamineAsync(item, form.Kind, () => TakePastAsync(item, form, cancellationToken));

    public MailForm WithFields(SpooledMail item, MailForm form)
    {
        if (scanners.IsEmpty)
            return form;
        // The last one to add stands on top.
        var added = scanners.Reverse()
            .Where(s => HasToPass(item, s.Scanner))
            .Select(s => item.KeptState(KeyOf(s.Scanner, form)))
            .SelectMany(state => state is { } octets ? octets.ToArray() : [])
            .ToArray();
        return added.Length == 0 ? form : form with { Content = new ContentWithTop(added, form.Content) };
    }

    public void Dispose()
    {
        foreach (var scanner in scanners)
            scanner.Dispose();
    }

    private async Task<ScanOutcome> TakePastAsync(SpooledMail item, MailForm form, CancellationToken cancellationToken)
    {
        foreach (var scanner in scanners)
        {
            if (!HasToPass(item, scanner.Scanner) || item.KeptState(KeyOf(scanner.Scanner, form)) is not null)
                continue;
            if (await AskAsync(item, form, scanner, cancellationToken) is { } objection)
                return objection;
        }
        return new ScanOutcome.Clean();
    }

    /// <summary>Null: it passed.</summary>
    private async ValueTask<ScanOutcome?> AskAsync(SpooledMail item, MailForm form, MilterScanner scanner, CancellationToken cancellationToken)
    {
        var name = scanner.Scanner.Name;
        MilterVerdict? verdict;
        try
        {
            (verdict, var notAsked) = await scanner.AskAsync(item, WithFields(item, form).Content, cancellationToken);
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
                    await item.KeepStateAsync(KeyOf(scanner.Scanner, form), Encoding.ASCII.GetBytes(fields), cancellationToken, durable: false);
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
    private static string KeyOf(Scanner scanner, MailForm form) => $"scan {scanner.Name} {scanner.Address}{form.Kind}";

    /// <summary>What is known or being found out about one mail. Several lanes may ask at once. Thread-safe.</summary>
    private sealed class Examinations
    {
        private readonly Lock _gate = new();
        private readonly Dictionary<string, Task<ScanOutcome>> _underWay = [];
        private readonly Dictionary<string, (ScanOutcome Refusal, TimeSpan? ReleasedAt)> _refused = [];

        public Task<ScanOutcome> ExamineAsync(SpooledMail item, string kind, Func<Task<ScanOutcome>> examine)
        {
            lock (_gate)
            {
                if (_underWay.TryGetValue(kind, out var running))
                    return running;
                if (_refused.TryGetValue(kind, out var before) && before.ReleasedAt == LastRelease(item))
                    return Task.FromResult(before.Refusal);
                return _underWay[kind] = RunAsync(item, kind, examine);
            }
        }

        private async Task<ScanOutcome> RunAsync(SpooledMail item, string kind, Func<Task<ScanOutcome>> examine)
        {
            // Not under the lock that its caller holds.
            await Task.Yield();
            var releasedAt = LastRelease(item);
            ScanOutcome? outcome = null;
            try
            {
                return outcome = await examine();
            }
            finally
            {
                lock (_gate)
                {
                    _underWay.Remove(kind);
                    if (outcome is ScanOutcome.Hold or ScanOutcome.Refuse)
                        _refused[kind] = (outcome, releasedAt);
                }
            }
        }

        private static TimeSpan? LastRelease(SpooledMail item) => item.Status.Max(s => s.ReleasedAt);
    }
}
