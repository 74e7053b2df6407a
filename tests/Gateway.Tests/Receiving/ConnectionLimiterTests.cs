using System.Net;
using GatewaySecure.Gateway.Receiving;

namespace GatewaySecure.Gateway.Tests.Receiving;

public sealed class ConnectionLimiterTests
{
    private static readonly IPAddress Address = IPAddress.Parse("192.0.2.1");

    [Fact]
    public void One_address_can_not_take_all_places_and_gives_them_back()
    {
        var limiter = new ConnectionLimiter(maximum: 10, maximumPerAddress: 2);
        var first = limiter.TryEnter()!;
        using var second = limiter.TryEnter()!;
        using var third = limiter.TryEnter()!;
        Assert.True(first.TryMoveTo(Address));
        Assert.True(second.TryMoveTo(Address.MapToIPv6()));
        Assert.False(third.TryMoveTo(Address));
        Assert.True(third.TryMoveTo(IPAddress.Parse("192.0.2.2")));
        first.Dispose();
        first.Dispose();
        Assert.True(third.TryMoveTo(Address));
        using var fourth = limiter.TryEnter()!;
        Assert.False(fourth.TryMoveTo(Address));
    }

    [Fact]
    public void A_connection_counts_for_its_newest_address_only()
    {
        var limiter = new ConnectionLimiter(maximum: 10, maximumPerAddress: 1);
        using var proxied = limiter.TryEnter()!;
        using var other = limiter.TryEnter()!;
        Assert.True(proxied.TryMoveTo(Address));
        Assert.True(proxied.TryMoveTo(Address));
        proxied.MoveToNobody();
        Assert.True(other.TryMoveTo(Address));
        Assert.False(proxied.TryMoveTo(Address));
    }

    [Fact]
    public void All_together_are_limited()
    {
        var limiter = new ConnectionLimiter(maximum: 3, maximumPerAddress: 2);
        var places = Enumerable.Range(1, 3).Select(_ => limiter.TryEnter()).ToList();
        Assert.All(places, Assert.NotNull);
        Assert.Null(limiter.TryEnter());
        places[0]!.Dispose();
        Assert.NotNull(limiter.TryEnter());
    }

    [Fact]
    public void An_ipv6_network_of_64_bits_counts_as_one_address()
    {
        var limiter = new ConnectionLimiter(maximum: 10, maximumPerAddress: 1);
        using var one = limiter.TryEnter()!;
        using var two = limiter.TryEnter()!;
        Assert.True(one.TryMoveTo(IPAddress.Parse("2001:db8::1")));
        Assert.False(two.TryMoveTo(IPAddress.Parse("2001:db8::ffff")));
        Assert.True(two.TryMoveTo(IPAddress.Parse("2001:db8:0:1::1")));
    }
}
