using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Queue;

/// <summary>
/// One mail of the running queue. One at a time works on it: a worker that delivers it, or a person's command. Knows which of its entries in
/// the agenda counts, since a command may schedule it anew. Thread-safe.
/// </summary>
internal sealed class QueueEntry(SpooledMail item)
{
    private readonly Lock _lock = new();
    private readonly Queue<TaskCompletionSource> _waiting = new();
    private bool _isOwned;
    private int _turn;

    public SpooledMail Item => item;

    /// <summary>What stands in the agenda for it from now on; everything before counts no more.</summary>
    public QueueTurn NextTurn() => new(this, Interlocked.Increment(ref _turn));

    public bool IsTurn(QueueTurn turn) => Volatile.Read(ref _turn) == turn.Number;

    /// <summary>False where somebody else has it; he schedules it when he gives it back.</summary>
    public bool TryOwn()
    {
        lock (_lock)
        {
            if (_isOwned)
                return false;
            return _isOwned = true;
        }
    }

    /// <returns>False where whoever has it did not give it back in time.</returns>
    public async ValueTask<bool> OwnAsync(TimeSpan patience, TimeProvider time, CancellationToken cancellationToken)
    {
        TaskCompletionSource turn;
        lock (_lock)
        {
            if (!_isOwned)
                return _isOwned = true;
            turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue(turn);
        }
        using var deadline = new CancellationTokenSource(patience, time);
        await using (cancellationToken.Register(() => turn.TrySetCanceled(cancellationToken)))
        await using (deadline.Token.Register(() => turn.TrySetCanceled(deadline.Token)))
            await turn.Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        return turn.Task.IsCompletedSuccessfully;
    }

    /// <returns>True where nobody has it now, so that it is to be scheduled; false where the next one who waited has it.</returns>
    public bool GiveBack()
    {
        lock (_lock)
        {
            while (_waiting.TryDequeue(out var next))
            {
                if (next.TrySetResult())
                    return false;
            }
            _isOwned = false;
            return true;
        }
    }
}

/// <summary>One entry of the agenda.</summary>
internal readonly record struct QueueTurn(QueueEntry Entry, int Number);
