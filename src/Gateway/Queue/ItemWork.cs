using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
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
    /// <exception cref="IOException">The spool could not be written.</exception>
    public async ValueTask TryAsync(SpooledMail item, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var outcome = new Outcome(item);
        var groups = Groups(item, now);
        foreach (var group in groups)
        {
            await TryGroupAsync(group, outcome, cancellationToken);
            // Written down before anything else can fail: what a later group or a report does must not send this again.
            if (group != groups[^1])
                await RecordAsync(item, outcome.UnwrittenDeliveries(), durable: true);
        }

        // Reports are committed before the original may forget the recipients they are about.
        var reports = Reports(item, outcome, now);
        if (reports.Count > 0)
        {
            await RecordAsync(item, outcome.UnwrittenDeliveries(), durable: true);
            await reporter.ReportAsync(item, reports, CancellationToken.None);
        }
        if (outcome.IsDone)
            item.Finish(outcome.Changes);
        else
            await RecordAsync(item, outcome.Changes, outcome.MustNotBeLost);
    }

    /// <summary>Not cancellable: what was done is written down even at a shutdown. Where the disk fails, memory still knows it.</summary>
    private static async ValueTask RecordAsync(SpooledMail item, IReadOnlyList<(int Index, RecipientStatus Status)> changes, bool durable)
    {
        if (changes.Count == 0)
            return;
        try
        {
            await item.RecordAsync(changes, durable, CancellationToken.None);
        }
        catch (SpoolUnavailableException)
        {
            item.Remember(changes);
            throw;
        }
    }

    /// <summary>Recipients whose copy is the same: decision and next hop are. A blind recipient of a protected mail travels alone.</summary>
    private List<Group> Groups(SpooledMail item, DateTimeOffset now) =>
        item.Status
            .Select((status, index) => (Status: status, Index: index))
            .Where(r => !r.Status.IsFinal && IsDue(r.Status, now))
            .Select(r => (r.Index, Decision: item.Mail.Decisions[r.Index], NextHop: nextHops.Resolve(RecipientOf(item, r.Index).Address)))
            .GroupBy(r => (
                r.Decision.Rule,
                Methods: string.Join(',', r.Decision.Methods),
                r.Decision.Action,
                r.Decision.WhenUnavailable,
                r.NextHop,
                Alone: item.Mail.Blind.Contains(r.Index) && r.Decision.Methods is not [ProtectionMethod.Normal] ? r.Index : -1))
            .Select(g => new Group(item, g.First().Decision, g.Key.NextHop, [.. g.Select(r => r.Index)]))
            .ToList();

    private static bool IsDue(RecipientStatus status, DateTimeOffset now) =>
        status.NextAttempt is { } due ? due <= now : status.State == RecipientState.Queued;

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
            outcome = await protector.ProtectAsync(group.Item, group.Recipients, method, group.Item.KeptState(key), cancellationToken);
        }
        catch (IOException e)
        {
            return new ProtectionOutcome.Deferred(e.Message);
        }
        // Kept before the first octet goes out, so that another attempt sends the same.
        if (outcome is ProtectionOutcome.Ready { StateToKeep: { } state } && group.Item.KeptState(key) is null)
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
        catch (Exception e) when (e is IOException or CryptographicException)
        {
            // Host, connection, content or key failed on the way: nothing is known, so nothing is final.
            outcome.Defer(group.Indexes, e.Message, now, options, nextHop: group.NextHop.Name);
            return;
        }
        var delivered = new List<string>();
        foreach (var (index, result) in group.Indexes.Zip(results))
        {
            if (result.Reply.IsPositive)
            {
                outcome.Deliver(index, result, group.NextHop.Name);
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

    /// <summary>What senders are told now: every end, and once that it takes longer or is held.</summary>
    private List<RecipientReport> Reports(SpooledMail item, Outcome outcome, DateTimeOffset now)
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
                    reports.Add(new RecipientReport(index, ReportKind.Relayed, reason, change.Reply, change.NextHop));
                    break;
                case RecipientState.Held when !change.Status.DelayReported:
                    log.Held(item.Id, recipient, reason);
                    reports.Add(new RecipientReport(index, ReportKind.Delayed, reason, IsHeld: true));
                    outcome.MarkReported(index);
                    break;
                case RecipientState.Queued:
                    log.Deferred(item.Id, recipient, reason);
                    if (change.Status.DelayReported || now - item.Mail.AcceptedAt < options.DelayReportAfter)
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

    private sealed record Group(SpooledMail Item, Decision Decision, INextHop NextHop, ImmutableArray<int> Indexes)
    {
        public ImmutableArray<EnvelopeRecipient> Recipients { get; } = [.. Indexes.Select(i => RecipientOf(Item, i))];

        public Envelope Envelope => Item.Mail.Envelope with { Recipients = Recipients };

        /// <summary>Names what was kept for exactly these recipients under this method.</summary>
        public string KeyFor(ProtectionMethod method) =>
            Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes($"{Word(method)} {string.Join(',', Indexes)}")).AsSpan(0, 16));
    }
}
