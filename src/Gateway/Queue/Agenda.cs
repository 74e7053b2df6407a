using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;

namespace GatewaySecure.Gateway.Queue;

/// <summary>
/// What is due when. What is due now is handed out at once, in order of arrival; the rest waits on one timer. Stays quick
/// with 100,000 items. A clock that is set meanwhile changes nothing: waiting times pass as they do. Thread-safe.
/// </summary>
internal sealed class Agenda<T>(TimeProvider time) : IDisposable
{
    private readonly Channel<T> _due = Channel.CreateUnbounded<T>();
    private readonly PriorityQueue<T, long> _later = new();
    private readonly Lock _lock = new();
    private long _nextAlarm = long.MaxValue;
    private ITimer? _alarm;

    public void Add(T item, DateTimeOffset due)
    {
        var wait = due - time.GetUtcNow();
        if (wait <= TimeSpan.Zero)
        {
            _due.Writer.TryWrite(item);
            return;
        }
        lock (_lock)
        {
            _later.Enqueue(item, time.GetTimestamp() + (long)(wait.TotalSeconds * time.TimestampFrequency));
            SetAlarm();
        }
    }

    public ValueTask<T> TakeAsync(CancellationToken cancellationToken) => _due.Reader.ReadAsync(cancellationToken);

    public void Dispose() => _alarm?.Dispose();

    private void Ring()
    {
        lock (_lock)
        {
            _nextAlarm = long.MaxValue;
            var now = time.GetTimestamp();
            while (_later.TryPeek(out var item, out var due) && due <= now)
            {
                _later.Dequeue();
                _due.Writer.TryWrite(item);
            }
            SetAlarm();
        }
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "Disposed of by Dispose.")]
    private void SetAlarm()
    {
        if (!_later.TryPeek(out _, out var due) || due >= _nextAlarm)
            return;
        _nextAlarm = due;
        var wait = TimeSpan.FromSeconds((double)(due - time.GetTimestamp()) / time.TimestampFrequency);
        // A timer can't wait longer than 49 days; it just rings once for nothing then.
        wait = wait < TimeSpan.Zero ? TimeSpan.Zero : wait > TimeSpan.FromDays(1) ? TimeSpan.FromDays(1) : wait;
        _alarm ??= time.CreateTimer(_ => Ring(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _alarm.Change(wait, Timeout.InfiniteTimeSpan);
    }
}
