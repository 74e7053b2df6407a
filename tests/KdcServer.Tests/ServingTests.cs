using System.Net;
using System.Net.Http.Json;
using System.Security.Authentication;
using System.Text.Json;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>The server as a server: health, contract, bounds, TLS.</summary>
public sealed class ServingTests
{
    private static CancellationToken Cancel => RunningKdc.Cancel;

    [Fact]
    public async Task It_is_ready_while_vault_and_database_answer_and_says_what_holds_the_keys()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var ready = await kdc.Client().GetFromJsonAsync<JsonElement>(new Uri("/health/ready", UriKind.Relative), Cancel);
        Assert.True(ready.GetProperty("ready").GetBoolean());
        Assert.Contains("for trials", ready.GetProperty("vault").GetString(), StringComparison.Ordinal);
        var live = await kdc.Client().GetFromJsonAsync<JsonElement>(new Uri("/health/live", UriKind.Relative), Cancel);
        Assert.True(live.GetProperty("live").GetBoolean());
    }

    [Fact]
    public async Task Tls_1_3_alone_is_spoken()
    {
        await using var kdc = await RunningKdc.StartAsync();
        await Assert.ThrowsAsync<HttpRequestException>(
            () => kdc.Client(protocols: SslProtocols.Tls12).GetAsync(new Uri("/health/live", UriKind.Relative), Cancel));
    }

    [Fact]
    public async Task The_contract_that_is_checked_in_is_the_one_that_is_served()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var served = await kdc.Client().GetStringAsync(new Uri("/openapi/v1.json", UriKind.Relative), Cancel);
        var file = Path.Combine(Repository.Root, "docs", "formats", "kdc-openapi.json");
        if (Environment.GetEnvironmentVariable("GS_WRITE_CONTRACT") == "1")
            await File.WriteAllTextAsync(file, served + "\n", Cancel);
        Assert.Equal((await File.ReadAllTextAsync(file, Cancel)).Trim(), served.Trim());
    }

    [Fact]
    public async Task Every_operation_of_the_contract_is_served_and_nothing_beside_it()
    {
        await using var kdc = await RunningKdc.StartAsync();
        using var contract = JsonDocument.Parse(await kdc.Client().GetStringAsync(new Uri("/openapi/v1.json", UriKind.Relative), Cancel));
        foreach (var path in contract.RootElement.GetProperty("paths").EnumerateObject())
        {
            foreach (var operation in path.Value.EnumerateObject())
            {
                using var request = new HttpRequestMessage(new HttpMethod(operation.Name.ToUpperInvariant()), new Uri(path.Name, UriKind.Relative));
                using var response = await kdc.Client().SendAsync(request, Cancel);
                Assert.NotEqual(HttpStatusCode.NotFound, response.StatusCode);
                Assert.NotEqual(HttpStatusCode.MethodNotAllowed, response.StatusCode);
            }
        }
        using var unknown = await kdc.Client().GetAsync(new Uri("/kdc/v1/principals", UriKind.Relative), Cancel);
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    [Fact]
    public async Task A_body_that_is_too_long_or_of_another_type_is_not_read()
    {
        await using var kdc = await RunningKdc.StartAsync(new KdcLimits { RequestSize = 1000 });
        var refused = await Assert.ThrowsAsync<HttpRequestException>(() => WireHolder.PostAsync(kdc.Client(), "challenge", new byte[1001]));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refused.StatusCode);
        using var json = await kdc.Client().PostAsJsonAsync(new Uri("/kdc/v1/challenge", UriKind.Relative), new { }, Cancel);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, json.StatusCode);
    }

    [Fact]
    public async Task A_stranger_who_asks_too_often_is_told_to_come_later_and_a_gateway_with_its_certificate_is_not()
    {
        using var pki = new ServerPki();
        using var certificate = pki.Client(null, "gateway.example.org");
        await using var kdc = await RunningKdc.StartAsync(new KdcLimits { StrangerRequestsPerMinute = 3 });
        var gateway = await kdc.AddGatewayAsync("gateway", certificate);
        var stranger = kdc.Client();
        for (var i = 0; i < 3; i++)
            await gateway.AskChallengeAsync(stranger);
        var limited = await Assert.ThrowsAsync<HttpRequestException>(() => gateway.AskChallengeAsync(stranger));
        Assert.Equal(HttpStatusCode.TooManyRequests, limited.StatusCode);
        for (var i = 0; i < 5; i++)
            Assert.Equal(WireAnswer.Challenge, (await gateway.AskChallengeAsync(kdc.Client(certificate))).Tag);
    }

    [Fact]
    public async Task One_address_holds_so_many_connections_and_one_more_is_closed()
    {
        await using var kdc = await RunningKdc.StartAsync(new KdcLimits { ConnectionsPerAddress = 2 });
        var clients = new[] { kdc.Client(), kdc.Client(), kdc.Client() };
        // Kept alive, so each holds one.
        foreach (var client in clients[..2])
            await client.GetStringAsync(new Uri("/health/live", UriKind.Relative), Cancel);
        await Assert.ThrowsAsync<HttpRequestException>(() => clients[2].GetStringAsync(new Uri("/health/live", UriKind.Relative), Cancel));
        clients[0].Dispose();
        for (var tries = 0; ; tries++)
        {
            try
            {
                await clients[2].GetStringAsync(new Uri("/health/live", UriKind.Relative), Cancel);
                return;
            }
            catch (HttpRequestException) when (tries < 100)
            {
                // The server learns of the closed connection a moment later.
                await Task.Delay(50, Cancel);
            }
        }
    }

    [Fact]
    public async Task A_principal_over_its_rate_is_told_to_slow_down_and_the_audit_says_so_once()
    {
        await using var kdc = await RunningKdc.StartAsync(new KdcLimits { RequestsPerSecond = 1, Burst = 2 }, new FakeTimeProvider(DateTimeOffset.UtcNow));
        var alice = await kdc.AddUserAsync("alice");
        await kdc.AddUserAsync("bob");
        var answers = new List<WireAnswer>();
        for (var i = 0; i < 5; i++)
            answers.Add(await alice.RequestAsync(kdc.Client(), "alice@example.org", 1, "bob@example.org"));
        Assert.Equal([1, 1, 4, 4, 4], answers.Select(a => a.Tag));
        Assert.Contains("slow down", answers[^1].Reason, StringComparison.Ordinal);
        Assert.Single(await kdc.Keys.Database.Audit.ReadAsync(1, 1000, Cancel), e => e.Action == "limit");
        // Others are not concerned.
        Assert.Equal(WireAnswer.Issued, (await (await kdc.AddUserAsync("carol")).RequestAsync(kdc.Client(), "carol@example.org", 1, "bob@example.org")).Tag);
    }

    [Fact]
    public async Task A_second_server_on_the_same_state_does_not_start()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var other = kdc.Configuration with { Listeners = [new IPEndPoint(IPAddress.Loopback, Loopback.FreePort())] };
        await Assert.ThrowsAsync<IOException>(() => Hosting.KdcHost.StartAsync(other, kdc.State, null, TimeProvider.System, Cancel));
    }

    [Fact]
    public void The_sample_is_a_configuration_and_the_schema_knows_the_keys_that_the_loader_knows()
    {
        var config = Path.Combine(Repository.Root, "config");
        Assert.NotNull(KdcConfigurationLoader.Load(Path.Combine(config, "kdc.sample.yaml")).Configuration);
        using var schema = JsonDocument.Parse(File.ReadAllText(Path.Combine(config, "kdc.schema.json")));
        foreach (var (section, keys) in KdcConfigurationKeys.All)
        {
            var node = section.Length == 0 ? schema.RootElement : schema.RootElement.GetProperty("$defs").GetProperty(section);
            Assert.Equal(keys.Order(), node.GetProperty("properties").EnumerateObject().Select(p => p.Name).Order());
            Assert.False(node.GetProperty("additionalProperties").GetBoolean());
        }
    }

    [Fact]
    public void Everything_wrong_with_a_configuration_is_said_at_once()
    {
        using var folder = new TempDirectory();
        File.WriteAllText(folder["kdc.yaml"], "realm: Example.ORG\nlisteners: [nowhere]\nlimits:\n  burst: 0\n  brust: 1\n");
        var result = KdcConfigurationLoader.Load(folder["kdc.yaml"]);
        Assert.Null(result.Configuration);
        var errors = result.Problems.Where(p => p.IsError).Select(p => p.Key).ToList();
        Assert.Equal(["realm", "listeners[0]", "limits.burst", "limits.brust"], errors);
    }
}
