namespace GatewaySecure.Gateway.Spool;

/// <summary>
/// The age of a mail, by a clock that nobody can set while the process lives. Only what was before this start counts by the wall clock,
/// since nothing else outlives a restart.
/// </summary>
internal sealed class MailAge(DateTimeOffset acceptedAt, TimeProvider time)
{
    private readonly long _startedAt = time.GetTimestamp();
    private readonly TimeSpan _atStart = Later(time.GetUtcNow() - acceptedAt, TimeSpan.Zero);

    public TimeSpan Now => _atStart + time.GetElapsedTime(_startedAt);

    /// <param name="from">The age from which to count.</param>
    /// <param name="atMostBefore">What the time before this start counts at the most.</param>
    public TimeSpan Since(TimeSpan from, TimeSpan atMostBefore)
    {
        if (from >= _atStart)
            return Later(Now - from, TimeSpan.Zero);
        var before = _atStart - from;
        return (before > atMostBefore ? atMostBefore : before) + time.GetElapsedTime(_startedAt);
    }

    private static TimeSpan Later(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
