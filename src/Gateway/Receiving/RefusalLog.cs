using System.Net;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>
/// Tells the log of refusals without letting those who are refused fill the disk: the same reason for the same address once a
/// minute, a hundred lines a minute in all, and with the next line how many were left out. Thread-safe.
/// </summary>
internal sealed class RefusalLog(ILogger log, TimeProvider time)
{
    private const int MaximumKnown = 1000;

    private static readonly TimeSpan Quiet = TimeSpan.FromMinutes(1);
    private static readonly Rate Lines = new(100, TimeSpan.FromMinutes(1));

    private readonly Lock _gate = new();
    private readonly Dictionary<(IPAddress Address, string Reason), long> _last = [];
    private TokenBucket _bucket;
    private long _leftOut;

    /// <param name="reason">One of a few texts, without anything that the peer said.</param>
    public void Add(IPAddress address, string reason)
    {
        long leftOut;
        lock (_gate)
        {
            var now = time.GetTimestamp();
            var key = (AddressKey.Of(address), reason);
            var again = _last.TryGetValue(key, out var before) && time.GetElapsedTime(before, now) < Quiet;
            if (again || !_bucket.TryTake(Lines, now, time))
            {
                _leftOut++;
                return;
            }
            if (_last.Count >= MaximumKnown)
                _last.Clear();
            _last[key] = now;
            (leftOut, _leftOut) = (_leftOut, 0);
        }
        if (leftOut == 0)
            log.Refused(address.ToString(), reason);
        else
            log.RefusedAndMore(address.ToString(), reason, leftOut);
    }
}
