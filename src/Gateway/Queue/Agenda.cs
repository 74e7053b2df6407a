using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Queue;

/// <summary>
/// Which item is due when. What is due now is handed out at once, in order of arrival; the rest waits on one timer. Stays quick
/// with 100,000 items. Thread-safe.
/// </summary>
internal sealed class Agenda(TimeProvider time) : IDisposable
{
    private readonly Channel<SpooledMail> _due = Channel.CreateUnbounded<SpooledMail>();
    private readonly PriorityQueue<SpooledMail, DateTimeOffset> _later = new();
    private readonly Lock _lock = new();
    private DateTimeOffset _nextAlarm = DateTimeOffset.MaxValue;
    private ITimer? _alarm;

    public void Add(SpooledMail item, DateTimeOffset due)
    {
        if (due <= time.GetUtcNow())
        {
            _due.Writer.TryWrite(item);
            return;
        }
        lock (_lock)
        {
            _later.Enqueue(item, due);
            SetAlarm();
        }
    }

    public ValueTask<SpooledMail> TakeAsync(CancellationToken cancellationToken) => _due.Reader.ReadAsync(cancellationToken);

    public void Dispose() => _alarm?.Dispose();

    private void Ring()
    {
        lock (_lock)
        {
            _nextAlarm = DateTimeOffset.MaxValue;
            var now = time.GetUtcNow();
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
        var wait = due - time.GetUtcNow();
        // A timer can't wait longer than 49 days; it just rings once for nothing then.
        wait = wait < TimeSpan.Zero ? TimeSpan.Zero : wait > TimeSpan.FromDays(1) ? TimeSpan.FromDays(1) : wait;
        _alarm ??= time.CreateTimer(_ => Ring(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _alarm.Change(wait, Timeout.InfiniteTimeSpan);
    }
}
