using System.Collections.Concurrent;
using GatewaySecure.Gateway.Control;
using GatewaySecure.Gateway.Spool;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Queue;

/// <summary>
/// Works off the spool: takes what is due, lets <see cref="ItemWork"/> try it, and puts back what is not done. A mail that makes the
/// work fail in an unforeseen way is held with an alarm and never blocks others.
/// </summary>
internal sealed class QueueRunner(ItemWork work, QueueOptions options, TimeProvider time, ILogger<QueueRunner> log)
    : IQueueItems, IDisposable
{
    /// <summary>How long a person waits for a mail that is being delivered.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Agenda<QueueTurn> _agenda = new(time);
    private readonly ByteBudget _budget = new(options.BytesInFlight);
    private readonly ConcurrentDictionary<QueueId, QueueEntry> _entries = new();

    /// <summary>Items in the queue, held ones included.</summary>
    public int Count => _entries.Count;

    /// <summary>A committed item: it is tried at once, or when its journal says.</summary>
    public void Add(SpooledMail item)
    {
        var entry = new QueueEntry(item);
        _entries[item.Id] = entry;
        Schedule(entry);
    }

    public IEnumerable<SpooledMail> All()
    {
        // A moment's ids; what is done before its turn comes is left out.
        foreach (var id in _entries.Keys.Order())
        {
            if (Find(id) is { } item)
                yield return item;
        }
    }

    public SpooledMail? Find(QueueId id) => _entries.GetValueOrDefault(id)?.Item;

    public async ValueTask<IOwnedItem?> OwnAsync(SpooledMail item, CancellationToken cancellationToken)
    {
        if (!_entries.TryGetValue(item.Id, out var entry) || !await entry.OwnAsync(Patience, time, cancellationToken))
            return null;
        // It may have been done while we waited.
        if (_entries.ContainsKey(item.Id))
            return new Owned(this, entry);
        entry.GiveBack();
        return null;
    }

    /// <summary>
    /// Runs until <paramref name="stop"/>; then takes nothing new and gives deliveries under way the drain time to end. What did not end
    /// is in the spool as it was.
    /// </summary>
    public async Task RunAsync(CancellationToken stop)
    {
        using var abort = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        await using var drain = stop.Register(() => abort.CancelAfter(options.DrainTime));
        await Task.WhenAll(Enumerable.Range(0, options.Concurrency).Select(_ => WorkAsync(stop, abort.Token)));
    }

    public void Dispose() => _agenda.Dispose();

    private async Task WorkAsync(CancellationToken stop, CancellationToken abort)
    {
        await Task.Yield();
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var turn = await _agenda.TakeAsync(stop);
                if (!turn.Entry.IsTurn(turn) || !turn.Entry.TryOwn())
                    continue;
                await WorkAsync(turn.Entry, stop, abort);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private async Task WorkAsync(QueueEntry entry, CancellationToken stop, CancellationToken abort)
    {
        DateTimeOffset? notBefore = null;
        try
        {
            using (await _budget.TakeAsync(entry.Item.Content.Length, stop))
                notBefore = await TryAsync(entry.Item, abort);
        }
        finally
        {
            GiveBack(entry, notBefore);
        }
    }

    /// <returns>When to try again at the earliest, where its journal does not say.</returns>
    private async Task<DateTimeOffset?> TryAsync(SpooledMail item, CancellationToken abort)
    {
        try
        {
            await work.TryAsync(item, abort);
        }
        catch (OperationCanceledException) when (abort.IsCancellationRequested)
        {
            // The gateway stops.
        }
        catch (IOException e)
        {
            // The spool's own disk: what was delivered stays known in memory, the rest is tried again.
            log.SpoolFailed(item.Id, e);
            return time.GetUtcNow() + options.DelayAfter(1);
        }
        catch (Exception e)
        {
            log.ItemIsPoison(item.Id, e);
            return await HoldAsync(item, abort);
        }
        return null;
    }

    private async Task<DateTimeOffset?> HoldAsync(SpooledMail item, CancellationToken abort)
    {
        try
        {
            await work.HoldAsync(item, abort);
            return null;
        }
#pragma warning disable CA1031 // The last line of defence: this item must not take its worker along.
        catch (Exception e)
#pragma warning restore CA1031
        {
            // Not written down: it is tried once more after a while, or a restart, and held again.
            log.SpoolFailed(item.Id, e);
            return time.GetUtcNow() + options.DelayAfter(1);
        }
    }

    private void GiveBack(QueueEntry entry, DateTimeOffset? notBefore)
    {
        if (entry.Item.IsRemoved)
            _entries.TryRemove(entry.Item.Id, out _);
        if (entry.GiveBack() && !entry.Item.IsRemoved)
            Schedule(entry, notBefore);
    }

    private void Schedule(QueueEntry entry, DateTimeOffset? notBefore = null)
    {
        var open = entry.Item.Status.Where(s => !s.IsFinal).ToList();
        // One that was finished but could not be removed is due too: it only has to go.
        var due = open.Count == 0 || open.Exists(s => s is { State: RecipientState.Queued, NextAttempt: null })
            ? DateTimeOffset.MinValue
            : open.Min(s => s.NextAttempt);
        // Nothing is due for what only a person can release. A time too far away was written before the clock was set back.
        var turn = entry.NextTurn();
        if (due is { } moment)
        {
            var latest = time.GetUtcNow() + options.LongestDelay;
            _agenda.Add(turn, notBefore > moment ? notBefore.Value : moment > latest ? DateTimeOffset.MinValue : moment);
        }
    }

    private sealed class Owned(QueueRunner runner, QueueEntry entry) : IOwnedItem
    {
        public SpooledMail Item => entry.Item;

        public ValueTask DisposeAsync()
        {
            runner.GiveBack(entry, null);
            return ValueTask.CompletedTask;
        }
    }
}
