using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Gateway.Tests.Delivery;

/// <summary>A list of smart hosts: who gets the mail, who is passed over, and that nobody gets it twice.</summary>
public sealed class SmartHostNextHopTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));

    [Fact]
    public async Task The_first_host_gets_the_mail_as_long_as_it_takes_it()
    {
        await using var first = new SmtpSink();
        await using var second = new SmtpSink();
        await using var hop = Hop(first.Port, second.Port);
        for (var i = 0; i < 3; i++)
            await DeliverAsync(hop);
        Assert.Equal((3, 0), (first.Count, second.Count));
    }

    [Fact]
    public async Task A_dead_host_costs_one_try_now_and_then_and_gets_its_place_back()
    {
        var tries = 0;
        var alive = false;
        await using var first = new SmtpSink(new SmtpSinkOptions { Answer = line => Seen(line, "EHLO", ref tries) && !alive ? "421 4.3.2 not now" : null });
        await using var second = new SmtpSink();
        await using var hop = Hop(first.Port, second.Port);
        for (var i = 0; i < 5; i++)
            await DeliverAsync(hop);
        Assert.Equal((1, 0, 5), (tries, first.Count, second.Count));

        _time.Advance(TimeSpan.FromSeconds(31));
        await DeliverAsync(hop);
        await DeliverAsync(hop);
        Assert.Equal((2, 7), (tries, second.Count));
        // It failed again: twice as long.
        _time.Advance(TimeSpan.FromSeconds(31));
        await DeliverAsync(hop);
        Assert.Equal((2, 8), (tries, second.Count));

        alive = true;
        _time.Advance(TimeSpan.FromSeconds(31));
        await DeliverAsync(hop);
        await DeliverAsync(hop);
        Assert.Equal((2, 8), (first.Count, second.Count));
    }

    [Fact]
    public async Task Nobody_listens_or_nobody_greets_and_the_next_host_gets_the_mail()
    {
        await using var stuck = new LoopbackServer(async (_, token) => await Task.Delay(Timeout.Infinite, token));
        await using var last = new SmtpSink();
        await using var hop = Hop(Loopback.FreePort(), stuck.Port, last.Port);
        Assert.Equal(250, (await DeliverAsync(hop)).Single().Reply.Code);
        Assert.Equal(1, last.Count);
    }

    [Fact]
    public async Task A_host_that_breaks_off_in_the_middle_has_taken_nothing()
    {
        await using var breaking = new SmtpSink(new SmtpSinkOptions { Answer = line => line == "DATA" ? "" : null });
        await using var second = new SmtpSink();
        await using var hop = Hop(breaking.Port, second.Port);
        Assert.Equal(250, (await DeliverAsync(hop)).Single().Reply.Code);
        Assert.Equal(1, second.Count);
    }

    [Fact]
    public async Task A_host_that_breaks_off_while_the_content_comes_has_taken_nothing()
    {
        var begun = 0;
        await using var breaking = new LoopbackServer(async (stream, token) =>
        {
            using var reader = new StreamReader(stream);
            await SayAsync("220 breaking.example");
            while (await reader.ReadLineAsync(token) is { } line)
            {
                await SayAsync(line == "DATA" ? "354 go on" : "250 well");
                if (line == "DATA")
                    break;
            }
            // Some of it, and then a reset.
            var buffer = new char[1000];
            await reader.ReadBlockAsync(buffer, token);
            begun++;
            ((NetworkStream)stream).Socket.Close(0);

            async Task SayAsync(string reply) => await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(reply + "\r\n"), token);
        });
        await using var second = new SmtpSink();
        await using var hop = Hop(breaking.Port, second.Port);
        var message = SendableMails.Make("Subject: x\r\n\r\n" + string.Concat(Enumerable.Repeat(new string('x', 70) + "\r\n", 1_000_000)));
        Assert.Equal(250, (await hop.DeliverAsync(Envelope(), message, TestContext.Current.CancellationToken)).Single().Reply.Code);
        Assert.Equal((1, 1), (begun, second.Count));
    }

    [Fact]
    public async Task After_the_final_dot_no_other_host_gets_the_mail()
    {
        await using var first = new SmtpSink(new SmtpSinkOptions { Answer = line => line == "." ? "" : null });
        await using var second = new SmtpSink();
        await using var hop = Hop(first.Port, second.Port);
        Assert.True((await Assert.ThrowsAsync<DeliveryException>(() => DeliverAsync(hop))).MayHaveBeenTaken);
        Assert.Equal(0, second.Count);
    }

    [Fact]
    public async Task Recipients_that_are_put_off_go_to_the_next_host_and_only_they()
    {
        await using var first = new SmtpSink(new SmtpSinkOptions
        {
            Keep = true,
            Answer = line => line.Contains("<full@", StringComparison.Ordinal) ? "452 4.2.2 full"
                : line.Contains("<nobody@", StringComparison.Ordinal) ? "550 5.1.1 unknown" : null,
        });
        await using var second = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var hop = Hop(first.Port, second.Port);
        var results = await DeliverAsync(hop, "bob@example.org", "full@example.org", "nobody@example.org");
        Assert.Equal([250, 250, 550], results.Select(r => r.Reply.Code));
        Assert.Equal(["bob@example.org"], Assert.Single(first.Messages).Recipients);
        Assert.Equal(["full@example.org"], Assert.Single(second.Messages).Recipients);
    }

    [Fact]
    public async Task What_one_host_took_is_not_forgotten_when_the_next_one_fails()
    {
        await using var first = new SmtpSink(new SmtpSinkOptions { Answer = line => line.Contains("<full@", StringComparison.Ordinal) ? "452 4.2.2 full" : null });
        foreach (var (breaksAt, code) in new[] { ("MAIL", 452), (".", 451) })
        {
            await using var second = new SmtpSink(new SmtpSinkOptions { Answer = line => line.StartsWith(breaksAt, StringComparison.Ordinal) ? "" : null });
            await using var hop = Hop(first.Port, second.Port);
            var results = await DeliverAsync(hop, "bob@example.org", "full@example.org");
            Assert.Equal([250, code], results.Select(r => r.Reply.Code));
            Assert.Equal(code == 451, results[1].Reply.ToString().Contains("may arrive twice", StringComparison.Ordinal));
        }
        Assert.Equal(2, first.Count);
    }

    [Fact]
    public async Task Where_every_host_rests_they_are_tried_all_the_same()
    {
        var (one, two) = (Loopback.FreePort(), Loopback.FreePort());
        await using var hop = Hop(one, two);
        Assert.False((await Assert.ThrowsAsync<DeliveryException>(() => DeliverAsync(hop))).WasReached);
        await using var second = new SmtpSink(port: two);
        Assert.Equal(250, (await DeliverAsync(hop)).Single().Reply.Code);
    }

    [Fact]
    public async Task A_host_may_be_an_IPv6_address()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "This machine has no IPv6.");
        await using var sink = new SmtpSink(address: IPAddress.IPv6Loopback);
        await using var hop = new SmartHostNextHop("relay", [Host("::1", sink.Port)], 20, _time);
        Assert.Equal(250, (await DeliverAsync(hop)).Single().Reply.Code);
    }

    [Fact]
    public async Task Every_address_of_a_name_is_tried()
    {
        // localhost is ::1 and 127.0.0.1, in an order that is the system's; one of them has no listener.
        await using var sink = new SmtpSink();
        await using var hop = new SmartHostNextHop("relay", [Host("localhost", sink.Port)], 20, _time);
        Assert.Equal(250, (await DeliverAsync(hop)).Single().Reply.Code);
    }

    private static bool Seen(string line, string verb, ref int count)
    {
        if (!line.StartsWith(verb, StringComparison.Ordinal))
            return false;
        count++;
        return true;
    }

    private SmartHostNextHop Hop(params int[] ports) => new("relay", [.. ports.Select(p => Host("127.0.0.1", p))], 20, _time);

    private static SmartHost Host(string host, int port) => new("relay", host, port, new SmtpClientOptions
    {
        LocalName = DomainName.Parse("gateway.example"),
        TargetHost = host,
        Tls = TlsPolicy.Never,
        GreetingTimeout = TimeSpan.FromMilliseconds(300),
    });

    private static Envelope Envelope(params string[] recipients) => new()
    {
        Sender = MailAddress.Parse("alice@example.org"),
        Recipients = [.. (recipients.Length > 0 ? recipients : ["bob@example.org"]).Select(r => new EnvelopeRecipient(MailAddress.Parse(r)))],
    };

    private static async Task<ImmutableArray<RecipientResult>> DeliverAsync(SmartHostNextHop hop, params string[] recipients) =>
        await hop.DeliverAsync(Envelope(recipients), SendableMails.Make(), TestContext.Current.CancellationToken);
}
