using System.Net;
using GatewaySecure.Gateway.Receiving;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Gateway.Tests.Receiving;

public sealed class RateLimiterTests
{
    private static readonly IPAddress Address = IPAddress.Parse("192.0.2.1");
    private static readonly IPAddress Other = IPAddress.Parse("192.0.2.2");
    private static readonly Dictionary<Traffic, Rate> Off = [];

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_burst_is_free_and_then_it_comes_back_evenly()
    {
        var limiter = Limiter(Off, PerMinute(Traffic.Message, 6));
        Assert.Equal(6, TakeAll(limiter, Address));
        Assert.Equal("Too many messages from your address, try again later", limiter.TryTake(Traffic.Message, Address));
        Assert.Null(limiter.TryTake(Traffic.Message, Other));
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(1, TakeAll(limiter, Address));
        _time.Advance(TimeSpan.FromHours(10));
        Assert.Equal(6, TakeAll(limiter, Address));
    }

    [Fact]
    public void Kinds_do_not_touch_each_other_and_what_has_no_rate_is_free()
    {
        var limiter = Limiter(Off, PerMinute(Traffic.Message, 1));
        Assert.Equal(1, TakeAll(limiter, Address));
        Assert.Equal(1000, TakeAll(limiter, Address, Traffic.Recipient, most: 1000));
        Assert.Null(limiter.Look(Traffic.Error, Address));
    }

    [Fact]
    public void All_together_are_limited_and_a_refusal_takes_nothing()
    {
        var limiter = Limiter(PerMinute(Traffic.Message, 3), PerMinute(Traffic.Message, 2));
        Assert.Equal(2, TakeAll(limiter, Address));
        Assert.Equal(1, TakeAll(limiter, Other));
        Assert.Equal("Too many messages in all, try again later", limiter.TryTake(Traffic.Message, Other));
        _time.Advance(TimeSpan.FromSeconds(20));
        // What was refused in all was not counted for the address.
        Assert.Null(limiter.TryTake(Traffic.Message, Other));
    }

    [Fact]
    public void An_ipv6_network_of_64_bits_has_one_bucket()
    {
        var limiter = Limiter(Off, PerMinute(Traffic.Message, 1));
        Assert.Null(limiter.TryTake(Traffic.Message, IPAddress.Parse("2001:db8::1")));
        Assert.NotNull(limiter.TryTake(Traffic.Message, IPAddress.Parse("2001:db8::ffff:1")));
        Assert.Null(limiter.TryTake(Traffic.Message, IPAddress.Parse("2001:db8:0:1::1")));
        Assert.Null(limiter.TryTake(Traffic.Message, Address));
        Assert.NotNull(limiter.TryTake(Traffic.Message, Address.MapToIPv6()));
    }

    [Fact]
    public void Looking_and_giving_back_take_nothing()
    {
        var limiter = Limiter(Off, PerMinute(Traffic.WrongPassword, 1));
        Assert.Null(limiter.Look(Traffic.WrongPassword, Address));
        Assert.Equal(0, limiter.Known);
        Assert.Null(limiter.TryTake(Traffic.WrongPassword, Address));
        Assert.NotNull(limiter.Look(Traffic.WrongPassword, Address));
        Assert.Equal(1, limiter.Taken(Traffic.WrongPassword, Address));
        limiter.GiveBack(Traffic.WrongPassword, Address);
        Assert.Null(limiter.Look(Traffic.WrongPassword, Address));
    }

    [Fact]
    public void Memory_is_bounded_whoever_comes_and_who_keeps_coming_is_not_forgotten()
    {
        var limiter = new RateLimiter(Off, PerMinute(Traffic.Message, 2), _time, capacity: 100);
        for (var i = 0; i < 5000; i++)
        {
            limiter.TryTake(Traffic.Message, new IPAddress([10, 0, (byte)(i >> 8), (byte)i]));
            if (i < 2)
                Assert.Null(limiter.TryTake(Traffic.Message, Address));
            else if (i % 50 == 0)
                Assert.NotNull(limiter.TryTake(Traffic.Message, Address));
        }
        Assert.Equal(100, limiter.Known);
    }

    private static Dictionary<Traffic, Rate> PerMinute(Traffic kind, int count) => new() { [kind] = new Rate(count, TimeSpan.FromMinutes(1)) };

    private RateLimiter Limiter(Dictionary<Traffic, Rate> inAll, Dictionary<Traffic, Rate> perAddress) => new(inAll, perAddress, _time);

    private static int TakeAll(RateLimiter limiter, IPAddress address, Traffic kind = Traffic.Message, int most = 100)
    {
        var count = 0;
        while (count < most && limiter.TryTake(kind, address) is null)
            count++;
        return count;
    }
}
