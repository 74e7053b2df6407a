using System.Threading.Channels;

namespace GatewaySecure.Gateway.Queue;

/// <summary>
/// Every destination's lane. What may begin is handed to whoever works next, each destination at most as many as its lane is wide; what can't
/// begin waits here and takes no worker. Stays quick with 100,000 waiting for one destination. Thread-safe.
/// </summary>
internal sealed class Lanes(QueueOptions options, TimeProvider time) : IDisposable
{
    /// <summary>So many are kept for their width before those without work are forgotten.</summary>
    private const int Keep = 1000;

    private readonly Channel<LaneTask> _ready = Channel.CreateUnbounded<LaneTask>();
    private readonly Dictionary<LaneKey, Lane> _lanes = [];
    private readonly Dictionary<string, LaneGroup> _groups = [];
    private readonly Dictionary<LaneKey, ITimer> _resting = [];
    private readonly Lock _lock = new();
    private bool _isOver;

    public void Add(LaneTask task)
    {
        lock (_lock)
        {
            var lane = LaneOf(task.Lane);
            // One that waits too long already gets no place behind others.
            if (lane.RestsUntil is not null && task.Entry.IsOverdue(options))
            {
                _ready.Writer.TryWrite(task with { IsOverdue = true });
                return;
            }
            lane.Add(task);
            Begin(lane);
        }
    }

    public ValueTask<LaneTask> TakeAsync(CancellationToken cancellationToken) => _ready.Reader.ReadAsync(cancellationToken);

    /// <summary>Without waiting; false where nothing may begin.</summary>
    public bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out LaneTask? task) => _ready.Reader.TryRead(out task);

    /// <summary>A task that was taken is over.</summary>
    public void End(LaneTask task, Attempt attempt)
    {
        if (task.IsOverdue)
            return;
        lock (_lock)
        {
            var lane = LaneOf(task.Lane);
            lane.End();
            if (attempt.Failure is { } failure && lane.Failed(failure, options) is { } rest)
                Rest(lane, rest);
            else if (attempt is { WasTried: true, Failure: null })
            {
                lane.Succeeded();
                // It answered one that was under way when another failed: no need to wait.
                Rouse(lane);
            }
            // By turns, so that none takes all of the destination's room.
            foreach (var other in lane.Group.Lanes.Where(l => l != lane))
                Begin(other);
            Begin(lane);
        }
    }

    /// <summary>Until when a destination is left alone, and why; null where it is not.</summary>
    public (DateTimeOffset Until, string Reason)? RestOf(LaneKey key)
    {
        lock (_lock)
            return _lanes.GetValueOrDefault(key) is { RestsUntil: { } until, Failure: { } reason } ? (until, reason) : null;
    }

    /// <summary>Why it failed last; null where it did not since it last answered.</summary>
    public string? FailureOf(LaneKey key)
    {
        lock (_lock)
            return _lanes.GetValueOrDefault(key)?.Failure;
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isOver = true;
            foreach (var timer in _resting.Values)
                timer.Dispose();
            _resting.Clear();
        }
    }

    private Lane LaneOf(LaneKey key)
    {
        if (_lanes.TryGetValue(key, out var lane))
            return lane;
        if (_lanes.Count >= Keep)
        {
            foreach (var idle in _lanes.Values.Where(l => l.IsIdle).ToList())
                Forget(idle);
        }
        var name = key.Destination ?? key.Name;
        if (!_groups.TryGetValue(name, out var group))
            _groups[name] = group = new LaneGroup();
        _lanes[key] = lane = new Lane(key, group);
        group.Lanes.Add(lane);
        return lane;
    }

    private void Forget(Lane lane)
    {
        _lanes.Remove(lane.Key);
        lane.Group.Lanes.Remove(lane);
        if (lane.Group.Lanes.Count == 0)
            _groups.Remove(lane.Key.Destination ?? lane.Key.Name);
    }

    private void Begin(Lane lane)
    {
        while (lane.TryBegin() is { } task)
            _ready.Writer.TryWrite(task);
    }

    private void Rest(Lane lane, TimeSpan rest)
    {
        if (_isOver)
            return;
        lane.RestUntil(time.GetUtcNow() + rest);
        ITimer? timer = null;
        timer = time.CreateTimer(_ => Wake(lane, timer), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _resting[lane.Key] = timer;
        timer.Change(rest, Timeout.InfiniteTimeSpan);
    }

    private void Wake(Lane lane, ITimer? timer)
    {
        lock (_lock)
        {
            // A late call for a rest that has ended.
            if (!_resting.TryGetValue(lane.Key, out var current) || current != timer)
                return;
            foreach (var task in lane.TakeOverdue(options))
                _ready.Writer.TryWrite(task with { IsOverdue = true });
            Rouse(lane);
            Begin(lane);
        }
    }

    private void Rouse(Lane lane)
    {
        lane.RestUntil(null);
        if (_resting.Remove(lane.Key, out var timer))
            timer.Dispose();
    }
}
