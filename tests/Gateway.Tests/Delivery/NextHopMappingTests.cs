using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Exchange;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace GatewaySecure.Gateway.Tests.Delivery;

/// <summary>From routes and next hops of a configuration to the lanes of the queue.</summary>
public sealed class NextHopMappingTests
{
    [Theory]
    [InlineData("smtp: 192.0.2.1:25")]
    [InlineData("smtp: 192.0.2.1:25\n    mark-processed: true")]
    [InlineData("mx: true")]
    public async Task A_destination_with_and_without_demanded_tls_has_two_lanes_and_one_limit(string hop)
    {
        using var folder = new TempDirectory();
        await File.WriteAllTextAsync(folder["gateway.yaml"], $"""
            hostname: gateway.example.org
            organisation-domains: [example.org]
            listeners: [{"{"} address: '127.0.0.1:2525' {"}"}]
            next-hops:
              out:
                {hop}
                connections: 7
              other:
                smtp: 192.0.2.2:25
            routes:
              - recipients: [secret@partner.example]
                next-hop: out
                tls: required
              - recipients: [partner.example]
                next-hop: out
            default-next-hop: other
            default: normal
            """.ReplaceLineEndings("\n"), TestContext.Current.CancellationToken);
        var loaded = ConfigurationLoader.Load(folder["gateway.yaml"]);
        Assert.Empty(loaded.Problems);
        var owned = new List<object>();
        await using var routing = new RoutingServices(
            loaded.Configuration!, StateDirectory.At(folder["state"]), TimeProvider.System, NullLogger.Instance, readOnly: true);
        var hops = loaded.Configuration!.NextHops(routing, new ProcessedMark(_ => []), TimeProvider.System, owned.Add);

        var (secret, open) = (hops.Resolve(MailAddress.Parse("secret@partner.example")), hops.Resolve(MailAddress.Parse("bob@partner.example")));
        Assert.NotEqual(secret.Name, open.Name);
        Assert.Equal(open.Destination, secret.Destination);
        Assert.Equal((7, 7), (secret.Connections, open.Connections));
        Assert.NotEqual(open.Destination, hops.Resolve(MailAddress.Parse("bob@elsewhere.example")).Destination);
        foreach (var hopOwned in owned.Cast<IAsyncDisposable>())
            await hopOwned.DisposeAsync();
    }
}
