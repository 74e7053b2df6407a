namespace GatewaySecure.Gateway.Queue;

/// <summary>
/// The way to one destination: what waits for it, how many may be under way at once, and until when it is left alone. How many adapts: one
/// more for each round that went well, half as many after a failure. A destination that can't be had rests, longer each time, and then one
/// mail tries it. Only <see cref="Lanes"/> touches it, under its lock.
/// </summary>
internal sealed class Lane(LaneKey key, LaneGroup group)
{
    private const int Start = 5;

    /// <summary>Sessions that broke off one after the other before the destination rests: one may have been the mail's fault.</summary>
    private const int BrokenInARow = 3;

    private readonly Queue<LaneTask> _waiting = new();
    private double _width = Math.Min(Start, key.Limit);
    private int _running;
    private int _broken;
    private int _rests;

    public LaneKey Key => key;

    public LaneGroup Group => group;

    public int Waiting => _waiting.Count;

    public int Running => _running;

    /// <summary>May be under way at once.</summary>
    public int Width => _rests > 0 ? 1 : (int)_width;

    public DateTimeOffset? RestsUntil { get; private set; }

    /// <summary>Why it rests, or rested last.</summary>
    public string? Failure { get; private set; }

    public bool IsIdle => _running == 0 && _waiting.Count == 0 && _rests == 0;

    public void Add(LaneTask task) => _waiting.Enqueue(task);

    /// <summary>The next one that may begin now; it counts as under way.</summary>
    public LaneTask? TryBegin()
    {
        if (RestsUntil is not null || _running >= Width || group.Running >= key.Limit || !_waiting.TryDequeue(out var task))
            return null;
        _running++;
        return task;
    }

    /// <summary>What has waited for so long that its sender must be told now, or never again be tried.</summary>
    public List<LaneTask> TakeOverdue(QueueOptions options)
    {
        var overdue = new List<LaneTask>();
        for (var count = _waiting.Count; count > 0; count--)
        {
            var task = _waiting.Dequeue();
            if (task.Entry.IsOverdue(options))
                overdue.Add(task);
            else
                _waiting.Enqueue(task);
        }
        return overdue;
    }

    public void End() => _running--;

    public void Succeeded()
    {
        (_broken, _rests, Failure) = (0, 0, null);
        _width = Math.Min(key.Limit, _width + (1 / _width));
    }

    /// <returns>How long it rests from now; null where it goes on, narrower.</returns>
    public TimeSpan? Failed(DestinationFailure failure, QueueOptions options)
    {
        Failure = failure.Reason;
        _width = Math.Max(1, _width / 2);
        _broken++;
        // While others are under way their luck tells more than this one's.
        if (RestsUntil is not null || (failure.WasReached ? _broken < BrokenInARow : _broken == 1 && _running > 0))
            return null;
        return options.RestAfter(++_rests);
    }

    public void RestUntil(DateTimeOffset? moment) => RestsUntil = moment;
}

/// <summary>A way to a destination.</summary>
/// <param name="Name">The next hop's.</param>
/// <param name="Limit">Deliveries to the destination that may be under way at once, at the most.</param>
/// <param name="Destination">The same for all ways to it; null: this is the only one.</param>
internal readonly record struct LaneKey(string Name, int Limit, string? Destination = null)
{
    public override string ToString() => Name;
}

/// <summary>The lanes to one destination under several demands, such as with and without TLS: what is under way on them counts together.</summary>
internal sealed class LaneGroup
{
    public List<Lane> Lanes { get; } = [];

    public int Running => Lanes.Sum(l => l.Running);
}

/// <summary>One mail's recipients that go one way.</summary>
/// <param name="IsOverdue">Not to be tried: the destination rests, and what is due to the sender is to be done now.</param>
internal sealed record LaneTask(LaneKey Lane, QueueEntry Entry, bool IsOverdue = false);

/// <summary>A destination that could not be had, or broke off.</summary>
/// <param name="WasReached">It broke off while it took a mail.</param>
internal sealed record DestinationFailure(string Reason, bool WasReached);
