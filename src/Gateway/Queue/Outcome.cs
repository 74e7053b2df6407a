using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Queue;

/// <summary>What one try made of an item's recipients, before it is written down.</summary>
internal sealed class Outcome(SpooledMail item)
{
    private readonly SortedDictionary<int, Change> _changes = [];

    public IReadOnlyCollection<KeyValuePair<int, Change>> All => [.. _changes];

    public IReadOnlyList<(int Index, RecipientStatus Status)> Changes => [.. _changes.Select(c => (c.Key, c.Value.Status))];

    /// <summary>Every recipient is final now.</summary>
    public bool IsDone => item.Status.Select((status, index) => _changes.TryGetValue(index, out var c) ? c.Status : status).All(s => s.IsFinal);

    /// <summary>Losing it would send a mail twice, report twice, or try what is held; losing a deferral costs one early try.</summary>
    public bool MustNotBeLost => _changes.Values.Any(c => c.Status.State != RecipientState.Queued || c.Status.DelayReported);

    /// <summary>Takes everything over in memory, before the disk has it.</summary>
    public void MakeKnown()
    {
        foreach (var (index, change) in _changes)
            item.Know(index, change.Status);
    }

    public void Deliver(int index, RecipientResult result, INextHop nextHop)
    {
        var asked = result.Recipient.Notify.HasFlag(DsnNotify.Success);
        Set(index, RecipientState.Delivered, null, $"{nextHop.Name} took it: {result.Reply}", result.Reply, nextHop.Name, asked && !result.DsnRelayed, nextHop.IsLast);
        item.Know(index, _changes[index].Status);
    }

    public void Fail(IEnumerable<int> indexes, string reason, SmtpReply? reply = null, string? nextHop = null)
    {
        foreach (var index in indexes)
            Set(index, RecipientState.Failed, null, reply is null ? reason : $"{reason}: {reply}", reply, nextHop);
    }

    public void Hold(IEnumerable<int> indexes, string reason, DateTimeOffset? retryAt)
    {
        foreach (var index in indexes)
            Set(index, RecipientState.Held, retryAt, reason);
    }

    /// <summary>Tried again later; given up where the mail has been tried for long enough. A held one stays held and does not expire.</summary>
    public void Defer(
        IEnumerable<int> indexes, string reason, DateTimeOffset now, QueueOptions options, SmtpReply? reply = null, string? nextHop = null)
    {
        foreach (var index in indexes)
        {
            var before = item.Status[index];
            if (before.State == RecipientState.Queued && item.TriedFor(index, options.MostBeforeStart) >= options.ExpireAfter)
                Set(index, RecipientState.Failed, null, $"given up after {options.ExpireAfter.TotalHours:0.#} hours: {reason}", reply, nextHop);
            else
                Set(index, before.State, now + options.DelayAfter(before.Attempts + 1), reason, reply, nextHop);
        }
    }

    public void MarkReported(int index) =>
        _changes[index] = _changes[index] with { Status = _changes[index].Status with { DelayReported = true } };

    private void Set(
        int index, RecipientState state, DateTimeOffset? next, string reason, SmtpReply? reply = null, string? nextHop = null, bool notReportedBeyond = false, bool isLast = false)
    {
        var before = item.Status[index];
        var status = before with { State = state, Attempts = before.Attempts + 1, NextAttempt = next, Reason = reason };
        _changes[index] = new Change(status, reply, nextHop, notReportedBeyond, isLast);
    }

    /// <param name="NotReportedBeyond">Success was asked for, and the next hop will not report it.</param>
    /// <param name="IsLast">The recipient finds it there.</param>
    internal sealed record Change(RecipientStatus Status, SmtpReply? Reply, string? NextHop, bool NotReportedBeyond, bool IsLast);
}
