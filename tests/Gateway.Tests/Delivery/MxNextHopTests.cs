using System.Collections.Immutable;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Dns;
using GatewaySecure.Gateway.Delivery;
using GatewaySecure.MailRouting;
using GatewaySecure.MailRouting.MtaSts;
using GatewaySecure.MailRouting.TlsReports;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace GatewaySecure.Gateway.Tests.Delivery;

/// <summary>The MX next hop with a real DNS and real listeners, each on an address of its own at one port.</summary>
public sealed class MxNextHopTests : IAsyncLifetime, ITlsSessionCounter
{
    private readonly IPAddress _first = Loopback.OwnAddress();
    private readonly IPAddress _second = Loopback.OwnAddress();
    private readonly int _port = Loopback.FreePort();
    private readonly ServerPki _pki = new();
    private readonly TempDirectory _directory = new();
    private readonly List<TlsSession> _counted = [];
    private PrivateDns _dns = null!;
    private MxNextHop _hop = null!;
    private X509Certificate2 _certificate = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _certificate = _pki.Server("mx1.example.test");
        _dns = await PrivateDns.StartAsync(new DnsZone("example.test", $"""
            @     MX 10 mx1
            @     MX 20 mx2
            mx1   A {_first}
            mx2   A {_second}
            null  MX 0 .
            dane  MX 10 mx3
            dane  MX 20 mx2
            mx3   A {_first}
            _25._tcp.mx3 TLSA {TlsaRecords.OfKey(_certificate)}
            wrong MX 10 mx4
            mx4   A {_first}
            _25._tcp.mx4 TLSA {TlsaRecords.OfKey(_pki.Root)}
            """));
        var resolver = new DnsResolver(new DnsResolverOptions { Servers = [_dns.Resolver], TrustAuthenticated = true }, TimeProvider.System);
        var policies = new StsPolicies(
            resolver,
            new StsFetcher(resolver, TimeProvider.System),
            new StsStore(_directory["sts"], TimeProvider.System, NullLogger.Instance),
            this,
            TimeProvider.System,
            NullLogger.Instance);
        _hop = new MxNextHop("internet", new MailRouter(resolver, policies, new MailRouterOptions()), Options, TimeProvider.System);
    }

    private MxOptions Options => new(
        new SmtpClientOptions { LocalName = DomainName.Parse("gateway.example"), TargetHost = "" }, this, Port: _port);

    public async ValueTask DisposeAsync()
    {
        await _hop.DisposeAsync();
        await _dns.DisposeAsync();
        _pki.Dispose();
        _directory.Dispose();
    }

    void ITlsSessionCounter.Count(TlsSession session) => _counted.Add(session);

    [Fact]
    public async Task Best_host_gets_the_mail_and_its_session_the_next_one()
    {
        var greetings = 0;
        await using var first = Sink(_first, line =>
        {
            greetings += line.StartsWith("EHLO", StringComparison.Ordinal) ? 1 : 0;
            return null;
        });
        await using var second = Sink(_second);
        for (var i = 0; i < 3; i++)
            Assert.Equal(250, (await DeliverAsync("example.test")).Reply.Code);
        Assert.Equal((3, 0, 1), (first.Count, second.Count, greetings));
        Assert.Equal("no-policy-found", Assert.Single(_counted).Policy.Type);
    }

    [Fact]
    public async Task Next_host_gets_the_mail_where_the_best_is_down()
    {
        await using var second = Sink(_second);
        Assert.Equal(250, (await DeliverAsync("example.test")).Reply.Code);
        Assert.Equal(1, second.Count);
    }

    [Fact]
    public async Task An_address_literal_is_its_own_host()
    {
        await using var first = Sink(_first);
        Assert.Equal(250, (await DeliverAsync($"[{_first}]")).Reply.Code);
        Assert.Equal(1, first.Count);
    }

    [Fact]
    public async Task Mail_that_may_have_been_taken_is_not_given_to_the_next_host_at_once()
    {
        await using var first = Sink(_first, line => line == "." ? "" : null);
        await using var second = Sink(_second);
        Assert.True((await Assert.ThrowsAsync<DeliveryException>(() => DeliverAsync("example.test"))).MayHaveBeenTaken);
        Assert.Equal(0, second.Count);
    }

    [Fact]
    public async Task Domain_that_takes_no_mail_is_refused_and_one_that_fails_waits()
    {
        Assert.Equal("556 5.1.10", (await DeliverAsync("null.example.test")).Reply.ToString()[..10]);
        Assert.Equal("550 5.1.2", (await DeliverAsync("nowhere.example.test")).Reply.ToString()[..9]);
        await _dns.StopAuthorityAsync();
        // The domain as a whole waits: its lane rests.
        var waits = await Assert.ThrowsAsync<DeliveryException>(() => DeliverAsync("other.example.test"));
        Assert.False(waits.WasReached);
        Assert.Equal("451 4.4.3", waits.Reply!.ToString()[..9]);
    }

    [Fact]
    public async Task Mail_under_dane_goes_under_tls_with_the_right_certificate()
    {
        await using var first = Sink(_first, certificate: _certificate);
        Assert.Equal(250, (await DeliverAsync("dane.example.test")).Reply.Code);
        Assert.True(Assert.Single(first.Messages).IsTls);
        Assert.Equal(("tlsa", null), (Assert.Single(_counted).Policy.Type, _counted[0].Failure));
    }

    [Fact]
    public async Task Under_dane_a_wrong_certificate_gets_nothing()
    {
        await using var first = Sink(_first, certificate: _certificate);
        var problem = await Assert.ThrowsAsync<DeliveryException>(() => DeliverAsync("wrong.example.test"));
        Assert.Contains("DANE", problem.Message, StringComparison.Ordinal);
        Assert.Equal(0, first.Count);
        Assert.Equal(TlsResult.ValidationFailure, Assert.Single(_counted).Failure!.Result);
    }

    [Fact]
    public async Task Under_dane_a_host_without_starttls_is_passed_over_for_one_that_demands_nothing()
    {
        await using var first = Sink(_first);
        await using var second = Sink(_second);
        Assert.Equal(250, (await DeliverAsync("dane.example.test")).Reply.Code);
        Assert.Equal((0, 1), (first.Count, second.Count));
        Assert.Equal(
            [("tlsa", TlsResult.StartTlsNotSupported), ("no-policy-found", TlsResult.StartTlsNotSupported)],
            _counted.Select(c => (c.Policy.Type, c.Failure!.Result)));
    }

    [Fact]
    public async Task Where_nothing_is_demanded_broken_tls_does_not_hold_mail_up()
    {
        await using var first = Sink(_first, line => line == "STARTTLS" ? "220 go on\r\nnot TLS at all" : null, _certificate);
        Assert.Equal(250, (await DeliverAsync("example.test")).Reply.Code);
        Assert.False(Assert.Single(first.Messages).IsTls);
        Assert.NotNull(Assert.Single(_counted).Failure);
    }

    private SmtpSink Sink(IPAddress address, Func<string, string?>? answer = null, X509Certificate2? certificate = null) => new(
        new SmtpSinkOptions
        {
            Keep = true,
            Answer = answer,
            Tls = certificate is null ? null : new SslServerAuthenticationOptions { ServerCertificate = certificate },
        },
        _port,
        address);

    private async Task<RecipientResult> DeliverAsync(string domain)
    {
        var message = SendableMails.Make();
        var recipient = MailAddress.Parse($"bob@{domain}");
        var envelope = new Envelope { Sender = MailAddress.Parse("alice@example.org"), Recipients = [new EnvelopeRecipient(recipient)] };
        ImmutableArray<RecipientResult> results = await _hop.For(recipient.Domain).DeliverAsync(envelope, message, Cancel);
        return Assert.Single(results);
    }
}
