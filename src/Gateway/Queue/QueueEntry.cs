using System.Collections.Immutable;
using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Queue;

/// <summary>
/// One mail of the running queue. Deliveries on several lanes may be under way for it at once; a person's command has it alone. Knows on which
/// lanes it stands, and which of its entries in the agenda counts, since it may be scheduled anew. Thread-safe.
/// </summary>
internal sealed class QueueEntry(SpooledMail item)
{
    private readonly Lock _lock = new();
    private readonly Queue<TaskCompletionSource> _waiting = new();
    private ImmutableArray<LaneKey> _lanes = [];
    private ImmutableHashSet<LaneKey> _poison = [];
    private int _running;
    private bool _isOwned;
    private int _turn;

    public SpooledMail Item => item;

    /// <summary>Not to be tried before, whatever its journal says: its disk failed, or it was not written down.</summary>
    public DateTimeOffset NotBefore { get; set; }

    /// <summary>It made the work fail on that lane, and its hold is not written down yet: that is all that is tried there.</summary>
    public bool IsPoison(LaneKey lane)
    {
        lock (_lock)
            return _poison.Contains(lane);
    }

    public void MarkPoison(LaneKey lane, bool isPoison)
    {
        lock (_lock)
            _poison = isPoison ? _poison.Add(lane) : _poison.Remove(lane);
    }

    /// <summary>What stands in the agenda for it from now on; everything before counts no more.</summary>
    public QueueTurn NextTurn() => new(this, Interlocked.Increment(ref _turn));

    public bool IsTurn(QueueTurn turn) => Volatile.Read(ref _turn) == turn.Number;

    /// <summary>Something is to be told to the sender, or somebody is to be given up, though nothing can be tried.</summary>
    public bool IsOverdue(QueueOptions options) =>
        item.Status.Select((status, index) => (status, index)).Any(r =>
            r.status.MayExpire
            && (item.TriedFor(r.index, options.MostBeforeStart) >= options.ExpireAfter
                || (!r.status.DelayReported && item.Age >= options.DelayReportAfter)));

    /// <summary>Takes its place on a lane; false where it stands there already.</summary>
    public bool TryJoin(LaneKey lane)
    {
        lock (_lock)
        {
            if (_lanes.Contains(lane))
                return false;
            _lanes = _lanes.Add(lane);
            return true;
        }
    }

    public bool StandsOn(LaneKey lane)
    {
        lock (_lock)
            return _lanes.Contains(lane);
    }

    /// <summary>Begins a delivery on a lane where it stands. False where a person has it or waits for it; it then leaves the lane.</summary>
    public bool TryEnter(LaneKey lane)
    {
        lock (_lock)
        {
            if (_isOwned || _waiting.Count > 0)
            {
                _lanes = _lanes.Remove(lane);
                return false;
            }
            _running++;
            return true;
        }
    }

    /// <summary>The delivery is over, and it leaves the lane.</summary>
    /// <returns>True where it is to be scheduled; false where a person has it now or waits for it.</returns>
    public bool Leave(LaneKey lane)
    {
        lock (_lock)
        {
            _lanes = _lanes.Remove(lane);
            return --_running == 0 ? !TryHandOver() : _waiting.Count == 0;
        }
    }

    /// <returns>False where deliveries under way did not end in time.</returns>
    public async ValueTask<bool> OwnAsync(TimeSpan patience, TimeProvider time, CancellationToken cancellationToken)
    {
        TaskCompletionSource turn;
        lock (_lock)
        {
            if (!_isOwned && _running == 0)
                return _isOwned = true;
            turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue(turn);
        }
        using var deadline = new CancellationTokenSource(patience, time);
        await using (cancellationToken.Register(() => GiveUp(turn)))
        await using (deadline.Token.Register(() => GiveUp(turn)))
            await turn.Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (turn.Task.IsCompletedSuccessfully)
            return true;
        cancellationToken.ThrowIfCancellationRequested();
        return false;
    }

    /// <summary>The owner is done with it. Whatever he did, it is a new beginning: it may be tried again.</summary>
    /// <returns>True where nobody has it now, so that it is to be scheduled.</returns>
    public bool GiveBack()
    {
        lock (_lock)
        {
            _isOwned = false;
            _poison = [];
            return !TryHandOver();
        }
    }

    private bool TryHandOver()
    {
        while (_waiting.TryDequeue(out var next))
        {
            if (next.TrySetResult())
                return _isOwned = true;
        }
        return false;
    }

    /// <summary>What waits no more holds nobody up.</summary>
    private void GiveUp(TaskCompletionSource turn)
    {
        lock (_lock)
        {
            if (!turn.TrySetCanceled())
                return;
            var others = _waiting.Where(w => w != turn).ToList();
            _waiting.Clear();
            others.ForEach(_waiting.Enqueue);
        }
    }
}

/// <summary>One entry of the agenda.</summary>
internal readonly record struct QueueTurn(QueueEntry Entry, int Number);
