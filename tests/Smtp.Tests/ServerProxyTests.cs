using System.Net;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Smtp.Tests;

/// <summary>XCLIENT in a session.</summary>
public sealed class ServerProxyTests
{
    private static SmtpServerOptions Options => TestServer.Options() with { OfferXclient = true };

    [Fact]
    public async Task Only_who_may_say_it_is_offered_it_and_obeyed()
    {
        await using var server = new TestServer();
        await server.StartAsync();
        Assert.StartsWith("550 5.7.1", await server.AskAsync("XCLIENT ADDR=192.0.2.7"), StringComparison.Ordinal);
        Assert.Equal(IPAddress.Loopback, Assert.Single(server.Handler.Greeted).RemoteEndPoint.Address);
    }

    [Fact]
    public async Task The_session_begins_anew_as_the_clients()
    {
        await using var server = new TestServer(Options);
        await server.StartAsync();
        Assert.Equal("250 XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT", await server.AskAsync("EHLO proxy.example"));
        Assert.StartsWith("220 ", await server.AskAsync("XCLIENT ADDR=192.0.2.7 PORT=5 HELO=x.example DESTADDR=198.51.100.1 DESTPORT=25 LOGIN=boss"), StringComparison.Ordinal);
        Assert.StartsWith("503", await server.AskAsync("MAIL FROM:<a@example.com>"), StringComparison.Ordinal);
        await server.AskAsync("EHLO client.example", "MAIL FROM:<a@example.com>", "RCPT TO:<b@example.org>", "DATA");
        Assert.StartsWith("250", await server.AskAsync("."), StringComparison.Ordinal);
        var peer = Assert.Single(server.Handler.Messages).Peer;
        Assert.Equal(IPEndPoint.Parse("192.0.2.7:5"), peer.RemoteEndPoint);
        Assert.Equal(IPEndPoint.Parse("198.51.100.1:25"), peer.LocalEndPoint);
        Assert.Equal("client.example", peer.HeloName);
        Assert.Null(peer.AuthenticatedAs);
        Assert.Equal([IPAddress.Loopback, IPAddress.Parse("192.0.2.7")], server.Handler.Greeted.Select(p => p.RemoteEndPoint.Address));
    }

    [Fact]
    public async Task Login_counts_where_it_is_believed_and_a_client_behind_the_proxy_can_not_become_another()
    {
        await using var server = new TestServer(Options with { BelieveXclientLogin = true });
        await server.StartAsync();
        await server.AskAsync("XCLIENT ADDR=192.0.2.7 LOGIN=alice");
        Assert.Equal("alice", server.Handler.Greeted[^1].AuthenticatedAs);
        // What comes now may be the client's own words, passed on.
        Assert.Equal("250 DSN", await server.AskAsync("EHLO client.example"));
        Assert.StartsWith("550 5.7.1", await server.AskAsync("XCLIENT ADDR=127.0.0.1 LOGIN=boss"), StringComparison.Ordinal);
        Assert.Equal(2, server.Handler.Greeted.Count);
    }

    [Fact]
    public async Task Unknown_address_is_not_the_proxys()
    {
        await using var server = new TestServer(Options);
        await server.StartAsync();
        Assert.StartsWith("220", await server.AskAsync("XCLIENT ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]"), StringComparison.Ordinal);
        Assert.Equal(IPAddress.Any, server.Handler.Greeted[^1].RemoteEndPoint.Address);
    }

    [Fact]
    public async Task Client_that_is_refused_is_sent_away()
    {
        await using var server = new TestServer(Options);
        await server.StartAsync();
        server.Handler.OnConnect = () => new SmtpReply(421, "4.7.0", "Too many connections from your address");
        Assert.StartsWith("421 4.7.0", await server.AskAsync("XCLIENT ADDR=192.0.2.7"), StringComparison.Ordinal);
        Assert.Null(await server.ReplyAsync());
    }

    [Fact]
    public async Task In_a_transaction_it_is_out_of_order()
    {
        await using var server = new TestServer(Options);
        await server.StartAsync(transaction: true);
        Assert.StartsWith("503", await server.AskAsync("XCLIENT ADDR=192.0.2.7"), StringComparison.Ordinal);
    }
}
