using System.Text;
using GatewaySecure.Gateway.Receiving;

namespace GatewaySecure.Gateway.Tests.Receiving;

public sealed class HeaderFirewallTests
{
    [Theory]
    [InlineData("A: 1\r\nX-Bad: 2\r\n folded\r\nB: 3\r\n\r\n", "A: 1\r\nB: 3\r\n\r\n")]
    [InlineData("x-bad : 1\r\nX-BAD:2\r\n\r\n", "\r\n")]
    [InlineData("A: 1\r\nX-Bad: without an empty line", "A: 1\r\n")]
    [InlineData("no field\r\nX-Bad: 2\r\nA:  1 \r\n\r\n", "no field\r\nA:  1 \r\n\r\n")]
    [InlineData("A: X-Bad: 1\r\n\tX-Bad: 2\r\n\r\n", "A: X-Bad: 1\r\n\tX-Bad: 2\r\n\r\n")]
    [InlineData("\r\n", "\r\n")]
    [InlineData("", "")]
    public void Forbidden_fields_go_with_their_folding_and_the_rest_stays_as_it_is(string header, string clean) =>
        Assert.Equal(clean, Encoding.ASCII.GetString(HeaderFirewall.Clean(Encoding.ASCII.GetBytes(header), f => f.Is("X-Bad")).Span));
}
