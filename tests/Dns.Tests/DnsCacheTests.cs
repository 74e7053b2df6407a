using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Dns.Tests;

public sealed class DnsCacheTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Cache_never_holds_more_than_its_capacity_and_forgets_what_nobody_asks_for()
    {
        var cache = new DnsCache(100, _time);
        cache.Put("asked", 1, Answer("a"));
        for (var i = 0; i < 1000; i++)
        {
            cache.Put($"name{i}", 1, Answer("x"));
            Assert.NotNull(cache.Get<string>("asked", 1));
        }
        Assert.InRange(cache.Count, 50, 100);
        Assert.Null(cache.Get<string>("name0", 1));
        Assert.NotNull(cache.Get<string>("name999", 1));
    }

    [Fact]
    public void Answer_without_time_to_live_is_not_kept()
    {
        var cache = new DnsCache(100, _time);
        cache.Put("a", 1, Answer("a") with { TimeToLive = TimeSpan.Zero });
        Assert.Null(cache.Get<string>("a", 1));
    }

    [Fact]
    public void Types_of_one_name_are_apart()
    {
        var cache = new DnsCache(100, _time);
        cache.Put("a", 1, Answer("a"));
        Assert.Null(cache.Get<string>("a", 2));
    }

    private static DnsAnswer<string> Answer(string text) => new DnsFound<string>([text], "a") { TimeToLive = TimeSpan.FromMinutes(1) };
}
