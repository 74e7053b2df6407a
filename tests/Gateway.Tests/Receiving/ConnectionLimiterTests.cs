using System.Net;
using GatewaySecure.Gateway.Receiving;

namespace GatewaySecure.Gateway.Tests.Receiving;

public sealed class ConnectionLimiterTests
{
    [Fact]
    public void One_address_can_not_take_all_places_and_gives_them_back()
    {
        var limiter = new ConnectionLimiter(maximum: 10, maximumPerAddress: 2);
        var address = IPAddress.Parse("192.0.2.1");
        var first = limiter.TryEnter(address, out _);
        using var second = limiter.TryEnter(address.MapToIPv6(), out _);
        Assert.Null(limiter.TryEnter(address, out var refusal));
        Assert.Contains("from your address", refusal, StringComparison.Ordinal);
        using var other = limiter.TryEnter(IPAddress.Parse("192.0.2.2"), out _);
        Assert.NotNull(other);
        first!.Dispose();
        first.Dispose();
        using var again = limiter.TryEnter(address, out _);
        Assert.NotNull(again);
        Assert.Null(limiter.TryEnter(address, out _));
    }

    [Fact]
    public void All_together_are_limited()
    {
        var limiter = new ConnectionLimiter(maximum: 3, maximumPerAddress: 2);
        var places = Enumerable.Range(1, 3).Select(i => limiter.TryEnter(new IPAddress(i), out _)).ToList();
        Assert.All(places, Assert.NotNull);
        Assert.Null(limiter.TryEnter(new IPAddress(9), out _));
        places[0]!.Dispose();
        Assert.NotNull(limiter.TryEnter(new IPAddress(9), out _));
    }

    [Fact]
    public void An_ipv6_network_of_64_bits_counts_as_one_address()
    {
        var limiter = new ConnectionLimiter(maximum: 10, maximumPerAddress: 1);
        using var one = limiter.TryEnter(IPAddress.Parse("2001:db8::1"), out _);
        Assert.Null(limiter.TryEnter(IPAddress.Parse("2001:db8::ffff"), out _));
        Assert.NotNull(limiter.TryEnter(IPAddress.Parse("2001:db8:0:1::1"), out _));
    }
}
