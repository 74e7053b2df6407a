using System.Globalization;
using GatewaySecure.HsmAdapter;
using GatewaySecure.TestKit;

namespace GatewaySecure.Bench.Relay;

/// <summary>The gateway as an administrator would run it: its program, a configuration file, a state folder on the disk that is measured.</summary>
internal sealed class BenchGateway : IAsyncDisposable
{
    /// <summary>Mail to here passes as it is.</summary>
    public const string PlainRecipient = "reader@plain.example";

    /// <summary>Mail to here is signed and encrypted.</summary>
    public const string SealedRecipient = "reader@partner.example";

    public const string Sender = "sender@inside.example";

    private static readonly string Program = Path.Combine(Tree.Root, "artifacts", "bin", "Gateway", "release", "gateway");

    private readonly ChildServer _server;
    private readonly WorkDirectory _work;

    private BenchGateway(ChildServer server, WorkDirectory work, BenchKeys keys)
    {
        _server = server;
        _work = work;
        Keys = keys;
    }

    public int Port => _server.Port;

    public BenchKeys Keys { get; }

    public ProcessMemory ReadMemory() => _server.ReadMemory();

    public void ResetPeakMemory() => _server.ResetPeakMemory();

    /// <exception cref="InvalidOperationException">It is not built, or did not start; the message ends with its log.</exception>
    public static async Task<BenchGateway> StartAsync(WorkDirectory work, int nextHop, Signing signing = Signing.P256, string more = "", string furtherHops = "")
    {
        if (!File.Exists(Program))
            throw new InvalidOperationException("The gateway is not built: './gs bench' builds it.");
        var port = Loopback.FreePort();
        var keys = new BenchKeys(Sender, SealedRecipient);
        WriteKeys(work, keys);
        var certificate = signing == Signing.Rsa2048 ? WriteRsaSigner(work, keys) : null;
        await File.WriteAllTextAsync(work["gateway.yaml"], Configuration(work, port, nextHop, certificate, furtherHops) + more);
        var server = new ChildServer(Program, ["run", "--config", work["gateway.yaml"], "--state", work["state"]], port);
        var gateway = new BenchGateway(server, work, keys);
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

    /// <summary>The gateway's tool on the same state.</summary>
    public Task<ToolResult> ToolAsync(params string[] arguments) =>
        Tool.RunAsync(Program, [.. arguments, "--state", _work["state"]], timeout: TimeSpan.FromMinutes(5));

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Keys.Dispose();
    }

    private static void WriteKeys(WorkDirectory work, BenchKeys keys)
    {
        foreach (var folder in (string[])["recipients", "anchors"])
            Directory.CreateDirectory(work[folder]);
        File.WriteAllText(Path.Combine(work["recipients"], "reader.pem"), keys.Recipient.ExportCertificatePem());
        File.WriteAllText(Path.Combine(work["anchors"], "root.pem"), keys.Root.ExportCertificatePem());
    }

    /// <summary>A fresh gateway makes a P-256 key by itself; an RSA-2048 key is put into its vault before.</summary>
    /// <returns>The file of its certificate.</returns>
    private static string WriteRsaSigner(WorkDirectory work, BenchKeys keys)
    {
        using var vault = SoftwareVault.OpenOrCreate(work["state"]);
        using var key = vault.OrganisationRsaKey("organisation", 2048);
        File.WriteAllText(work["signer.pem"], keys.CertifySigner(Sender, key).ExportCertificatePem());
        return work["signer.pem"];
    }

    /// <summary>Signed with the gateway's own key, encrypted to an RSA-2048 certificate with AES-256-CBC.</summary>
    private static string Configuration(WorkDirectory work, int port, int nextHop, string? signer, string furtherHops) => string.Create(CultureInfo.InvariantCulture, $"""
        hostname: gateway.inside.example
        organisation-domains: [inside.example]
        listeners:
          - address: 127.0.0.1:{port}
            tls: none
            max-message-size: 250 MB
        relay-networks: [127.0.0.0/8]
        next-hops:
          sink:
            smtp: 127.0.0.1:{nextHop}
            tls: never
        {furtherHops}
        default-next-hop: sink
        certificates:
          recipients: {work["recipients"]}
          trust: {work["anchors"]}
        signing:
          sign: true
          {(signer is null ? "" : $"certificate: {signer}")}
        rules:
          - name: partner
            recipient: partner.example
            method: ca
        default: normal

        """);
}
