using System.Globalization;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>One <c>kdc run</c> of the realm example.org on a state directory of its own, started, stopped and started again; and its tool on the same state.</summary>
internal sealed class KdcProcess : IAsyncDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly ServerPki _pki = new("KDC test");
    private readonly IReadOnlyDictionary<string, string>? _environment;

    /// <param name="more">Further lines of its configuration.</param>
    /// <param name="environment">Added to this process's own.</param>
    public KdcProcess(string more = "", IReadOnlyDictionary<string, string>? environment = null)
    {
        _environment = environment;
        var port = Loopback.FreePort();
        Directory.CreateDirectory(State);
        Url = string.Create(CultureInfo.InvariantCulture, $"https://localhost:{port}");
        using var server = _pki.Server("localhost", "127.0.0.1");
        File.WriteAllText(this["server.pem"], _pki.Pem(server));
        File.WriteAllText(Trust, _pki.Root.ExportCertificatePem());
        File.WriteAllText(this["kdc.yaml"], $"""
            realm: example.org
            listeners: [127.0.0.1:{port}]
            tls:
              certificate: server.pem
              key: server.pem
            {more}
            """);
        Child = new ChildServer(Programs.Kdc, ["run", "--config", this["kdc.yaml"], "--state", State], port, environment);
    }

    public string Url { get; }

    public string State => _directory["state"];

    /// <summary>PEM of the authority that the server's certificate is from.</summary>
    public string Trust => this["trust.pem"];

    public ChildServer Child { get; }

    /// <summary>A file for the test's own use, beside the state.</summary>
    public string this[string name] => _directory[name];

    /// <summary>The lines below <c>kdc</c> of a gateway that comes to this server, with a new certificate that the KDC does not know yet.</summary>
    public (IReadOnlyList<string> Lines, string Certificate) GatewayLines(string name)
    {
        using var client = _pki.Client(null, name);
        var pem = this[$"client-{Guid.NewGuid():N}.pem"];
        File.WriteAllText(pem, _pki.Pem(client));
        return ([$"server: {Url}", $"trust: {Trust}", $"client-certificate: {pem}", $"client-key: {pem}"], pem);
    }

    public Task<ToolResult> ToolAsync(params string[] arguments) =>
        Tool.RunAsync(Programs.Kdc, [.. arguments, "--config", this["kdc.yaml"], "--state", State], environment: _environment);

    public async ValueTask DisposeAsync()
    {
        try
        {
            await Child.DisposeAsync();
        }
        finally
        {
            _pki.Dispose();
            _directory.Dispose();
        }
    }
}
