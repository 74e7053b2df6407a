using System.Net;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Smtp.Tests;

public sealed class XclientCommandTests
{
    [Fact]
    public void Every_attribute_is_read()
    {
        var (command, error) = XclientCommand.Parse(
            "NAME=client.example ADDR=192.0.2.7 PORT=50000 PROTO=ESMTP HELO=[192.0.2.7] LOGIN=a+2Bb+20c DESTADDR=IPV6:2001:db8::1 destport=25");
        Assert.Null(error);
        Assert.Equal(IPAddress.Parse("192.0.2.7"), command!.Address!.Value);
        Assert.Equal(50000, command.Port!.Value);
        Assert.Equal("[192.0.2.7]", command.Helo!.Value);
        Assert.Equal("a+b c", command.Login!.Value);
        Assert.Equal(IPAddress.Parse("2001:db8::1"), command.DestinationAddress!.Value);
        Assert.Equal(25, command.DestinationPort!.Value);
    }

    [Theory]
    [InlineData("[UNAVAILABLE]")]
    [InlineData("[TEMPUNAVAIL]")]
    [InlineData("+5BUNAVAILABLE+5D")]
    [InlineData("[unavailable]")]
    public void What_is_unknown_is_told_apart_from_what_was_not_said(string unknown)
    {
        var (command, _) = XclientCommand.Parse($"NAME={unknown} ADDR={unknown} PORT={unknown} PROTO={unknown} HELO={unknown} LOGIN={unknown}");
        Assert.NotNull(command!.Address);
        Assert.Null(command.Address.Value);
        Assert.Null(command.Port!.Value);
        Assert.Null(command.Login!.Value);
        Assert.Null(command.DestinationAddress);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ADDR")]
    [InlineData("=192.0.2.7")]
    [InlineData("ADDR=")]
    [InlineData("ADDR=192.0.2.7  PORT=1")]
    [InlineData("ADDR=192.0.2.7 ADDR=192.0.2.8")]
    [InlineData("ADDR=2001:db8::1")]
    [InlineData("ADDR=IPV6:192.0.2.7")]
    [InlineData("ADDR=IPV6:fe80::1+25eth0")]
    [InlineData("ADDR=3221225991")]
    [InlineData("PORT=65536")]
    [InlineData("PORT=-1")]
    [InlineData("PROTO=LMTP")]
    [InlineData("HELO=a+20b")]
    [InlineData("HELO=a+0D+0A")]
    [InlineData("LOGIN=")]
    [InlineData("LOGIN=+zz")]
    [InlineData("REVERSE_NAME=x")]
    public void Anything_else_is_refused(string arguments)
    {
        var (command, error) = XclientCommand.Parse(arguments);
        Assert.Null(command);
        Assert.Equal(501, error!.Code);
    }
}
