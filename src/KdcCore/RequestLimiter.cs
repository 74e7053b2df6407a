using System.Collections.Concurrent;

namespace GatewaySecure.KdcCore;

/// <summary>
/// A token bucket for each principal of the realm (never for an id that a stranger made up), so its memory is bounded.
/// </summary>
internal sealed class RequestLimiter(double perSecond, int burst, TimeProvider time)
{
    private readonly ConcurrentDictionary<PrincipalId, Bucket> _buckets = new();

    public Taken Take(PrincipalId principal)
    {
        var bucket = _buckets.GetOrAdd(principal, _ => new Bucket { Tokens = burst, At = time.GetTimestamp() });
        lock (bucket)
        {
            var now = time.GetTimestamp();
            bucket.Tokens = Math.Min(burst, bucket.Tokens + time.GetElapsedTime(bucket.At, now).TotalSeconds * perSecond);
            bucket.At = now;
            if (bucket.Tokens >= 1)
            {
                bucket.Tokens--;
                bucket.Limited = false;
                return Taken.Yes;
            }
            var first = !bucket.Limited;
            bucket.Limited = true;
            return first ? Taken.NoForTheFirstTime : Taken.No;
        }
    }

    /// <summary>Whether a token was there. The first refusal in a row is told apart, so that the audit is not flooded.</summary>
    internal enum Taken
    {
        Yes,
        NoForTheFirstTime,
        No,
    }

    private sealed class Bucket
    {
        public double Tokens { get; set; }

        public long At { get; set; }

        public bool Limited { get; set; }
    }
}
