using System.Collections.Concurrent;
using GatewaySecure.Gateway.Control;
using GatewaySecure.Gateway.Spool;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Queue;

/// <summary>
/// Works off the spool: puts what is due on the lanes of its destinations, lets <see cref="ItemWork"/> try what the lanes let begin, and
/// schedules what is not done. A mail that makes the work fail in an unforeseen way is held with an alarm and never blocks others.
/// </summary>
internal sealed class QueueRunner : IQueueItems, IDisposable
{
    /// <summary>How long a person waits for a mail that is being delivered.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Mail is streamed, so that no more than a part of the budget is needed even for a large one: some that hang must not stop the rest.
    /// </summary>
    private const int LargestPart = 32;

    private readonly ItemWork _work;
    private readonly QueueOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<QueueRunner> _log;
    private readonly Agenda<QueueTurn> _agenda;
    private readonly Lanes _lanes;
    private readonly ByteBudget _budget;
    private readonly ConcurrentDictionary<QueueId, QueueEntry> _entries = new();

    public QueueRunner(ItemWork work, QueueOptions options, TimeProvider time, ILogger<QueueRunner> log)
    {
        (_work, _options, _time, _log) = (work, options, time, log);
        _agenda = new Agenda<QueueTurn>(time);
        _lanes = new Lanes(options, time);
        _budget = new ByteBudget(options.BytesInFlight);
    }

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
        if (!_entries.TryGetValue(item.Id, out var entry) || !await entry.OwnAsync(Patience, _time, cancellationToken))
        {
            // What left its lanes for the person who waited goes on.
            if (entry is not null)
                Schedule(entry);
            return null;
        }
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
        using var abort = new CancellationTokenSource(Timeout.InfiniteTimeSpan, _time);
        await using var drain = stop.Register(() => abort.CancelAfter(_options.DrainTime));
        await Task.WhenAll([
            UntilAsync(DispatchAsync, stop),
            .. Enumerable.Range(0, _options.Concurrency).Select(_ => UntilAsync(s => WorkAsync(s, abort.Token), stop))]);
    }

    public void Dispose()
    {
        _agenda.Dispose();
        _lanes.Dispose();
    }

    private static async Task UntilAsync(Func<CancellationToken, Task> step, CancellationToken stop)
    {
        await Task.Yield();
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await step(stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private async Task DispatchAsync(CancellationToken stop)
    {
        var turn = await _agenda.TakeAsync(stop);
        if (turn.Entry.IsTurn(turn))
            Schedule(turn.Entry);
    }

    private async Task WorkAsync(CancellationToken stop, CancellationToken abort)
    {
        var task = await _lanes.TakeAsync(stop);
        if (!task.Entry.TryEnter(task.Lane))
        {
            _lanes.End(task, new Attempt(WasTried: false, null));
            return;
        }
        var attempt = new Attempt(WasTried: false, null);
        try
        {
            using (await _budget.TakeAsync(Math.Min(task.Entry.Item.Content.Length, _options.BytesInFlight / LargestPart), stop))
                attempt = await TryAsync(task, abort);
        }
        finally
        {
            _lanes.End(task, attempt);
            if (task.Entry.Leave(task.Lane))
                Schedule(task.Entry);
        }
    }

    private async Task<Attempt> TryAsync(LaneTask task, CancellationToken abort)
    {
        var item = task.Entry.Item;
        if (task.Entry.IsPoison(task.Lane))
        {
            await HoldAsync(task, abort);
            return new Attempt(WasTried: false, null);
        }
        try
        {
            if (!task.IsOverdue)
                return await _work.TryAsync(item, task.Lane, abort);
            await _work.PutOffAsync(item, task.Lane, _lanes.FailureOf(task.Lane) ?? $"{task.Lane} can't be had", abort);
        }
        catch (OperationCanceledException) when (abort.IsCancellationRequested)
        {
            // The gateway stops; the next start goes on with it.
            task.Entry.NotBefore = DateTimeOffset.MaxValue;
        }
        catch (IOException e)
        {
            // The spool's own disk: what was delivered stays known in memory, the rest is tried again.
            _log.SpoolFailed(item.Id, e);
            task.Entry.NotBefore = _time.GetUtcNow() + _options.DelayAfter(1);
        }
        catch (Exception e)
        {
            _log.ItemIsPoison(item.Id, e);
            await HoldAsync(task, abort);
        }
        return new Attempt(WasTried: false, null);
    }

    private async Task HoldAsync(LaneTask task, CancellationToken abort)
    {
        // What made the work fail may make the report about it fail too: then it is held without a word to its sender.
        if (!await TryHoldAsync(task, isReported: true, abort) && !await TryHoldAsync(task, isReported: false, abort))
            task.Entry.NotBefore = _time.GetUtcNow() + _options.DelayAfter(1);
    }

    private async Task<bool> TryHoldAsync(LaneTask task, bool isReported, CancellationToken abort)
    {
        try
        {
            // Until it is written down, nothing else is tried with it; after a restart it is found out anew.
            task.Entry.MarkPoison(task.Lane, true);
            await _work.HoldAsync(task.Entry.Item, task.Lane, isReported, abort);
            task.Entry.MarkPoison(task.Lane, false);
            return true;
        }
        catch (OperationCanceledException) when (abort.IsCancellationRequested)
        {
            return false;
        }
#pragma warning disable CA1031 // The last line of defence: this item must not take its worker along.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _log.SpoolFailed(task.Entry.Item.Id, e);
            return false;
        }
    }

    /// <summary>What is due goes on its lanes now; the agenda has the next moment for the rest.</summary>
    private void Schedule(QueueEntry entry)
    {
        var item = entry.Item;
        if (item.IsRemoved)
        {
            _entries.TryRemove(item.Id, out _);
            return;
        }
        var turn = entry.NextTurn();
        if (entry.NotBefore > _time.GetUtcNow())
        {
            if (entry.NotBefore < DateTimeOffset.MaxValue)
                _agenda.Add(turn, entry.NotBefore);
            return;
        }
        // Before it is asked what is due: what becomes so meanwhile stands in the agenda too, and is not lost between the two.
        var now = _time.GetUtcNow();
        foreach (var lane in _work.DueLanes(item))
        {
            if (entry.TryJoin(lane))
                _lanes.Add(new LaneTask(lane, entry));
        }
        // Nothing is due for what only a person can release. What stands on a lane comes back from there; so does a time too far away, which
        // was written before the clock was set back.
        var latest = now + _options.LongestDelay;
        if (item.Status.Where(s => !s.IsFinal && s.NextAttempt > now && s.NextAttempt <= latest).Min(s => s.NextAttempt) is { } next)
            _agenda.Add(turn, next);
    }

    private void GiveBack(QueueEntry entry)
    {
        entry.NotBefore = default;
        if (entry.GiveBack())
            Schedule(entry);
    }

    private sealed class Owned(QueueRunner runner, QueueEntry entry) : IOwnedItem
    {
        public SpooledMail Item => entry.Item;

        public ValueTask DisposeAsync()
        {
            runner.GiveBack(entry);
            return ValueTask.CompletedTask;
        }
    }
}
