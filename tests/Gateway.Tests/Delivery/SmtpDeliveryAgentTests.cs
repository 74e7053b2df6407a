using System.Collections.Immutable;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Gateway.Tests.Delivery;

/// <summary>The delivery agent against a real listener on loopback, which does what each test tells it to.</summary>
public sealed class SmtpDeliveryAgentTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_connection_serves_message_after_message()
    {
        var greetings = 0;
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true, Answer = Count("EHLO", () => greetings++) });
        await using var agent = Agent(sink.Port);
        for (var i = 0; i < 5; i++)
            Assert.True((await DeliverAsync(agent)).Single().Reply.IsPositive);
        Assert.Equal(5, sink.Count);
        Assert.Equal(1, greetings);
    }

    [Fact]
    public async Task A_connection_that_idled_too_long_is_not_used_again()
    {
        var greetings = 0;
        await using var sink = new SmtpSink(new SmtpSinkOptions { Answer = Count("EHLO", () => greetings++) });
        await using var agent = Agent(sink.Port);
        await DeliverAsync(agent);
        _time.Advance(TimeSpan.FromSeconds(21));
        await DeliverAsync(agent);
        Assert.Equal(2, greetings);
    }

    [Fact]
    public async Task A_connection_that_died_while_idle_is_replaced_and_nothing_is_doubled()
    {
        var mails = 0;
        // The second MAIL finds the line cut, as after a server that closed an idle session.
        await using var sink = new SmtpSink(new SmtpSinkOptions
        {
            Keep = true,
            Answer = line => line.StartsWith("MAIL", StringComparison.Ordinal) && ++mails == 2 ? "" : null,
        });
        await using var agent = Agent(sink.Port);
        await DeliverAsync(agent);
        Assert.True((await DeliverAsync(agent)).Single().Reply.IsPositive);
        Assert.Equal(2, sink.Count);
    }

    [Fact]
    public async Task A_break_after_the_content_is_unknown_and_not_tried_again_at_once()
    {
        var tries = 0;
        await using var sink = new SmtpSink(new SmtpSinkOptions
        {
            Answer = line =>
            {
                if (line != ".")
                    return null;
                tries++;
                return "";
            },
        });
        await using var agent = Agent(sink.Port);
        var broken = await Assert.ThrowsAsync<DeliveryException>(() => DeliverAsync(agent));
        Assert.True(broken.MayHaveBeenTaken);
        Assert.Equal(1, tries);
        // That one session broke says nothing about the host: it is asked again.
        Assert.True((await Assert.ThrowsAsync<DeliveryException>(() => DeliverAsync(agent))).MayHaveBeenTaken);
        Assert.Equal(2, tries);
    }

    [Fact]
    public async Task Each_recipient_has_his_own_answer()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions
        {
            Keep = true,
            Answer = line => line.Contains("<full@", StringComparison.Ordinal) ? "452 4.2.2 full"
                : line.Contains("<nobody@", StringComparison.Ordinal) ? "550 5.1.1 unknown" : null,
        });
        await using var agent = Agent(sink.Port);
        var results = await DeliverAsync(agent, "bob@example.org", "full@example.org", "nobody@example.org");
        Assert.Equal([250, 452, 550], results.Select(r => r.Reply.Code));
        Assert.Equal(["bob@example.org"], Assert.Single(sink.Messages).Recipients);
    }

    [Fact]
    public async Task A_server_that_says_421_in_the_middle_is_temporary_and_its_session_is_over()
    {
        var greetings = 0;
        var busy = true;
        await using var sink = new SmtpSink(new SmtpSinkOptions
        {
            Answer = line =>
            {
                if (line.StartsWith("EHLO", StringComparison.Ordinal))
                    greetings++;
                return busy && line.StartsWith("RCPT", StringComparison.Ordinal) ? "421 4.3.2 going down" : null;
            },
        });
        await using var agent = Agent(sink.Port);
        Assert.Equal(421, (await DeliverAsync(agent)).Single().Reply.Code);
        busy = false;
        Assert.Equal(250, (await DeliverAsync(agent)).Single().Reply.Code);
        Assert.Equal(2, greetings);
    }

    [Fact]
    public async Task A_host_that_is_away_was_not_reached_and_is_tried_afresh()
    {
        var port = Loopback.FreePort();
        await using var agent = Agent(port);
        Assert.False((await Assert.ThrowsAsync<DeliveryException>(() => DeliverAsync(agent))).MayHaveBeenTaken);
        await using var sink = new SmtpSink(port: port);
        Assert.True((await DeliverAsync(agent)).Single().Reply.IsPositive);
    }

    [Fact]
    public async Task What_wants_tls_is_never_said_in_clear()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var agent = Agent(sink.Port, TlsPolicy.Required);
        await Assert.ThrowsAsync<DeliveryException>(() => DeliverAsync(agent));
        Assert.Equal(0, sink.Count);
    }

    [Theory]
    [InlineData(TlsPolicy.Opportunistic, true)]
    [InlineData(TlsPolicy.Required, false)]
    public async Task Broken_tls_falls_back_to_clear_only_where_policy_lets_it(TlsPolicy policy, bool delivered)
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions
        {
            Keywords = ["PIPELINING", "STARTTLS"],
            Answer = line => line == "STARTTLS" ? "454 4.7.0 TLS is broken here" : null,
        });
        await using var agent = Agent(sink.Port, policy);
        if (delivered)
            Assert.True((await DeliverAsync(agent)).Single().Reply.IsPositive);
        else
            await Assert.ThrowsAsync<DeliveryException>(() => DeliverAsync(agent));
        Assert.Equal(delivered ? 1 : 0, sink.Count);
    }

    [Fact]
    public void The_first_route_that_matches_wins_and_the_rest_goes_the_default_way()
    {
        var (one, two, rest) = (new EmlDirectoryNextHop("one", "x", _time), new EmlDirectoryNextHop("two", "x", _time), new EmlDirectoryNextHop("rest", "x", _time));
        var resolver = new NextHopResolver([new Route(Patterns("example.org"), one), new Route(Patterns("*.example.org", "example.org"), two)], rest);
        Assert.Same(one, resolver.Resolve(MailAddress.Parse("a@example.org")));
        Assert.Same(two, resolver.Resolve(MailAddress.Parse("a@sub.example.org")));
        Assert.Same(rest, resolver.Resolve(MailAddress.Parse("a@partner.example")));
    }

    private static ImmutableArray<Policies.AddressPattern> Patterns(params string[] texts) =>
        [.. texts.Select(t => Policies.AddressPattern.TryParse(t, out var p) ? p : throw new FormatException(t))];

    private static Func<string, string?> Count(string verb, Action seen) => line =>
    {
        if (line.StartsWith(verb, StringComparison.Ordinal))
            seen();
        return null;
    };

    private SmartHostNextHop Agent(int port, TlsPolicy tls = TlsPolicy.Never) => new(
        "relay",
        [
            new SmartHost("relay", "127.0.0.1", port, new SmtpClientOptions
            {
                LocalName = DomainName.Parse("gateway.example"),
                TargetHost = "127.0.0.1",
                Tls = tls,
            }),
        ],
        20,
        _time);

    private async Task<ImmutableArray<RecipientResult>> DeliverAsync(SmartHostNextHop hop, params string[] recipients)
    {
        var message = SendableMails.Make();
        var envelope = new Envelope
        {
            Sender = MailAddress.Parse("alice@example.org"),
            Recipients = [.. (recipients.Length > 0 ? recipients : ["bob@example.org"]).Select(r => new EnvelopeRecipient(MailAddress.Parse(r)))],
        };
        return await hop.DeliverAsync(envelope, message, Cancel);
    }
}
