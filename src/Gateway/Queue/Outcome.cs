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

    /// <summary>Not tried at all: that counts as no attempt. Given up where it waits for too long.</summary>
    public void Wait(IEnumerable<int> indexes, string reason, DateTimeOffset until, QueueOptions options)
    {
        foreach (var index in indexes)
        {
            if (!TryExpire(index, reason, options))
                _changes[index] = new Change(item.Status[index] with { NextAttempt = until, Reason = reason }, null, null, false, false);
        }
    }

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

    /// <param name="isReported">False: the sender is not told.</param>
    public void Fail(IEnumerable<int> indexes, string reason, SmtpReply? reply = null, string? nextHop = null, bool isReported = true)
    {
        foreach (var index in indexes)
        {
            Set(index, RecipientState.Failed, null, reply is null ? reason : $"{reason}: {reply}", reply, nextHop);
            Tell(index, isReported ? Telling.Now : Telling.Never);
        }
    }

    /// <param name="isReported">False: the sender is not told.</param>
    public void Hold(IEnumerable<int> indexes, string reason, DateTimeOffset? retryAt, bool isReported = true)
    {
        foreach (var index in indexes)
        {
            Set(index, RecipientState.Held, retryAt, reason);
            Tell(index, isReported ? Telling.Now : Telling.Never);
        }
    }

    /// <summary>
    /// Held for something that comes back by itself: tried again, and given up, as if deferred; reported as late as a delay is. What is held for
    /// its protection does not expire for this either.
    /// </summary>
    public void HoldFor(IEnumerable<int> indexes, string reason, DateTimeOffset now, QueueOptions options)
    {
        foreach (var index in indexes)
        {
            if (TryExpire(index, reason, options))
                continue;
            var before = item.Status[index];
            Set(index, RecipientState.Held, now + options.DelayAfter(before.Attempts + 1), reason);
            Tell(index, Telling.Later);
            if (before.MayExpire)
                _changes[index] = _changes[index] with { Status = _changes[index].Status with { Expires = true } };
        }
    }

    /// <summary>Tried again later; given up where the mail has been tried for long enough. One held for its protection stays so and does not expire.</summary>
    public void Defer(
        IEnumerable<int> indexes, string reason, DateTimeOffset now, QueueOptions options, SmtpReply? reply = null, string? nextHop = null)
    {
        foreach (var index in indexes)
        {
            if (TryExpire(index, reason, options, reply, nextHop))
                continue;
            var before = item.Status[index];
            Set(index, before.State, now + options.DelayAfter(before.Attempts + 1), reason, reply, nextHop);
            _changes[index] = _changes[index] with { Status = _changes[index].Status with { Expires = before.Expires } };
        }
    }

    /// <summary>
    /// The same for what its protection was had for, and its next hop tried: whatever it was held for, it is held no more. Its time to expire begins
    /// where it did not run before.
    /// </summary>
    public void DeferDelivery(
        IEnumerable<int> indexes, string reason, DateTimeOffset now, QueueOptions options, SmtpReply? reply, string? nextHop)
    {
        foreach (var index in indexes)
        {
            if (TryExpire(index, reason, options, reply, nextHop))
                continue;
            var before = item.Status[index];
            Set(index, RecipientState.Queued, now + options.DelayAfter(before.Attempts + 1), reason, reply, nextHop);
            if (!before.MayExpire)
                _changes[index] = _changes[index] with { Status = _changes[index].Status with { ReleasedAt = item.Age } };
        }
    }

    public void MarkReported(int index) =>
        _changes[index] = _changes[index] with { Status = _changes[index].Status with { DelayReported = true } };

    private bool TryExpire(int index, string reason, QueueOptions options, SmtpReply? reply = null, string? nextHop = null)
    {
        if (!item.Status[index].MayExpire || item.TriedFor(index, options.MostBeforeStart) < options.ExpireAfter)
            return false;
        Set(index, RecipientState.Failed, null, $"given up after {options.ExpireAfter.TotalHours:0.#} hours: {reason}", reply, nextHop);
        _changes[index] = _changes[index] with { IsExpired = true };
        return true;
    }

    private void Tell(int index, Telling telling) => _changes[index] = _changes[index] with { Telling = telling };

    private void Set(
        int index, RecipientState state, DateTimeOffset? next, string reason, SmtpReply? reply = null, string? nextHop = null, bool notReportedBeyond = false, bool isLast = false)
    {
        var before = item.Status[index];
        var status = before with { State = state, Attempts = before.Attempts + 1, NextAttempt = next, Reason = reason, Expires = null };
        _changes[index] = new Change(status, reply, nextHop, notReportedBeyond, isLast);
    }

    /// <param name="NotReportedBeyond">Success was asked for, and the next hop will not report it.</param>
    /// <param name="IsLast">The recipient finds it there.</param>
    /// <param name="Telling">When the sender is told of a hold or an end.</param>
    internal sealed record Change(
        RecipientStatus Status, SmtpReply? Reply, string? NextHop, bool NotReportedBeyond, bool IsLast, Telling Telling = Telling.Now)
    {
        /// <summary>Given up because it took too long.</summary>
        public bool IsExpired { get; init; }
    }

    /// <summary>When a sender is told.</summary>
    internal enum Telling
    {
        Now,

        /// <summary>Once it takes as long as a delay that is reported.</summary>
        Later,
        Never,
    }
}
