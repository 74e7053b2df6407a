using System.IO.Pipelines;

namespace GatewaySecure.Smtp.Server;

/// <summary>
/// Ends a wait on a pipe when its deadline passes, when the session's time is over, on shutdown (where the wait may be
/// interrupted) and on abort. One timer for a whole session; a wait costs no allocation.
/// </summary>
internal sealed class Watch : IDisposable
{
    private static readonly TimeSpan TimerSlack = TimeSpan.FromMilliseconds(50);

    private readonly Lock _gate = new();
    private readonly SmtpServerOptions _options;
    private readonly TimeProvider _time;
    private readonly CancellationToken _shutdown;
    private readonly CancellationToken _abort;
    private readonly long _sessionEnd;
    private readonly ITimer _timer;
    private readonly CancellationTokenRegistration _onShutdown;
    private readonly CancellationTokenRegistration _onAbort;

    private PipeReader? _reader;
    private PipeWriter? _writer;
    private long _deadline;
    private long _messageEnd = long.MaxValue;
    private bool _interruptible;
    private bool _timedOut;

    public Watch(SmtpServerOptions options, TimeProvider time, CancellationToken shutdown, CancellationToken abort)
    {
        (_options, _time, _shutdown, _abort) = (options, time, shutdown, abort);
        _sessionEnd = After(options.SessionTimeout);
        _timer = time.CreateTimer(static self => ((Watch)self!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _onShutdown = shutdown.UnsafeRegister(static self => ((Watch)self!).Interrupt(), this);
        _onAbort = abort.UnsafeRegister(static self => ((Watch)self!).Interrupt(), this);
    }

    public long CommandDeadline() => Math.Min(After(_options.CommandTimeout), Math.Min(_messageEnd, _sessionEnd));

    public long DataDeadline() => Math.Min(After(_options.DataTimeout), Math.Min(_messageEnd, _sessionEnd));

    /// <summary>From now on a message is arriving, and no wait goes beyond its time.</summary>
    public void BeginMessage() => _messageEnd = After(_options.MessageTimeout);

    public void EndMessage() => _messageEnd = long.MaxValue;

    public long After(TimeSpan span) => _time.GetTimestamp() + (long)(span.TotalSeconds * _time.TimestampFrequency);

    public bool IsPast(long deadline) => _time.GetTimestamp() >= deadline;

    /// <summary>Before a read or a flush. <see cref="End"/> must follow.</summary>
    public void Begin(PipeReader? reader, PipeWriter? writer, long deadline, bool interruptible)
    {
        lock (_gate)
        {
            (_reader, _writer, _deadline, _interruptible, _timedOut) = (reader, writer, deadline, interruptible, false);
            if (MustStop)
                Cancel(reader, writer);
            else
                _timer.Change(Remaining(deadline), Timeout.InfiniteTimeSpan);
        }
    }

    public void End()
    {
        lock (_gate)
        {
            (_reader, _writer) = (null, null);
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>After a wait that was cancelled: says why, or nothing if the cancellation was meant for a wait before.</summary>
    public void ThrowIfOver(long deadline, bool interruptible)
    {
        if (_abort.IsCancellationRequested)
            throw new DialogueEndedException(null);
        if (interruptible && _shutdown.IsCancellationRequested)
            throw new DialogueEndedException(Replies.ShuttingDown);
        if (_timedOut || IsPast(deadline))
            throw new DialogueEndedException(Replies.TooSlow);
    }

    public void Dispose()
    {
        _onShutdown.Dispose();
        _onAbort.Dispose();
        _timer.Dispose();
    }

    private bool MustStop => _timedOut || _abort.IsCancellationRequested || (_interruptible && _shutdown.IsCancellationRequested);

    private TimeSpan Remaining(long deadline)
    {
        var left = _time.GetElapsedTime(_time.GetTimestamp(), deadline);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private void OnTimer()
    {
        PipeReader? reader;
        PipeWriter? writer;
        lock (_gate)
        {
            (reader, writer) = (_reader, _writer);
            if (reader is null && writer is null)
                return;
            var left = Remaining(_deadline);
            if (left > TimerSlack)
            {
                // A late call for a wait that has ended.
                _timer.Change(left, Timeout.InfiniteTimeSpan);
                return;
            }
            _timedOut = true;
        }
        Cancel(reader, writer);
    }

    private void Interrupt()
    {
        PipeReader? reader;
        PipeWriter? writer;
        lock (_gate)
        {
            if (!MustStop)
                return;
            (reader, writer) = (_reader, _writer);
        }
        Cancel(reader, writer);
    }

    /// <summary>Not under the gate where somebody waits: the transport may let the session go on at once, on this very thread.</summary>
    private static void Cancel(PipeReader? reader, PipeWriter? writer)
    {
        reader?.CancelPendingRead();
        writer?.CancelPendingFlush();
    }
}
