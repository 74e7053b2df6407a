using System.Collections.Immutable;
using System.Security.Cryptography;
using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.Gateway.Reports;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.MailProtection;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Queue;

/// <summary>
/// One try of one mail: its due recipients in groups that get the same copy, each group protected as its rule wants and handed to
/// its next hop, and the outcome written down. What a rule demands and can't be had is held or refused, never sent in clear.
/// </summary>
internal sealed class ItemWork(
    IItemProtector protector, NextHopResolver nextHops, IReporter reporter, QueueOptions options, TimeProvider time, ILogger<ItemWork> log)
{
    /// <exception cref="IOException">The spool could not be written. What was delivered stays known.</exception>
    public async ValueTask TryAsync(SpooledMail item, CancellationToken cancellationToken)
    {
        var outcome = new Outcome(item);
        try
        {
            foreach (var group in Groups(item, time.GetUtcNow()))
                await TryGroupAsync(group, outcome, cancellationToken);
            await SettleAsync(item, outcome, cancellationToken);
        }
        catch when (item.HasUnwritten)
        {
            // Whatever ended the try, shutdown included: what a next hop took is written down, or a restart would send it again.
            await item.RecordAsync([], durable: true, CancellationToken.None);
            throw;
        }
    }

    /// <summary>Holds all that is open of a mail that made the work fail in an unforeseen way.</summary>
    public ValueTask HoldAsync(SpooledMail item, CancellationToken cancellationToken)
    {
        var outcome = new Outcome(item);
        var open = Enumerable.Range(0, item.Status.Length).Where(i => !item.Status[i].IsFinal);
        outcome.Hold(open, "held after an error inside the gateway; its administrator sees it in the log", retryAt: null);
        return SettleAsync(item, outcome, cancellationToken);
    }

    private async ValueTask SettleAsync(SpooledMail item, Outcome outcome, CancellationToken cancellationToken)
    {
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
        else if (outcome.Changes.Count > 0)
            await item.RecordAsync(outcome.Changes, outcome.MustNotBeLost, CancellationToken.None);
    }

    /// <summary>
    /// Recipients whose copy is the same: decision and next hop are. A blind recipient of a protected mail travels alone. A group
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
                NextHop: nextHops.Resolve(RecipientOf(item, r.Index).Address),
                Alone: item.Mail.Blind.Contains(r.Index) && r.Decision.Methods is not [ProtectionMethod.Normal] ? r.Index : -1))
            .Select(g => new Group(
                item,
                g.First().Decision,
                g.Key.NextHop,
                g.First().Index,
                [.. g.Where(r => !r.Status.IsFinal && IsDue(r.Status, now)).Select(r => r.Index)]))
            .Where(g => !g.Indexes.IsEmpty)
            .ToList();

    /// <summary>A time further away than anything is put off was written before the clock was set back.</summary>
    private bool IsDue(RecipientStatus status, DateTimeOffset now) => status.NextAttempt is { } due
        ? due <= now || due > now + options.LongestDelay
        : status.State == RecipientState.Queued;

    private async ValueTask TryGroupAsync(Group group, Outcome outcome, CancellationToken cancellationToken)
    {
        switch (group.Decision.Action)
        {
            case DecisionAction.Reject:
                outcome.Fail(group.Indexes, $"refused by {group.Decision.Reason}");
                return;
            case DecisionAction.Hold:
                outcome.Hold(group.Indexes, $"held by {group.Decision.Reason}", retryAt: null);
                return;
        }
        var reasons = new List<string>();
        foreach (var method in group.Decision.Methods)
        {
            switch (await ProtectAsync(group, method, cancellationToken))
            {
                case ProtectionOutcome.Ready ready:
                    await DeliverAsync(group, ready.Message, outcome, cancellationToken);
                    return;
                case ProtectionOutcome.Deferred deferred:
                    outcome.Defer(group.Indexes, deferred.Reason, time.GetUtcNow(), options);
                    return;
                case ProtectionOutcome.Failed failed:
                    reasons.Add($"{Word(method)}: {failed.Reason}");
                    break;
            }
        }
        var why = $"{group.Decision.Rule} wants {string.Join(" or ", group.Decision.Methods.Select(Word))}, which can't be had: {string.Join(' ', reasons)}";
        if (group.Decision.WhenUnavailable == WhenUnavailable.Reject)
            outcome.Fail(group.Indexes, why);
        else
            outcome.Hold(group.Indexes, why, time.GetUtcNow() + options.RetryHeldAfter);
    }

    private async ValueTask<ProtectionOutcome> ProtectAsync(Group group, ProtectionMethod method, CancellationToken cancellationToken)
    {
        var key = group.KeyFor(method);
        ProtectionOutcome outcome;
        try
        {
            outcome = await protector.ProtectAsync(group.Item, group.Recipients, method, group.Decision.Tnef, group.Item.KeptState(key), cancellationToken);
        }
        catch (Exception e) when (IsTemporary(e, cancellationToken))
        {
            return new ProtectionOutcome.Deferred(e.Message);
        }
        // Kept before the first octet goes out, so that another attempt sends the same.
        if (outcome is ProtectionOutcome.Ready { StateToKeep: { } state }
            && !(group.Item.KeptState(key) is { } kept && kept.Span.SequenceEqual(state.Span)))
            await group.Item.KeepStateAsync(key, state, cancellationToken);
        return outcome;
    }

    private async ValueTask DeliverAsync(Group group, SendableMessage message, Outcome outcome, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        ImmutableArray<Smtp.Client.RecipientResult> results;
        try
        {
            results = await group.NextHop.DeliverAsync(group.Envelope, message, cancellationToken);
        }
        catch (DeliveryException e) when (e.RestsFor is { } rest)
        {
            outcome.Wait(group.Indexes, e.Message, now + rest);
            return;
        }
        catch (Exception e) when (IsTemporary(e, cancellationToken))
        {
            // Host, connection, content or key failed on the way: nothing is known, so nothing is final.
            outcome.Defer(group.Indexes, e.Message, now, options, nextHop: group.NextHop.Name);
            return;
        }
        if (results.Length != group.Indexes.Length)
            throw new InvalidOperationException($"{group.NextHop.Name} answered for {results.Length} of {group.Indexes.Length} recipients.");
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
                outcome.Defer([index], $"{group.NextHop.Name} said {result.Reply}", now, options, result.Reply, group.NextHop.Name);
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
                    reports.Add(new RecipientReport(index, ReportKind.Failed, reason, change.Reply, change.NextHop));
                    break;
                case RecipientState.Delivered when change is { NotReportedBeyond: true }:
                    var kind = change.IsLast ? ReportKind.Delivered : ReportKind.Relayed;
                    reports.Add(new RecipientReport(index, kind, reason, change.Reply, change.NextHop));
                    break;
                case RecipientState.Held when !change.Status.DelayReported:
                    log.Held(item.Id, recipient, reason);
                    reports.Add(new RecipientReport(index, ReportKind.Delayed, reason, IsHeld: true));
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
        return reports;
    }

    private static EnvelopeRecipient RecipientOf(SpooledMail item, int index) => item.Mail.Envelope.Recipients[index];

    private static string Word(ProtectionMethod method) => method.ToString().ToLowerInvariant();

    /// <param name="First">The lowest index of the group, due or not: names it.</param>
    /// <param name="Indexes">Those that are due.</param>
    private sealed record Group(SpooledMail Item, Decision Decision, INextHop NextHop, int First, ImmutableArray<int> Indexes)
    {
        public ImmutableArray<EnvelopeRecipient> Recipients { get; } = [.. Indexes.Select(i => RecipientOf(Item, i))];

        public Envelope Envelope => Item.Mail.Envelope with { Recipients = Recipients };

        /// <summary>Under which the spool keeps what this method gave to keep.</summary>
        public string KeyFor(ProtectionMethod method) => $"{Word(method)} {First}";
    }
}
