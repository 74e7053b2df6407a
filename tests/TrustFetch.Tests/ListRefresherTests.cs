using System.Security.Cryptography;
using GatewaySecure.TestKit;
using GatewaySecure.Trust;
using GatewaySecure.Trust.Revocation;
using GatewaySecure.Trust.Tests;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.TrustFetch.Tests;

/// <summary>Lists from servers that do as they should, and from ones that don't.</summary>
public sealed class ListRefresherTests : IAsyncLifetime
{
    private static readonly Authority s_root = Authority.Root();
    private static readonly PathValidator s_trust = new([s_root.Certificate], [], RevocationSnapshot.Empty, new(new(RevocationPolicy.Required)));

    private readonly TempDirectory _folder = new();
    private readonly FakeTimeProvider _time = new(Authority.Now);
    private HttpHost _server = null!;
    private HttpFetcher _http = null!;
    private ListStore _store = null!;
    private ListRefresher _refresher = null!;
    private FetchSource _source = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await HttpHost.StartAsync();
        var limits = new FetchLimits { MaximumOctets = 100_000, Time = TimeSpan.FromSeconds(1) };
        _http = new HttpFetcher(limits);
        _store = new ListStore(_folder["lists"]);
        _refresher = new ListRefresher(_store, _http, new LdapFetcher(limits), _time);
        _source = new FetchSource(new Uri(_server.Address, "ca.crl"), IsListed: true, TimeSpan.FromHours(6));
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_list_is_kept_asked_for_conditionally_and_replaced_by_a_newer_one()
    {
        var first = s_root.List([], Authority.Now.AddDays(-2), number: 1);
        _server.Serve(first);
        var outcome = await RefreshAsync();
        Assert.True(outcome.IsNew);
        Assert.Null(outcome.Problem);
        Assert.Equal(first, _store.ListOf(_source));
        Assert.InRange(outcome.Next, Authority.Now.AddHours(5), Authority.Now.AddHours(6));

        outcome = await RefreshAsync();
        Assert.False(outcome.IsNew);
        Assert.Null(outcome.Problem);
        Assert.Equal(2, _server.Requests);

        var second = s_root.List([], Authority.Now.AddDays(-1), number: 2);
        _server.Serve(second, "\"2\"");
        Assert.True((await RefreshAsync()).IsNew);
        // Another process that opens the folder finds it.
        Assert.Equal(second, new ListStore(_store.Folder).ListOf(_source));
        Assert.Equal("2", Assert.Single(new ListStore(_store.Folder).States()).Number);
    }

    [Fact]
    public async Task It_is_asked_for_again_before_it_ends()
    {
        _server.Serve(s_root.List([], Authority.Now.AddHours(-1), Authority.Now.AddHours(1)));
        Assert.InRange((await RefreshAsync()).Next, Authority.Now.AddMinutes(40), Authority.Now.AddMinutes(50));
    }

    [Fact]
    public async Task In_pem_it_is_read_too()
    {
        var der = s_root.List([]);
        _server.Serve(System.Text.Encoding.ASCII.GetBytes(PemEncoding.WriteString("X509 CRL", der)));
        Assert.Null((await RefreshAsync()).Problem);
        Assert.Equal(der, _store.ListOf(_source));
    }

