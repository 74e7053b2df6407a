namespace GatewaySecure.Gateway.Delivery;

/// <summary>
/// Whether a host may be tried: one that failed is passed over for a while, longer each time, and then one mail tries it before
/// others follow. Thread-safe.
/// </summary>
internal sealed class HostRest(TimeProvider time)
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();
    private long _since;
    private TimeSpan _length;
    private bool _isTried;

    /// <summary>Leave to try it. A host that rested is one mail's to try, until <see cref="Succeeded"/> or <see cref="Failed"/> says how it went.</summary>
    public bool TryBegin()
    {
        lock (_lock)
        {
            if (_length == TimeSpan.Zero)
                return true;
            if (_isTried || time.GetElapsedTime(_since) < _length)
                return false;
            return _isTried = true;
        }
    }

    public void Succeeded()
    {
        lock (_lock)
            (_length, _isTried) = (TimeSpan.Zero, false);
    }

    public void Failed()
    {
        lock (_lock)
        {
            // Of several that failed in the same rest, one counts.
            if (_length == TimeSpan.Zero)
                _length = First;
            else if (_isTried)
                _length = _length * 2 < Longest ? _length * 2 : Longest;
            (_since, _isTried) = (time.GetTimestamp(), false);
        }
    }

    /// <summary>It was not tried after all, or how it went says nothing of it.</summary>
    public void Unknown()
    {
        lock (_lock)
            _isTried = false;
    }
}
