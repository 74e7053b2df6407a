using System.Collections.Immutable;
using System.Security.Cryptography;
using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.Gateway.Reports;
using GatewaySecure.Gateway.Scanning;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.MailProtection;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Queue;

/// <summary>
/// One try of one mail on one lane: its due recipients in groups that get the same copy, each group protected as its rule wants and handed
/// to its next hop, and the outcome of each written down. What a rule demands and can't be had is held or refused, never sent in clear.
/// </summary>
internal sealed class ItemWork(
    IItemProtector protector, NextHopResolver nextHops, IReporter reporter, QueueOptions options, TimeProvider time, ILogger<ItemWork> log,
    IContentScan? scan = null)
{
    /// <summary>Of what needs no destination: a rule that refuses or holds, and what is only to be written down.</summary>
    private static readonly LaneKey NoDestination = new("(none)", int.MaxValue);

    /// <summary>Where its due recipients go. One that was finished but could not be removed is due too: it only has to go.</summary>
    public IEnumerable<LaneKey> DueLanes(SpooledMail item)
    {
        if (item.Status.All(s => s.IsFinal))
            return [NoDestination];
        var due = Groups(item, time.GetUtcNow()).Select(g => g.Lane);
        return (item.HasUnwritten ? due.Append(NoDestination) : due).Distinct();
    }

    /// <summary>Tries what is due on that lane.</summary>
    /// <returns>What was learnt about the destination.</returns>
    /// <exception cref="IOException">The spool could not be written. What was delivered stays known.</exception>
    public async ValueTask<Attempt> TryAsync(SpooledMail item, LaneKey lane, CancellationToken cancellationToken)
    {
        var learnt = new Attempt(WasTried: false, null);
        if (item.HasUnwritten || item.Status.All(s => s.IsFinal))
            await SettleAsync(item, _ => { }, cancellationToken);
        foreach (var group in Groups(item, time.GetUtcNow()).Where(g => g.Lane == lane))
        {
            var attempt = await TryGroupAsync(group, cancellationToken);
            if (attempt.WasTried)
                learnt = attempt;
            // What could not be had a moment ago is not asked again for the next group.
            if (attempt.Failure is not null)
                break;
        }
        return learnt;
    }

    /// <summary>Its destination can't be had, and it waits for so long that its sender is told, or that it is given up.</summary>
    public async ValueTask PutOffAsync(SpooledMail item, LaneKey lane, string reason, CancellationToken cancellationToken)
    {
        foreach (var group in Groups(item, time.GetUtcNow()).Where(g => g.Lane == lane))
            await SettleAsync(item, o => o.Defer(group.Indexes, reason, time.GetUtcNow(), options, nextHop: group.NextHop.Name), cancellationToken);
    }

    /// <summary>Holds what is due on a lane, of a mail that made the work fail in an unforeseen way.</summary>
    /// <param name="isReported">False: the sender is not told.</param>
    public ValueTask HoldAsync(SpooledMail item, LaneKey lane, bool isReported, CancellationToken cancellationToken)
    {
        var due = Groups(item, time.GetUtcNow()).Where(g => g.Lane == lane).SelectMany(g => g.Indexes).ToList();
        const string reason = "held after an error inside the gateway; its administrator sees it in the log";
        return SettleAsync(item, o => o.Hold(due, reason, retryAt: null, isReported), cancellationToken);
    }

    /// <summary>
    /// Applies and writes down the outcome for some recipients. Several lanes may work on one mail: one at a time changes its status.
    /// </summary>
    private async ValueTask SettleAsync(SpooledMail item, Action<Outcome> apply, CancellationToken cancellationToken)
    {
        // Not to be given up: what a next hop took has to be noted.
        using var turn = await item.TakeTurnAsync(CancellationToken.None);
        var outcome = new Outcome(item);
        try
        {
            apply(outcome);
            // Reports are committed before the original may forget the recipients they are about.
            var reports = Reports(item, outcome);
            if (reports.Count > 0)
            {
                await reporter.ReportAsync(item, reports, cancellationToken);
                // From here on nothing may make it be reported twice.
                outcome.MakeKnown();
            }
            if (outcome.IsDone)
                item.Finish(outcome.Changes);
            else if (outcome.Changes.Count > 0 || item.HasUnwritten)
                await item.RecordAsync(outcome.Changes, outcome.MustNotBeLost || item.HasUnwritten, CancellationToken.None);
        }
        catch when (item.HasUnwritten)
        {
            // Whatever ended the try, shutdown included: what a next hop took is written down, or a restart would send it again.
            await item.RecordAsync([], durable: true, CancellationToken.None);
            throw;
        }
    }

    /// <summary>
    /// Recipients whose copy is the same: decision and destination are. A blind recipient of a protected mail travels alone. A group
    /// keeps its name whoever of it is due, so that what was kept for it is found again.
    /// </summary>
    private List<Group> Groups(SpooledMail item, DateTimeOffset now) =>
        item.Status
            .Select((status, index) => (Status: status, Index: index, Decision: item.Decisions[index]))
            .GroupBy(r => (
                r.Decision.Rule,
                Methods: string.Join(',', r.Decision.Methods),
                r.Decision.Action,
                r.Decision.WhenUnavailable,
                r.Decision.Tnef,
                r.Decision.Smime,
                NextHop: nextHops.Resolve(RecipientOf(item, r.Index).Address),
                Alone: item.Mail.Blind.Contains(r.Index) && r.Decision.Methods is not [ProtectionMethod.Normal] ? r.Index : -1))
            .Select(g => new Group(
                item,
                g.First().Decision,
                g.Key.NextHop,
                g.Key.Action == DecisionAction.Protect ? new LaneKey(g.Key.NextHop.Name, g.Key.NextHop.Connections, g.Key.NextHop.Destination) : NoDestination,
                g.First().Index,
                [.. g.Where(r => !r.Status.IsFinal && IsDue(r.Status, now)).Select(r => r.Index)]))
            .Where(g => !g.Indexes.IsEmpty)
            .ToList();

    /// <summary>A time further away than anything is put off was written before the clock was set back.</summary>
    private bool IsDue(RecipientStatus status, DateTimeOffset now) => status.NextAttempt is { } due
        ? due <= now || due > now + options.LongestDelay
        : status.State == RecipientState.Queued;

    /// <summary>What scanners say, for those whom the mail would go to now.</summary>
    private void Apply(ScanOutcome scanned, ImmutableArray<int> indexes, Outcome outcome)
    {
        switch (scanned)
        {
            case ScanOutcome.Hold hold:
                outcome.Hold(indexes, hold.Reason, retryAt: null, hold.IsReported);
                break;
            case ScanOutcome.Refuse refuse:
                outcome.Fail(indexes, refuse.Reason, isReported: refuse.IsReported);
                break;
            case ScanOutcome.Unknown unknown:
                outcome.HoldFor(indexes, unknown.Reason, time.GetUtcNow(), options);
                break;
            case ScanOutcome.NotAsked notAsked:
                outcome.Wait(indexes, notAsked.Reason, time.GetUtcNow() + notAsked.RestsFor, options);
                break;
            default:
                throw new InvalidOperationException("ScanOutcome is a closed hierarchy.");
        }
    }

    private async ValueTask<Attempt> TryGroupAsync(Group group, CancellationToken cancellationToken)
    {
        switch (group.Decision.Action)
        {
            case DecisionAction.Reject:
                return await SettledAsync(group, o => o.Fail(group.Indexes, $"refused by {group.Decision.Reason}"), cancellationToken);
            case DecisionAction.Hold:
                return await SettledAsync(group, o => o.Hold(group.Indexes, $"held by {group.Decision.Reason}", retryAt: null), cancellationToken);
        }
        MailForm form;
        try
        {
            form = await protector.OpenAsync(group.Item, group.Decision, cancellationToken);
        }
        catch (Exception e) when (IsTemporary(e, cancellationToken))
        {
            return await SettledAsync(group, o => o.Defer(group.Indexes, e.Message, time.GetUtcNow(), options), cancellationToken);
        }
        using (form)
            return await TryFormAsync(group, form, cancellationToken);
    }

    private async ValueTask<Attempt> TryFormAsync(Group group, MailForm form, CancellationToken cancellationToken)
    {
        if (scan is not null)
        {
            if (await scan.ExamineAsync(group.Item, form, cancellationToken) is var scanned and not ScanOutcome.Clean)
                return await SettledAsync(group, o => Apply(scanned, group.Indexes, o), cancellationToken);
            form = scan.WithFields(group.Item, form);
        }
        var reasons = new List<string>();
        foreach (var method in group.Decision.Methods)
        {
            switch (await ProtectAsync(group, form, method, cancellationToken))
            {
                case ProtectionOutcome.Ready ready:
                    return await DeliverAsync(group, ready.Message, cancellationToken);
                case ProtectionOutcome.Deferred deferred:
                    return await SettledAsync(group, o => o.Defer(group.Indexes, deferred.Reason, time.GetUtcNow(), options), cancellationToken);
                case ProtectionOutcome.Failed failed:
                    reasons.Add($"{Word(method)}: {failed.Reason}");
                    break;
            }
        }
        var why = $"{group.Decision.Rule} wants {string.Join(" or ", group.Decision.Methods.Select(Word))}, which can't be had: {string.Join(' ', reasons)}";
        return await SettledAsync(
            group,
            o =>
            {
                if (group.Decision.WhenUnavailable == WhenUnavailable.Reject)
                    o.Fail(group.Indexes, why);
                else
                    o.Hold(group.Indexes, why, time.GetUtcNow() + options.RetryHeldAfter);
            },
            cancellationToken);
    }

    private async ValueTask<Attempt> SettledAsync(Group group, Action<Outcome> apply, CancellationToken cancellationToken)
    {
        await SettleAsync(group.Item, apply, cancellationToken);
        return new Attempt(WasTried: false, null);
    }

    private async ValueTask<ProtectionOutcome> ProtectAsync(Group group, MailForm form, ProtectionMethod method, CancellationToken cancellationToken)
    {
        var key = group.KeyFor(method);
        ProtectionOutcome outcome;
        try
        {
            outcome = await protector.ProtectAsync(group.Item, form, group.Recipients, method, group.Item.KeptState(key), cancellationToken);
        }
        catch (Exception e) when (IsTemporary(e, cancellationToken))
        {
            return new ProtectionOutcome.Deferred(e.Message);
        }
        // Kept before the first octet goes out, so that another attempt sends the same.
        if (outcome is ProtectionOutcome.Ready { StateToKeep: { } state }
            && !(group.Item.KeptState(key) is { } kept && kept.Span.SequenceEqual(state.Span)))
        {
            using var turn = await group.Item.TakeTurnAsync(cancellationToken);
            await group.Item.KeepStateAsync(key, state, cancellationToken);
        }
        return outcome;
    }

    private async ValueTask<Attempt> DeliverAsync(Group group, SendableMessage message, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        ImmutableArray<Smtp.Client.RecipientResult> results;
        try
        {
            results = await group.NextHop.DeliverAsync(group.Envelope, message, cancellationToken);
        }
        catch (Exception e) when (IsTemporary(e, cancellationToken))
        {
            // Host, connection, content or key failed on the way: nothing is known, so nothing is final.
            var broken = e as DeliveryException;
            await SettleAsync(
                group.Item, o => o.DeferDelivery(group.Indexes, e.Message, now, options, broken?.Reply, group.NextHop.Name), cancellationToken);
            return new Attempt(WasTried: true, broken is null ? null : new DestinationFailure(e.Message, broken.WasReached));
        }
        if (results.Length != group.Indexes.Length)
            throw new InvalidOperationException($"{group.NextHop.Name} answered for {results.Length} of {group.Indexes.Length} recipients.");
        await SettleAsync(group.Item, o => Apply(group, message, results, o, now), cancellationToken);
        // 421 is about the host and not about the mail (RFC 5321 §3.8).
        var busy = results.FirstOrDefault(r => r.Reply.Code == 421);
        return new Attempt(WasTried: true, busy is null ? null : new DestinationFailure($"{group.NextHop.Name} said {busy.Reply}", WasReached: true));
    }

    private void Apply(
        Group group, SendableMessage message, ImmutableArray<Smtp.Client.RecipientResult> results, Outcome outcome, DateTimeOffset now)
    {
        var delivered = new List<string>();
        foreach (var (index, result) in group.Indexes.Zip(results))
        {
            if (result.Reply.IsPositive)
            {
                outcome.Deliver(index, result, group.NextHop);
                delivered.Add(result.Recipient.Address.ToString());
            }
            else if (result.Reply.IsPermanent)
                outcome.Fail([index], $"{group.NextHop.Name} refused it", result.Reply, group.NextHop.Name);
            else
                outcome.DeferDelivery([index], $"{group.NextHop.Name} said {result.Reply}", now, options, result.Reply, group.NextHop.Name);
        }
        if (delivered.Count > 0)
            log.Delivered(group.Item.Id, string.Join(' ', delivered), group.NextHop.Name, message.Record.Method, message.Record.Summary);
    }

    /// <summary>A fault of disk, host or key, or a time limit: unknown means temporary. Anything else is a bug.</summary>
    private static bool IsTemporary(Exception e, CancellationToken cancellationToken) =>
        e is IOException or CryptographicException or UnauthorizedAccessException or TimeoutException
        || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    /// <summary>What senders are told now: every end, and once that it takes longer or is held.</summary>
    private List<RecipientReport> Reports(SpooledMail item, Outcome outcome)
    {
        var reports = new List<RecipientReport>();
        foreach (var (index, change) in outcome.All)
        {
            var recipient = RecipientOf(item, index).Address.ToString();
            var reason = change.Status.Reason ?? "";
            switch (change.Status.State)
            {
                case RecipientState.Failed:
                    log.Failed(item.Id, recipient, reason);
                    if (change.Telling == Outcome.Telling.Never)
                        break;
                    reports.Add(new RecipientReport(index, ReportKind.Failed, reason, change.Reply, change.NextHop, IsExpired: change.IsExpired));
                    break;
                case RecipientState.Delivered when change is { NotReportedBeyond: true }:
                    var kind = change.IsLast ? ReportKind.Delivered : ReportKind.Relayed;
                    reports.Add(new RecipientReport(index, kind, reason, change.Reply, change.NextHop));
                    break;
                case RecipientState.Held when !change.Status.DelayReported:
                    log.Held(item.Id, recipient, reason);
                    if (change.Telling == Outcome.Telling.Never
                        || (change.Telling == Outcome.Telling.Later && item.Age < options.DelayReportAfter))
                        break;
                    reports.Add(new RecipientReport(index, ReportKind.Delayed, reason, IsHeld: !change.Status.MayExpire));
                    outcome.MarkReported(index);
                    break;
                case RecipientState.Queued:
                    log.Deferred(item.Id, recipient, reason);
                    if (change.Status.DelayReported || item.Age < options.DelayReportAfter)
                        break;
                    reports.Add(new RecipientReport(index, ReportKind.Delayed, reason, change.Reply, change.NextHop));
                    outcome.MarkReported(index);
                    break;
            }
        }
        // Who sent a mail that its own domain disowns is not known; the one it names has nothing to do with it.
        return item.Mail.IsDisowned ? [] : reports;
    }

    private static EnvelopeRecipient RecipientOf(SpooledMail item, int index) => item.Mail.Envelope.Recipients[index];

    private static string Word(ProtectionMethod method) => method.ToString().ToLowerInvariant();

    /// <param name="First">The lowest index of the group, due or not: names it.</param>
    /// <param name="Indexes">Those that are due.</param>
    private sealed record Group(SpooledMail Item, Decision Decision, INextHop NextHop, LaneKey Lane, int First, ImmutableArray<int> Indexes)
    {
        public ImmutableArray<EnvelopeRecipient> Recipients { get; } = [.. Indexes.Select(i => RecipientOf(Item, i))];

        public Envelope Envelope => Item.Mail.Envelope with { Recipients = Recipients };

        /// <summary>Under which the spool keeps what this method gave to keep.</summary>
        public string KeyFor(ProtectionMethod method) => $"{Word(method)} {First}";
    }
}

/// <summary>What one try says about its destination.</summary>
/// <param name="WasTried">False: it was not spoken to.</param>
/// <param name="Failure">Null where it answered.</param>
internal sealed record Attempt(bool WasTried, DestinationFailure? Failure);
