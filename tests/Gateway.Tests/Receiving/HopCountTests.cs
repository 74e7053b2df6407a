using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Receiving;

namespace GatewaySecure.Gateway.Tests.Receiving;

public sealed class HopCountTests
{
    private static readonly DomainName Own = DomainName.Parse("gateway.example.org");

    [Fact]
    public void Fields_are_counted_by_name_at_line_starts_only() =>
        Assert.Equal(new HopCount(2, 0), Count("received: a\r\nSubject: Received: no\r\nRECEIVED: b\r\nReceived-SPF: no\r\n\r\nReceived: body\r\n"));

    [Theory]
    [InlineData("Received: from x ([192.0.2.1])\r\n\t(TLSv1.3:X, client certificate by)\r\n\tby gateway.example.org with ESMTP id 1;\r\n\tdate\r\n", 1)]
    [InlineData("Received: from x by Gateway.Example.ORG; date\r\n", 1)]
    [InlineData("RECEIVED: by\r\n gateway.example.org\r\n", 1)]
    [InlineData("Received: from x (by gateway.example.org) by mx.example.net; date\r\n", 0)]
    [InlineData("Received: from gateway.example.org by mx.example.net; date\r\n", 0)]
    [InlineData("Received: from x by gateway.example.org.evil.example; date\r\n", 0)]
    [InlineData("Received: by\r\n", 0)]
    [InlineData("Received: ((((\r\n", 0)]
    [InlineData("X-Received: by gateway.example.org\r\n", 0)]
    public void Our_own_are_those_that_say_by_us(string header, int passes) => Assert.Equal(passes, Count(header).Passes);

    private static HopCount Count(string header) => HopCount.Of(Encoding.Latin1.GetBytes(header), Own);
}
