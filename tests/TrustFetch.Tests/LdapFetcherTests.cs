using GatewaySecure.TestKit;
using GatewaySecure.Trust.Tests;

namespace GatewaySecure.TrustFetch.Tests;

/// <summary>Lists from Debian's slapd.</summary>
public sealed class LdapFetcherTests
{
    private const string Entry = "cn=CA,ou=people,dc=example,dc=org";
    private static readonly Authority s_root = Authority.Root();

    [Fact]
    public async Task A_list_is_read_from_the_entry_that_the_address_names()
    {
        var list = s_root.List([s_root.Issue("CN=Gone")]);
        await using var slapd = await PrivateSlapd.StartAsync(
            0, $"dn: {Entry}\nobjectClass: cRLDistributionPoint\ncn: CA\ncertificateRevocationList;binary:: {Convert.ToBase64String(list)}\n\n");
        foreach (var query in new[] { "", "?certificateRevocationList;binary", "?certificateRevocationList;binary?base?(objectClass=cRLDistributionPoint)" })
            Assert.Equal(list, Assert.IsType<FetchResult.Fetched>(await GetAsync(slapd.Url, $"{Entry}{query}")).Content);
        Assert.Contains("no deltaRevocationList", await FaultAsync(slapd.Url, $"{Entry}?deltaRevocationList;binary"), StringComparison.Ordinal);
        Assert.Contains("can't be read", await FaultAsync(slapd.Url, "cn=Nobody,dc=example,dc=org"), StringComparison.Ordinal);
        Assert.Contains("no LDAP address of one entry", await FaultAsync(slapd.Url, $"{Entry}?certificateRevocationList?sub"), StringComparison.Ordinal);
        Assert.Contains("longer than 10 octets", await FaultAsync(slapd.Url, Entry, new FetchLimits { MaximumOctets = 10 }), StringComparison.Ordinal);
        var unlisted = await new LdapFetcher(new FetchLimits()).GetAsync(
            new FetchSource(new Uri(slapd.Url, Entry), IsListed: false, TimeSpan.FromHours(1)), TestContext.Current.CancellationToken);
        Assert.Contains("only an address that the configuration names", Assert.IsType<FetchResult.Failed>(unlisted).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_directory_that_is_away_or_silent_is_given_up()
    {
        Assert.Contains("can't be read", await FaultAsync(new Uri($"ldap://127.0.0.1:{Loopback.FreePort()}"), Entry), StringComparison.Ordinal);
        using var silent = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        silent.Start();
        var port = ((System.Net.IPEndPoint)silent.LocalEndpoint).Port;
        Assert.Contains(
            "can't be read", await FaultAsync(new Uri($"ldap://127.0.0.1:{port}"), Entry, new FetchLimits { Time = TimeSpan.FromSeconds(1) }), StringComparison.Ordinal);
    }

    private static async Task<string> FaultAsync(Uri directory, string rest, FetchLimits? limits = null) =>
        Assert.IsType<FetchResult.Failed>(await GetAsync(directory, rest, limits)).Reason;

    private static Task<FetchResult> GetAsync(Uri directory, string rest, FetchLimits? limits = null) => new LdapFetcher(limits ?? new FetchLimits()).GetAsync(
        new FetchSource(new Uri(directory, rest), IsListed: true, TimeSpan.FromHours(1)), TestContext.Current.CancellationToken);
}
