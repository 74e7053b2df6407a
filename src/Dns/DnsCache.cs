namespace GatewaySecure.Dns;

/// <summary>
/// Answers that may still be relied on, a bounded number. Two generations: when the young one is full it becomes the old one, and the old
/// one goes; what is asked for moves to the young one.
/// </summary>
internal sealed class DnsCache(int capacity, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly int _half = Math.Max(1, capacity / 2);
    private Dictionary<(string Name, int Type), (object Answer, DateTimeOffset Until)> _young = [];
    private Dictionary<(string Name, int Type), (object Answer, DateTimeOffset Until)> _old = [];

    public int Count
    {
        get
        {
            lock (_gate)
                return _young.Count + _old.Count;
        }
    }

    /// <summary>With the time to live that is left; null where none is known.</summary>
    public DnsAnswer<T>? Get<T>(string name, int type)
    {
        var now = time.GetUtcNow();
        lock (_gate)
        {
            var isYoung = _young.TryGetValue((name, type), out var held);
            if (!isYoung && !_old.Remove((name, type), out held))
                return null;
            if (held.Until <= now)
            {
                _young.Remove((name, type));
                return null;
            }
            if (!isYoung)
                PutYoung((name, type), held);
            return (DnsAnswer<T>)held.Answer with { TimeToLive = held.Until - now };
        }
    }

    public void Put<T>(string name, int type, DnsAnswer<T> answer)
    {
        if (answer.TimeToLive <= TimeSpan.Zero)
            return;
        var until = time.GetUtcNow() + answer.TimeToLive;
        lock (_gate)
        {
            _old.Remove((name, type));
            PutYoung((name, type), (answer, until));
        }
    }

    private void PutYoung((string, int) key, (object, DateTimeOffset) entry)
    {
        if (_young.Count >= _half && !_young.ContainsKey(key))
        {
            _old = _young;
            _young = [];
        }
        _young[key] = entry;
    }
}
