namespace GatewaySecure.Gateway.Receiving;

/// <summary>So many in a time. A bucket of that many, which fills again evenly within that time.</summary>
internal sealed record Rate(int Count, TimeSpan Per);

/// <summary>One bucket of tokens; full as long as nothing was taken. Not thread-safe.</summary>
internal struct TokenBucket
{
    private double _taken;
    private long _since;

    /// <summary>Takes one; false: none is left.</summary>
    /// <param name="now">A timestamp of <paramref name="time"/>.</param>
    public bool TryTake(Rate rate, long now, TimeProvider time)
    {
        if (!HasAny(rate, now, time))
            return false;
        _taken++;
        return true;
    }

    public bool HasAny(Rate rate, long now, TimeProvider time)
    {
        _taken = Math.Max(0, _taken - (time.GetElapsedTime(_since, now) / rate.Per * rate.Count));
        _since = now;
        return _taken + 1 <= rate.Count;
    }

    public void GiveBack() => _taken = Math.Max(0, _taken - 1);

    /// <summary>How many were taken and have not come back yet, as of the last look.</summary>
    public readonly int Taken => (int)Math.Ceiling(_taken);
}
