namespace GatewaySecure.Gateway.Queue;

/// <summary>
/// Bounds the octets of mail that are worked on at once. First come, first served; a mail larger than the whole budget waits
/// until it is alone. Thread-safe.
/// </summary>
internal sealed class ByteBudget(long limit)
{
    private readonly Lock _lock = new();
    private readonly Queue<(long Amount, TaskCompletionSource Turn)> _waiting = new();
    private long _used;

    /// <summary>Waits for room; the amount is given back on disposal.</summary>
    public async ValueTask<IDisposable> TakeAsync(long octets, CancellationToken cancellationToken)
    {
        var amount = Math.Min(octets, limit);
        TaskCompletionSource turn;
        lock (_lock)
        {
            if (_waiting.Count == 0 && _used + amount <= limit)
            {
                _used += amount;
                return new Share(this, amount);
            }
            turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue((amount, turn));
        }
        await using (cancellationToken.Register(() => turn.TrySetCanceled(cancellationToken)))
            await turn.Task;
        return new Share(this, amount);
    }

    private void Return(long amount)
    {
        lock (_lock)
        {
            _used -= amount;
            while (_waiting.TryPeek(out var next) && (next.Turn.Task.IsCanceled || _used + next.Amount <= limit))
            {
                _waiting.Dequeue();
                // One that gave up waiting takes no share.
                if (next.Turn.TrySetResult())
                    _used += next.Amount;
            }
        }
    }

    private sealed class Share(ByteBudget owner, long amount) : IDisposable
    {
        private int _returned;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _returned, 1) == 0)
                owner.Return(amount);
        }
    }
}
