using System.Collections.Immutable;

namespace GatewaySecure.Gateway.Queue;

/// <summary>How patiently and how wide the queue works.</summary>
internal sealed record QueueOptions
{
    private static readonly TimeSpan LongestFirstRest = TimeSpan.FromSeconds(15);

    /// <summary>Waiting time before the second, third… attempt; the last one repeats.</summary>
    public ImmutableArray<TimeSpan> Retry { get; init; } =
        [TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(15), TimeSpan.FromHours(1), TimeSpan.FromHours(4)];

    /// <summary>After this long a recipient that still can't be reached is given up (RFC 5321 §4.5.4.1: 4 to 5 days).</summary>
    public TimeSpan ExpireAfter { get; init; } = TimeSpan.FromDays(5);

    /// <summary>After this long the sender is told once that it takes longer.</summary>
    public TimeSpan DelayReportAfter { get; init; } = TimeSpan.FromHours(4);

    /// <summary>A held recipient's protection is tried again this often: a certificate may have come.</summary>
    public TimeSpan RetryHeldAfter { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Deliveries under way at once, to all destinations: many times what one that hangs can take up.</summary>
    public int Concurrency { get; init; } = 64;

    /// <summary>A destination that can't be had is left alone for longer each time, up to this long.</summary>
    public TimeSpan LongestRest { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Octets of mail worked on at once. Mail is streamed: one counts with a 32nd part of it at the most.</summary>
    public long BytesInFlight { get; init; } = 64L << 20;

    /// <summary>At shutdown: how long deliveries under way may take to end.</summary>
    public TimeSpan DrainTime { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Nothing is put off for longer, its spread included.</summary>
    public TimeSpan LongestDelay => (Retry.Max() > RetryHeldAfter ? Retry.Max() : RetryHeldAfter) * 1.2;

    /// <summary>
    /// What the time before this start counts for expiry at the most. The clock may have been wrong then or be so now, or the gateway was
    /// down for long: every mail is tried for a while before it is given up.
    /// </summary>
    public TimeSpan MostBeforeStart => ExpireAfter - (ExpireAfter / 10 < Grace ? ExpireAfter / 10 : Grace);

    private static TimeSpan Grace => TimeSpan.FromHours(4);

    /// <summary>The wait after that many attempts.</summary>
    public TimeSpan DelayAfter(int attempts) => Spread(Retry[Math.Min(Math.Max(attempts, 1), Retry.Length) - 1]);

    /// <summary>How long a destination rests after so many failures in a row: the first wait at most, then twice as long each time.</summary>
    public TimeSpan RestAfter(int failures)
    {
        var first = Retry[0] < LongestFirstRest ? Retry[0] : LongestFirstRest;
        var rest = first * Math.Pow(2, Math.Min(failures, 20) - 1);
        return Spread(rest < LongestRest ? rest : LongestRest);
    }

    /// <summary>By a tenth, so that a host that comes back is not met by all at once.</summary>
    private static TimeSpan Spread(TimeSpan wait) => wait * (0.9 + 0.2 * Random.Shared.NextDouble());
}