    public static TheoryData<string, string> Faults => new()
    {
        { "gone", "it answers 404" },
        { "empty", "malformed" },
        { "page", "malformed" },
        { "huge", "longer than 100000 octets" },
        { "huge-chunked", "longer than 100000 octets" },
        { "slow", "did not answer whole within 1 seconds" },
        { "dripping", "did not answer whole within 1 seconds" },
        { "cut", "can't be read" },
        { "stale", "out of date since 2026-11-15" },
        { "future", "of the future" },
        { "endless", "does not say how long" },
        { "older", "older than the one we have" },
        { "lower", "older than the one we have" },
        { "forged", "not by its issuer's key" },
        { "stranger", "No certificate of its issuer" },
        { "altered", "not by its issuer's key" },
        { "redirecting", "redirects more than 3 times" },
        { "redirecting-to-file", "which is not followed" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Whatever_else_comes_the_last_good_list_stays_and_the_reason_is_told(string fault, string reason)
    {
        var good = s_root.List([], Authority.Now.AddDays(-1), number: 5);
        _server.Serve(good);
        await RefreshAsync();
        _server.Answer = Bad(fault);
        var waits = new List<TimeSpan>();
        for (var i = 0; i < 3; i++)
        {
            var outcome = await RefreshAsync();
            Assert.False(outcome.IsNew);
            Assert.Contains(reason, outcome.Problem!, StringComparison.Ordinal);
            Assert.StartsWith(_source.Address.AbsoluteUri, outcome.Problem, StringComparison.Ordinal);
            waits.Add(outcome.Next - Authority.Now);
        }
        Assert.Equal(good, _store.ListOf(_source));
        Assert.Equal(3, _store.StateOf(_source)!.Failures);
        // A minute, two, four; up to a tenth less, so that not all come at once.
        Assert.Equal([1, 2, 4], waits.Select(w => (int)Math.Ceiling(w.TotalMinutes)));

        _server.Serve(good);
        Assert.Null((await RefreshAsync()).Problem);
        Assert.Equal(0, _store.StateOf(_source)!.Failures);
    }

    [Fact]
    public async Task A_redirect_is_followed_and_its_target_vetted()
    {
        var list = s_root.List([]);
        _server.Answer = async context =>
        {
            if (context.Request.Path == "/ca.crl")
                context.Response.Redirect("/elsewhere");
            else
                await context.Response.Body.WriteAsync(list);
        };
        Assert.Null((await RefreshAsync()).Problem);
    }

    [Fact]
    public async Task An_address_that_only_a_certificate_names_does_not_lead_to_this_machine()
    {
        _server.Serve(s_root.List([]));
        var outcome = await _refresher.RefreshAsync(_source with { IsListed = false }, s_trust, Token);
        Assert.Contains("only an address that the configuration names", outcome.Problem!, StringComparison.Ordinal);
        Assert.Equal(0, _server.Requests);
        // A kept connection of a listed address does not serve one that is not.
        await RefreshAsync();
        outcome = await _refresher.RefreshAsync(_source with { IsListed = false }, s_trust, Token);
        Assert.NotNull(outcome.Problem);
        Assert.Equal(1, _server.Requests);
    }

    [Theory]
    [InlineData("8.8.8.8", true)]
    [InlineData("2001:4860:4860::8888", true)]
    [InlineData("127.0.0.1", false)]
    [InlineData("10.1.2.3", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("172.16.0.1", false)]
    [InlineData("172.32.0.1", true)]
    [InlineData("192.168.1.1", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("::1", false)]
    [InlineData("fe80::1", false)]
    [InlineData("fd00::1", false)]
    [InlineData("::ffff:127.0.0.1", false)]
    public void Own_and_private_addresses_are_told_from_public_ones(string address, bool isPublic) =>
        Assert.Equal(isPublic, Whereabouts.IsPublic(System.Net.IPAddress.Parse(address)));

    private static Func<HttpContext, Task> Bad(string fault)
    {
        var now = Authority.Now;
        byte[]? list = fault switch
        {
            "empty" => [],
            "page" => "<html>Please log in</html>"u8.ToArray(),
            "stale" => s_root.List([], now.AddDays(-10), now.AddDays(-5), number: 6),
            "future" => s_root.List([], now.AddDays(1), now.AddDays(5), number: 6),
            "endless" => s_root.ListWithoutEnd(),
            "older" => s_root.List([], now.AddDays(-3), number: 6),
            "lower" => s_root.List([], now.AddHours(-1), number: 4),
            "forged" => s_root.List([], number: 6, signer: Authority.Root()),
            "stranger" => Authority.Root("CN=Stranger").List([], number: 6),
            "altered" => Altered(s_root.List([], number: 6)),
            _ => null,
        };
        return async context =>
        {
            var response = context.Response;
            switch (fault)
            {
                case "gone":
                    response.StatusCode = 404;
                    break;
                case "huge":
                    response.ContentLength = 200_000;
                    await response.Body.WriteAsync(new byte[200_000]);
                    break;
                case "huge-chunked":
                    for (var i = 0; i < 20; i++)
                        await response.Body.WriteAsync(new byte[10_000]);
                    break;
                case "slow":
                    await Task.Delay(TimeSpan.FromSeconds(20), context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
                    break;
                case "dripping":
                    for (var i = 0; i < 100 && !context.RequestAborted.IsCancellationRequested; i++)
                    {
                        await response.Body.WriteAsync(new byte[1]);
                        await response.Body.FlushAsync();
                        await Task.Delay(100);
                    }
                    break;
                case "cut":
                    response.ContentLength = 1000;
                    await response.Body.WriteAsync(new byte[10]);
                    await response.Body.FlushAsync();
                    context.Abort();
                    break;
                case "redirecting":
                    response.Redirect("/ca.crl");
                    break;
                case "redirecting-to-file":
                    response.Redirect("file:///etc/passwd");
                    break;
                default:
                    await response.Body.WriteAsync(list!);
                    break;
            }
        };
    }

    private static byte[] Altered(byte[] list)
    {
        list[^1] ^= 1;
        return list;
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private Task<RefreshOutcome> RefreshAsync() => _refresher.RefreshAsync(_source, s_trust, Token);
}
