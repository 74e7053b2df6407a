using System.Globalization;
using GatewaySecure.TestKit;

namespace GatewaySecure.Bench.Relay;

/// <summary>The gateway as an administrator would run it: its program, a configuration file, a state folder on the disk that is measured.</summary>
internal sealed class BenchGateway : IAsyncDisposable
{
    /// <summary>Mail to here passes as it is.</summary>
    public const string PlainRecipient = "reader@plain.example";

    /// <summary>Mail to here is signed and encrypted.</summary>
    public const string SealedRecipient = "reader@partner.example";

    private const string Sender = "sender@inside.example";

    private readonly ChildServer _server;
    private readonly BenchKeys _keys;

    private BenchGateway(ChildServer server, BenchKeys keys)
    {
        _server = server;
        _keys = keys;
    }

    public int Port => _server.Port;

    /// <exception cref="InvalidOperationException">It is not built, or did not start; the message ends with its log.</exception>
    public static async Task<BenchGateway> StartAsync(WorkDirectory work, int nextHop)
    {
        var program = Path.Combine(Tree.Root, "artifacts", "bin", "Gateway", "release", "gateway");
        if (!File.Exists(program))
            throw new InvalidOperationException("The gateway is not built: './gs bench' builds it.");
        var port = Loopback.FreePort();
        var keys = new BenchKeys(Sender, SealedRecipient);
        WriteKeys(work, keys);
        await File.WriteAllTextAsync(work["gateway.yaml"], Configuration(work, port, nextHop));
        var server = new ChildServer(program, ["run", "--config", work["gateway.yaml"], "--state", work["state"]], port);
        var gateway = new BenchGateway(server, keys);
        try
        {
            await server.StartAsync();
        }
        catch
        {
            await gateway.DisposeAsync();
            throw;
        }
        return gateway;
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _keys.Dispose();
    }

    private static void WriteKeys(WorkDirectory work, BenchKeys keys)
    {
        foreach (var folder in (string[])["recipients", "anchors"])
            Directory.CreateDirectory(work[folder]);
        File.WriteAllText(Path.Combine(work["recipients"], "reader.pem"), keys.Recipient.ExportCertificatePem());
        File.WriteAllText(Path.Combine(work["anchors"], "root.pem"), keys.Root.ExportCertificatePem());
    }

    /// <summary>Signed with the gateway's own P-256 key, encrypted to an RSA-2048 certificate with AES-256-CBC.</summary>
    private static string Configuration(WorkDirectory work, int port, int nextHop) => string.Create(CultureInfo.InvariantCulture, $"""
        hostname: gateway.inside.example
        organisation-domains: [inside.example]
        listeners:
          - address: 127.0.0.1:{port}
            tls: none
        relay-networks: [127.0.0.0/8]
        next-hops:
          sink:
            smtp: 127.0.0.1:{nextHop}
            tls: never
        default-next-hop: sink
        certificates:
          recipients: {work["recipients"]}
          trust: {work["anchors"]}
        rules:
          - name: partner
            recipient: partner.example
            method: ca
        default: normal
        """);
}
