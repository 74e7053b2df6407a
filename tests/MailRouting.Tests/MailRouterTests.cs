using System.Net;
using GatewaySecure.Addresses;
using GatewaySecure.MailRouting.MtaSts;
using GatewaySecure.MailRouting.TlsReports;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace GatewaySecure.MailRouting.Tests;

public sealed class MailRouterTests(RoutingFixture fixture) : IDisposable
{
    private readonly TempDirectory _directory = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Hosts_come_by_preference_and_those_of_the_same_one_in_any_order()
    {
        var router = Router();
        var orders = new HashSet<string>();
        for (var i = 0; i < 50; i++)
        {
            var found = await FoundAsync("order.secure.test", router);
            Assert.Equal("c.order.secure.test", found.Hosts[2].Name);
            Assert.Equal([10, 10, 20], found.Hosts.Select(h => h.Preference));
            orders.Add(found.Hosts[0].Name);
        }
        Assert.Equal(["a.order.secure.test", "b.order.secure.test"], orders.Order());
    }

    [Fact]
    public async Task Both_families_of_addresses_are_there_ipv6_first()
    {
        var host = Assert.Single((await FoundAsync("secure.test")).Hosts);
        Assert.Equal([IPAddress.IPv6Loopback, IPAddress.Parse("127.3.0.1")], host.Addresses);
    }

    [Fact]
    public async Task Domain_without_mx_is_its_own_host()
    {
        var host = Assert.Single((await FoundAsync("host.secure.test")).Hosts);
        Assert.Equal(("host.secure.test", 0), (host.Name, host.Preference));
    }

    [Fact]
    public async Task Null_mx_takes_no_mail_for_ever() =>
        Assert.Equal("5.1.10", Assert.IsType<RouteRefused>(await RouteAsync("null.secure.test")).EnhancedCode);

    [Fact]
    public async Task Domain_that_does_not_exist_is_refused() =>
        Assert.Equal("5.1.2", Assert.IsType<RouteRefused>(await RouteAsync("nowhere.secure.test")).EnhancedCode);

    [Fact]
    public async Task Domain_with_neither_mx_nor_address_is_refused()
    {
        Assert.Equal("5.4.4", Assert.IsType<RouteRefused>(await RouteAsync("nothing.secure.test")).EnhancedCode);
        Assert.Equal("5.4.4", Assert.IsType<RouteRefused>(await RouteAsync("dead.secure.test")).EnhancedCode);
    }

    [Fact]
    public async Task Dns_that_fails_is_temporary() =>
        Assert.Equal("4.4.3", Assert.IsType<RouteDeferred>(await RouteAsync("bogus.test")).EnhancedCode);

    [Fact]
    public async Task Hosts_at_or_behind_ourselves_are_dropped()
    {
        Assert.Equal(["first.secure.test"], (await FoundAsync("loop.secure.test")).Hosts.Select(h => h.Name));
        Assert.Equal(["first.secure.test"], (await FoundAsync("byaddress.secure.test")).Hosts.Select(h => h.Name));
    }

    [Fact]
    public async Task Mail_for_which_we_are_the_best_host_is_a_loop() =>
        Assert.Equal("4.4.6", Assert.IsType<RouteDeferred>(await RouteAsync("only.secure.test")).EnhancedCode);

    [Fact]
    public async Task Hosts_are_bounded_to_the_best() =>
        Assert.Equal(Enumerable.Range(0, 16), (await FoundAsync("many.secure.test")).Hosts.Select(h => h.Preference));

    [Fact]
    public async Task Address_literal_needs_no_dns()
    {
        var host = Assert.Single((await FoundAsync("[127.0.0.7]")).Hosts);
        Assert.Equal([IPAddress.Parse("127.0.0.7")], host.Addresses);
        Assert.Equal([IPAddress.IPv6Loopback], Assert.Single((await FoundAsync("[IPv6:::1]")).Hosts).Addresses);
    }

