using GatewaySecure.MailRouting.MtaSts;
using GatewaySecure.MailRouting.TlsReports;
using GatewaySecure.TestKit;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.MailRouting.Tests.MtaSts;

/// <summary>With a real DNS and a real web server under a private CA.</summary>
public sealed class StsPoliciesTests(RoutingFixture fixture) : IAsyncLifetime
{
    private const string Domain = "sts.test";
    private const string Enforced = "version: STSv1\nmode: enforce\nmx: mx.sts.test\nmax_age: 604800\n";

    private readonly TempDirectory _directory = new();
    private readonly ServerPki _pki = new();
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);
    private readonly SessionList _counted = new();
    private HttpsHost _host = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _host = await HttpsHost.StartAsync(_pki.Server("mta-sts.sts.test"), _pki.Issuer);
        _host.Serve(Enforced);
        await AnnounceAsync("1");
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        _pki.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task Policy_is_fetched_once_and_used_again()
    {
        var policies = Policies();
        Assert.Equal(StsMode.Enforce, (await policies.ForAsync(Domain, Token))!.Mode);
        Assert.NotNull(await policies.ForAsync(Domain, Token));
        Assert.Equal(1, _host.Requests);
    }

    [Fact]
    public async Task Those_who_come_at_once_fetch_once()
    {
        var policies = Policies();
        Assert.All(await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => policies.ForAsync(Domain, Token))), Assert.NotNull);
        Assert.Equal(1, _host.Requests);
    }

    [Fact]
    public async Task Policy_outlives_a_restart_and_a_web_server_that_is_gone()
    {
        await Policies().ForAsync(Domain, Token);
        await _host.DisposeAsync();
        await AnnounceAsync("2");
        var policies = Policies();
        Assert.NotNull(await policies.ForAsync(Domain, Token));
        _time.Advance(TimeSpan.FromDays(6.9));
        Assert.NotNull(await policies.ForAsync(Domain, Token));
        _time.Advance(TimeSpan.FromDays(0.2));
        Assert.Null(await policies.ForAsync(Domain, Token));
        Assert.Empty(Directory.GetFiles(_directory["sts"]));
    }

    [Fact]
    public async Task Policy_stays_where_its_record_is_gone_from_the_dns()
    {
        await Policies().ForAsync(Domain, Token);
        await fixture.Dns.ChangeAsync(new DnsZone(Domain, "mta-sts A 127.0.0.1"));
        Assert.NotNull(await Policies().ForAsync(Domain, Token));
    }

    [Fact]
    public async Task New_id_brings_the_new_policy()
    {
        await Policies().ForAsync(Domain, Token);
        _host.Serve(Enforced.Replace("enforce", "testing", StringComparison.Ordinal));
        Assert.Equal(StsMode.Enforce, (await Policies().ForAsync(Domain, Token))!.Mode);
        await AnnounceAsync("2");
        Assert.Equal(StsMode.Testing, (await Policies().ForAsync(Domain, Token))!.Mode);
    }

    [Fact]
    public async Task Mode_none_ends_a_policy()
    {
        await Policies().ForAsync(Domain, Token);
        _host.Serve("version: STSv1\nmode: none\nmax_age: 86400");
        await AnnounceAsync("2");
        Assert.Null(await Policies().ForAsync(Domain, Token));
    }

    [Fact]
    public async Task Domain_without_a_record_is_not_asked()
    {
        Assert.Null(await Policies().ForAsync("secure.test", Token));
        Assert.Equal(0, _host.Requests);
    }

    [Fact]
    public async Task Certificate_for_another_name_gives_no_policy_and_is_counted()
    {
        _host.Certificate = _pki.Server("www.sts.test");
        Assert.Null(await Policies().ForAsync(Domain, Token));
        Assert.Equal(TlsResult.StsWebpkiInvalid, Assert.Single(_counted.Sessions).Failure!.Result);
    }

    [Theory]
    [InlineData("text/html", 200, Enforced, TlsResult.StsPolicyInvalid)]
    [InlineData("text/plain", 404, Enforced, TlsResult.StsPolicyFetchError)]
    [InlineData("text/plain", 200, "no policy", TlsResult.StsPolicyInvalid)]
    public async Task What_is_no_policy_is_none_and_is_counted(string type, int status, string text, TlsResult result)
    {
        _host.Serve(text, type, status);
        Assert.Null(await Policies().ForAsync(Domain, Token));
        Assert.Equal(result, Assert.Single(_counted.Sessions).Failure!.Result);
    }

    [Fact]
    public async Task Redirect_is_not_followed()
    {
        _host.Answer = context =>
        {
            if (context.Request.Path == "/policy")
                return context.Response.WriteAsync(Enforced);
            context.Response.Redirect("/policy");
            return Task.CompletedTask;
        };
        Assert.Null(await Policies().ForAsync(Domain, Token));
        Assert.Equal(1, _host.Requests);
    }

    [Fact]
    public async Task Policy_without_end_is_cut_off()
    {
        _host.Answer = async context =>
        {
            context.Response.ContentType = "text/plain";
            var line = new byte[8192];
            Array.Fill(line, (byte)'\n');
            for (var i = 0; i < 20 && !context.RequestAborted.IsCancellationRequested; i++)
                await context.Response.Body.WriteAsync(line);
        };
        Assert.Null(await Policies().ForAsync(Domain, Token));
        Assert.Equal(TlsResult.StsPolicyInvalid, Assert.Single(_counted.Sessions).Failure!.Result);
    }

    [Fact]
    public async Task After_a_failure_there_is_a_pause()
    {
        _host.Serve("", status: 503);
        var policies = Policies();
        Assert.Null(await policies.ForAsync(Domain, Token));
        _host.Serve(Enforced);
        Assert.Null(await policies.ForAsync(Domain, Token));
        Assert.Equal(1, _host.Requests);
        _time.Advance(TimeSpan.FromMinutes(5.1));
        Assert.NotNull(await policies.ForAsync(Domain, Token));
    }

    [Fact]
    public async Task Job_refreshes_a_policy_in_use_before_it_ends()
    {
        await Policies().ForAsync(Domain, Token);
        var policies = Policies();
        await policies.RefreshAsync(Token);
        Assert.Equal(1, _host.Requests);
        for (var day = 0; day < 10; day++)
        {
            _time.Advance(TimeSpan.FromDays(1));
            Assert.NotNull(await policies.ForAsync(Domain, Token));
            await policies.RefreshAsync(Token);
        }
        Assert.Equal(11, _host.Requests);
    }

    [Fact]
    public async Task Job_leaves_alone_what_nobody_uses()
    {
        var policies = Policies();
        await policies.ForAsync(Domain, Token);
        _time.Advance(TimeSpan.FromDays(1));
        await policies.RefreshAsync(Token);
        Assert.Equal(1, _host.Requests);

        // After a restart nobody knows whether it is used: once more, and not again.
        policies = Policies();
        await policies.RefreshAsync(Token);
        _time.Advance(TimeSpan.FromDays(1));
        await policies.RefreshAsync(Token);
        Assert.Equal(2, _host.Requests);
    }

    [Fact]
    public async Task Job_that_cant_fetch_leaves_the_policy_in_force()
    {
        var policies = Policies();
        await policies.ForAsync(Domain, Token);
        _host.Serve("", status: 500);
        _time.Advance(TimeSpan.FromDays(2));
        await policies.ForAsync(Domain, Token);
        await policies.RefreshAsync(Token);
        Assert.Equal(2, _host.Requests);
        Assert.NotNull(await policies.ForAsync(Domain, Token));
    }

    [Fact]
    public async Task Damaged_file_is_no_policy()
    {
        await Policies().ForAsync(Domain, Token);
        File.WriteAllText(Directory.GetFiles(_directory["sts"]).Single(), "{");
        Assert.NotNull(await Policies().ForAsync(Domain, Token));
        Assert.Equal(2, _host.Requests);
    }

    private Task AnnounceAsync(string id) => fixture.Dns.ChangeAsync(new DnsZone(Domain, $"""
        mta-sts  A   127.0.0.1
        _mta-sts TXT "v=STSv1; id={id};"
        """));

    /// <summary>A new process, as it were: nothing in memory, the same folder.</summary>
    private StsPolicies Policies()
    {
        var dns = RoutingFixture.Resolver(fixture.Dns, _time);
        return new StsPolicies(
            dns,
            new StsFetcher(dns, _time, [_pki.Root], _host.Port),
            new StsStore(_directory["sts"], _time, NullLogger.Instance),
            _counted,
            _time,
            NullLogger.Instance);
    }
}
