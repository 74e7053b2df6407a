using GatewaySecure.Gateway.Queue;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Tests.Queue;

public sealed class LanesTests : IDisposable
{
    private static readonly LaneKey Host = new("relay", 20);
    private static readonly Attempt Good = new(WasTried: true, null);
    private static readonly Attempt Away = new(WasTried: true, new DestinationFailure("away", WasReached: false));
    private static readonly Attempt Broke = new(WasTried: true, new DestinationFailure("broke off", WasReached: true));
    private static readonly Attempt Nothing = new(WasTried: false, null);

    private readonly QueueBench _bench = new();
    private readonly Lanes _lanes;

    public LanesTests() => _lanes = new Lanes(_bench.Options, _bench.Time);

    public void Dispose()
    {
        _lanes.Dispose();
        _bench.Dispose();
    }

    [Fact]
    public async Task A_lane_begins_narrow_and_widens_with_success_up_to_its_limit()
    {
        await AddAsync(3000);
        var width = Begun().Count;
        Assert.Equal(5, width);
        var under = new Queue<LaneTask>(_taken);
        for (var i = 0; i < 1000; i++)
        {
            _lanes.End(under.Dequeue(), Good);
            Begun().ForEach(under.Enqueue);
        }
        Assert.Equal(20, under.Count);
    }

    [Fact]
    public async Task A_failure_among_others_that_go_well_makes_it_narrower_and_does_not_stop_it()
    {
        await AddAsync(100);
        Begun();
        _lanes.End(_taken[0], Broke);
        Assert.Null(_lanes.RestOf(Host));
        Assert.Empty(Begun());
        _lanes.End(_taken[1], Good);
        _lanes.End(_taken[2], Good);
        _lanes.End(_taken[3], Good);
        // Three are allowed now, and one is still under way.
        Assert.Equal(2, Begun().Count);
    }

    [Fact]
    public async Task A_destination_that_is_away_rests_longer_each_time_and_is_then_tried_by_one()
    {
        await AddAsync(100);
        Begun().ForEach(t => _lanes.End(t, Away));
        var before = TimeSpan.Zero;
        for (var i = 0; i < 12; i++)
        {
            var rest = _lanes.RestOf(Host)!.Value.Until - _bench.Time.GetUtcNow();
            Assert.True(rest > before * 1.5 || rest > TimeSpan.FromMinutes(8), $"{rest} after {before}");
            Assert.True(rest <= _bench.Options.LongestRest * 1.1);
            before = rest;
            Assert.Empty(Begun());
            _bench.Time.Advance(rest);
            _lanes.End(Assert.Single(Begun()), Away);
        }
        _bench.Time.Advance(_bench.Options.LongestRest * 1.1);
        _lanes.End(Assert.Single(Begun()), Good);
        Assert.Null(_lanes.RestOf(Host));
        Assert.NotEmpty(Begun());
    }

    [Fact]
    public async Task One_that_went_well_ends_the_rest()
    {
        await AddAsync(100);
        Begun();
        _lanes.End(_taken[0], Away);
        _lanes.End(_taken[1], Away);
        Assert.Equal("away", _lanes.RestOf(Host)!.Value.Reason);
        _lanes.End(_taken[2], Good);
        Assert.Null(_lanes.RestOf(Host));
    }

    [Fact]
    public async Task Mail_that_its_host_breaks_off_on_stops_the_host_only_after_some_in_a_row()
    {
        await AddAsync(2);
        var first = Begun();
        _lanes.End(first[0], Broke);
        _lanes.End(first[1], Broke);
        Assert.Null(_lanes.RestOf(Host));
        await AddAsync(1);
        _lanes.End(Assert.Single(Begun()), Broke);
        Assert.NotNull(_lanes.RestOf(Host));
    }

    [Fact]
    public async Task What_taught_nothing_changes_nothing()
    {
        await AddAsync(30);
        Begun().ForEach(t => _lanes.End(t, Nothing));
        Assert.Equal(5, Begun().Count);
    }

    [Fact]
    public async Task Lanes_know_nothing_of_each_other()
    {
        await AddAsync(10);
        Begun().ForEach(t => _lanes.End(t, Away));
        await AddAsync(10, new LaneKey("mx (partner.example)", 20));
        Assert.Equal(5, Begun().Count);
    }

    [Fact]
    public async Task Lanes_to_one_destination_share_its_limit_by_turns()
    {
        var (clear, underTls) = (new LaneKey("relay", 4, "relay"), new LaneKey("relay under TLS", 4, "relay"));
        await AddAsync(10, clear);
        await AddAsync(10, underTls);
        var under = new Queue<LaneTask>(Begun());
        Assert.Equal(Enumerable.Repeat(clear, 4), under.Select(t => t.Lane));
        var begun = new List<LaneKey>();
        for (var i = 0; i < 16; i++)
        {
            _lanes.End(under.Dequeue(), Good);
            var next = Assert.Single(Begun());
            under.Enqueue(next);
            begun.Add(next.Lane);
        }
        Assert.Equal(6, begun.Count(l => l == clear));
        Assert.Equal(10, begun.Count(l => l == underTls));
    }

    [Fact]
    public async Task That_one_lane_to_a_destination_rests_leaves_its_room_to_the_other()
    {
        var (clear, underTls) = (new LaneKey("relay", 4, "relay"), new LaneKey("relay under TLS", 4, "relay"));
        await AddAsync(4, underTls);
        var failing = Begun();
        await AddAsync(10, clear);
        Assert.Empty(Begun());
        failing.ForEach(t => _lanes.End(t, Away));
        Assert.NotNull(_lanes.RestOf(underTls));
        Assert.Null(_lanes.RestOf(clear));
        Assert.All(Begun(), t => Assert.Equal(clear, t.Lane));
        Assert.Equal(8, _taken.Count);
    }

    private readonly List<LaneTask> _taken = [];

    private async Task AddAsync(int count, LaneKey? lane = null)
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("a@partner.example")]);
        for (var i = 0; i < count; i++)
            _lanes.Add(new LaneTask(lane ?? Host, new QueueEntry(item)));
    }

    /// <summary>What the lanes let begin since the last look.</summary>
    private List<LaneTask> Begun()
    {
        var begun = new List<LaneTask>();
        while (_lanes.TryTake(out var task))
            begun.Add(task);
        _taken.AddRange(begun);
        return begun;
    }
}
