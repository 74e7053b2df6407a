using System.Net;
using System.Net.Sockets;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Dns.Tests;

public sealed class DnsResolverTests(DnsFixture fixture)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private DnsResolver Trusting => Make(fixture.Dns.Resolver, trusted: true);

    [Fact]
    public async Task Mx_records_come_with_their_preferences_in_lower_case()
    {
        var answer = Assert.IsType<DnsFound<MailExchanger>>(await Trusting.MxAsync("Secure.Test.", Token));
        Assert.Equal(
            [new MailExchanger(10, "mx1.secure.test"), new MailExchanger(20, "mx2.secure.test")], answer.Records.OrderBy(r => r.Preference));
        Assert.Equal("secure.test", answer.CanonicalName);
        // Unbound counts it down from when it asked first.
        Assert.InRange(answer.TimeToLive, TimeSpan.FromSeconds(120), TimeSpan.FromSeconds(300));
    }

    [Fact]
    public async Task Null_mx_has_an_empty_host() =>
        Assert.Equal([new MailExchanger(0, "")], (await Trusting.MxAsync("null.secure.test", Token)).Records);

    [Fact]
    public async Task Addresses_of_both_families_are_found()
    {
        Assert.Equal([IPAddress.Parse("127.0.0.2")], (await Trusting.AddressesAsync("mx1.secure.test", AddressFamily.InterNetwork, Token)).Records);
        Assert.Equal([IPAddress.IPv6Loopback], (await Trusting.AddressesAsync("mx1.secure.test", AddressFamily.InterNetworkV6, Token)).Records);
    }

    [Fact]
    public async Task Strings_of_a_txt_record_are_joined() =>
        Assert.Equal(["second", "v=TLSRPTv1; rua=mailto:a@x"], (await Trusting.TxtAsync("txt.secure.test", Token)).Records.Order());

    [Fact]
    public async Task Names_with_underscores_are_asked_for()
    {
        Assert.Equal(["v=STSv1; id=1"], (await Trusting.TxtAsync("_mta-sts.secure.test", Token)).Records);
        var tlsa = Assert.Single((await Trusting.TlsaAsync("_25._tcp.mx1.secure.test", Token)).Records);
        Assert.Equal((3, 1, 1, 32, 0xff), (tlsa.Usage, tlsa.Selector, tlsa.MatchingType, tlsa.Data.Length, tlsa.Data[^1]));
    }

    [Fact]
    public async Task Address_behind_an_alias_has_its_canonical_name()
    {
        var answer = Assert.IsType<DnsFound<IPAddress>>(await Trusting.AddressesAsync("alias.secure.test", AddressFamily.InterNetwork, Token));
        Assert.Equal("mx1.secure.test", answer.CanonicalName);
        Assert.Equal(["mx1.secure.test"], (await Trusting.CnameAsync("alias.secure.test", Token)).Records);
    }

    [Fact]
    public async Task Address_has_a_name() =>
        Assert.Equal(["mx1.secure.test"], (await Trusting.PtrAsync(IPAddress.Loopback, Token)).Records);

    [Fact]
    public async Task No_such_name_is_not_no_such_data()
    {
        Assert.IsType<DnsNoSuchName<MailExchanger>>(await Trusting.MxAsync("nowhere.secure.test", Token));
        Assert.IsType<DnsNoData<MailExchanger>>(await Trusting.MxAsync("mx1.secure.test", Token));
    }

    [Fact]
    public async Task Name_that_no_dns_can_hold_does_not_exist() =>
        Assert.IsType<DnsNoSuchName<string>>(await Trusting.TxtAsync(new string('a', 64) + ".test", Token));

    [Fact]
    public async Task Signed_answers_are_authenticated_negative_ones_too()
    {
        Assert.True((await Trusting.MxAsync("secure.test", Token)).IsAuthenticated);
        Assert.True((await Trusting.MxAsync("nowhere.secure.test", Token)).IsAuthenticated);
        Assert.True((await Trusting.MxAsync("mx1.secure.test", Token)).IsAuthenticated);
        Assert.False((await Trusting.AddressesAsync("host.plain.test", AddressFamily.InterNetwork, Token)).IsAuthenticated);
    }

    [Fact]
    public async Task Alias_into_an_unsigned_zone_is_not_authenticated()
    {
        var answer = Assert.IsType<DnsFound<IPAddress>>(await Trusting.AddressesAsync("far.secure.test", AddressFamily.InterNetwork, Token));
        Assert.Equal(("host.plain.test", false), (answer.CanonicalName, answer.IsAuthenticated));
        Assert.True((await Trusting.CnameAsync("far.secure.test", Token)).IsAuthenticated);
    }

    [Fact]
    public async Task Bad_signature_is_a_failure()
    {
        var answer = Assert.IsType<DnsFailed<MailExchanger>>(await Trusting.MxAsync("bogus.test", Token));
        Assert.Contains("ServerFailure", answer.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ad_bit_of_a_resolver_that_is_not_trusted_counts_for_nothing()
    {
        var answer = await Make(fixture.Dns.Resolver, trusted: false).MxAsync("secure.test", Token);
        Assert.Equal(2, answer.Records.Length);
        Assert.False(answer.IsAuthenticated);
    }

    [Fact]
    public async Task Answer_that_does_not_fit_comes_over_tcp() =>
        Assert.Equal(30, (await Trusting.TxtAsync("big.secure.test", Token)).Records.Length);

    [Fact]
    public async Task Server_that_does_not_resolve_says_nothing_of_names_it_does_not_have()
    {
        var authority = Make(fixture.Dns.Authority, trusted: true);
        Assert.Equal(2, (await authority.MxAsync("secure.test", Token)).Records.Length);
        Assert.IsType<DnsFailed<MailExchanger>>(await authority.MxAsync("elsewhere.invalid", Token));
    }

    [Fact]
    public async Task Second_server_is_asked_where_the_first_does_not_answer()
    {
        var nobody = new IPEndPoint(IPAddress.Loopback, Loopback.FreePort());
        var resolver = new DnsResolver(
            new DnsResolverOptions { Servers = [nobody, fixture.Dns.Resolver], Timeout = TimeSpan.FromMilliseconds(200) }, TimeProvider.System);
        Assert.Equal(2, (await resolver.MxAsync("secure.test", Token)).Records.Length);
    }

    [Fact]
    public async Task Nobody_there_is_a_failure()
    {
        using var mute = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        mute.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var resolver = new DnsResolver(
            new DnsResolverOptions { Servers = [(IPEndPoint)mute.LocalEndPoint!], Timeout = TimeSpan.FromMilliseconds(100) }, TimeProvider.System);
        Assert.IsType<DnsFailed<MailExchanger>>(await resolver.MxAsync("secure.test", Token));
    }

    [Fact]
    public async Task Answers_are_kept_for_their_time_to_live_and_asked_for_anew_after()
    {
        await using var dns = await PrivateDns.StartAsync(new DnsZone("cache.test", "a 60 A 127.0.0.1"));
        var time = new FakeTimeProvider();
        var resolver = new DnsResolver(new DnsResolverOptions { Servers = [dns.Resolver] }, time);
        var first = await resolver.AddressesAsync("a.cache.test", AddressFamily.InterNetwork, Token);
        Assert.IsType<DnsNoSuchName<IPAddress>>(await resolver.AddressesAsync("b.cache.test", AddressFamily.InterNetwork, Token));
        Assert.InRange(first.TimeToLive, TimeSpan.FromSeconds(58), TimeSpan.FromSeconds(60));

        await dns.ChangeAsync(new DnsZone("cache.test", "b A 127.0.0.1"));
        time.Advance(TimeSpan.FromSeconds(50));
        var kept = await resolver.AddressesAsync("a.cache.test", AddressFamily.InterNetwork, Token);
        Assert.IsType<DnsFound<IPAddress>>(kept);
        Assert.Equal(first.TimeToLive - TimeSpan.FromSeconds(50), kept.TimeToLive);
        Assert.IsType<DnsNoSuchName<IPAddress>>(await resolver.AddressesAsync("b.cache.test", AddressFamily.InterNetwork, Token));

        time.Advance(TimeSpan.FromSeconds(11));
        Assert.IsType<DnsNoSuchName<IPAddress>>(await resolver.AddressesAsync("a.cache.test", AddressFamily.InterNetwork, Token));
        Assert.IsType<DnsFound<IPAddress>>(await resolver.AddressesAsync("b.cache.test", AddressFamily.InterNetwork, Token));
    }

    [Fact]
    public async Task Servers_that_are_gone_are_a_failure_until_they_are_back()
    {
        await using var dns = await PrivateDns.StartAsync(new DnsZone("gone.test", "@ MX 10 mx"));
        var time = new FakeTimeProvider();
        var resolver = new DnsResolver(new DnsResolverOptions { Servers = [dns.Resolver], Timeout = TimeSpan.FromSeconds(10) }, time);
        await dns.StopAuthorityAsync();
        Assert.IsType<DnsFailed<MailExchanger>>(await resolver.MxAsync("gone.test", Token));
        await dns.StartAuthorityAsync();
        time.Advance(TimeSpan.FromSeconds(6));
        Assert.IsType<DnsFound<MailExchanger>>(await resolver.MxAsync("gone.test", Token));
    }

    private static DnsResolver Make(IPEndPoint server, bool trusted) =>
        new(new DnsResolverOptions { Servers = [server], TrustAuthenticated = trusted }, TimeProvider.System);
}