    [Fact]
    public async Task Proved_tlsa_records_demand_dane()
    {
        var dane = Assert.IsType<DaneTls>((await FoundAsync("secure.test")).Hosts[0].Tls);
        Assert.Equal(("mx.secure.test", true, true), (dane.BaseDomain, dane.IsRequired, dane.Records.IsUsable));
        Assert.Equal(["secure.test"], dane.OtherNames);
    }

    [Fact]
    public async Task Host_without_tlsa_has_no_dane() =>
        Assert.IsType<OpportunisticTls>((await FoundAsync("nodane.secure.test")).Hosts[0].Tls);

    [Fact]
    public async Task Alias_of_a_host_has_the_tlsa_records_of_the_host_itself() =>
        Assert.Equal("mx.secure.test", Assert.IsType<DaneTls>((await FoundAsync("alias.secure.test")).Hosts[0].Tls).BaseDomain);

    [Fact]
    public async Task Alias_that_leads_out_of_its_signed_zone_has_its_own_tlsa_records() =>
        Assert.Equal("farmx.secure.test", Assert.IsType<DaneTls>((await FoundAsync("away.secure.test")).Hosts[0].Tls).BaseDomain);

    [Fact]
    public async Task Alias_of_a_domain_is_a_reference_name_too()
    {
        var dane = Assert.IsType<DaneTls>((await FoundAsync("shadow.secure.test")).Hosts[0].Tls);
        Assert.Equal(["shadow.secure.test", "alias.secure.test"], dane.OtherNames);
    }

    [Fact]
    public async Task Unsigned_domain_has_no_dane() => Assert.IsType<OpportunisticTls>((await FoundAsync("plain.test")).Hosts[0].Tls);

    [Fact]
    public async Task Without_a_trusted_resolver_there_is_no_dane() =>
        Assert.IsType<OpportunisticTls>((await FoundAsync("secure.test", Router(trusted: false))).Hosts[0].Tls);

    [Fact]
    public async Task Host_whose_tlsa_records_cant_be_had_is_left_out()
    {
        var found = await FoundAsync("hidden.secure.test");
        Assert.Equal(["mx.secure.test"], found.Hosts.Select(h => h.Name));
        var left = Assert.Single(found.LeftOut);
        Assert.Equal((TlsResult.DnssecInvalid, "tlsa"), (left.Failure!.Failure!.Result, left.Failure.Policy.Type));
        Assert.Equal("4.7.5", Assert.IsType<RouteDeferred>(await RouteAsync("allhidden.secure.test")).EnhancedCode);
    }

    [Fact]
    public async Task Records_none_of_which_is_usable_demand_tls_without_a_check()
    {
        var dane = Assert.IsType<DaneTls>((await FoundAsync("unusable.secure.test")).Hosts[0].Tls);
        Assert.True(dane.IsRequired);
        Assert.False(dane.Records.IsUsable);
    }

    [Fact]
    public async Task Configuration_can_demand_tls_of_every_host() =>
        Assert.IsType<ConfiguredTls>((await FoundAsync("plain.test", Router(requireTls: true))).Hosts[0].Tls);

    private MailRouter Router(bool trusted = true, bool requireTls = false)
    {
        var dns = fixture.Resolver(trusted);
        var store = new StsStore(_directory["sts"], TimeProvider.System, NullLogger.Instance);
        var policies = new StsPolicies(
            dns, new StsFetcher(dns, TimeProvider.System), store, new SessionList(), TimeProvider.System, NullLogger.Instance);
        return new MailRouter(dns, policies, new MailRouterOptions
        {
            OwnNames = ["gateway.secure.test"],
            OwnAddresses = [IPAddress.Parse("127.3.2.2")],
            RequireTls = requireTls,
        });
    }

    private Task<MailRoute> RouteAsync(string domain, MailRouter? router = null) =>
        (router ?? Router()).RouteAsync(DomainName.Parse(domain), Token);

    private async Task<RouteFound> FoundAsync(string domain, MailRouter? router = null) =>
        Assert.IsType<RouteFound>(await RouteAsync(domain, router));
}
