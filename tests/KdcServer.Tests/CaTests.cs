using System.Text.Json;
using GatewaySecure.TestKit;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>The issuing CA as an officer meets it: <c>kdc ca</c>, the running server's CRL and OCSP, and openssl as the one who asks.</summary>
public sealed class CaTests : IAsyncDisposable
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "kdc");

    private readonly TempDirectory _directory = new();
    private readonly int _port = Loopback.FreePort();
    private readonly int _publicPort = Loopback.FreePort();
    private ChildServer? _server;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public CaTests() => File.WriteAllText(_directory["kdc.yaml"], $"""
        realm: example.org
        listeners: [127.0.0.1:{_port}]
        ca:
          listener: 127.0.0.1:{_publicPort}
          address: http://127.0.0.1:{_publicPort}
        """);

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_certificate_is_issued_answered_for_and_follows_its_holder()
    {
        await KdcAsync("ca", "init", "--name", "Example CA");
        await StartAsync();
        await KdcAsync("principal", "add", "--name", "Bob Example", "--address", "bob@example.org");
        await OpenSslAsync("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", _directory["bob.key"], "-out", _directory["bob.csr"]);
        await KdcAsync("ca", "issue", "--use", "mail-encryption", "--for", "bob@example.org", "--request", _directory["bob.csr"], "--out", _directory["bob.pem"]);
        await File.WriteAllBytesAsync(_directory["ca.der"], await GetAsync("ca/issuing.crt"), Cancel);
        await OpenSslAsync("x509", "-inform", "DER", "-in", _directory["ca.der"], "-out", _directory["ca.pem"]);

        Assert.Contains("bob.pem: good", await AskAsync(), StringComparison.Ordinal);
        Assert.Equal(0, await VerifyAsync());
        await KdcAsync("principal", "suspend", "bob@example.org", "--reason", "card lost");
        Assert.Contains("bob.pem: revoked", await AskAsync(), StringComparison.Ordinal);
        Assert.NotEqual(0, await VerifyAsync());
        await KdcAsync("principal", "resume", "bob@example.org");
        Assert.Contains("bob.pem: good", await AskAsync(), StringComparison.Ordinal);
        Assert.Equal(0, await VerifyAsync());
        await KdcAsync("principal", "revoke", "bob@example.org", "--reason", "left");
        Assert.Contains("bob.pem: revoked", await AskAsync(), StringComparison.Ordinal);
        var refused = await RunAsync("ca", "issue", "--use", "mail-signing", "--for", "bob@example.org", "--request", _directory["bob.csr"]);
        Assert.Equal(1, refused.ExitCode);

        var listed = JsonDocument.Parse(await KdcAsync("ca", "list", "--for", "bob@example.org", "--json")).RootElement;
        var only = Assert.Single(listed.EnumerateArray());
        Assert.Equal("cessation-of-operation", only.GetProperty("reason").GetString());
        Assert.Equal(1, (await RunAsync("ca", "release", only.GetProperty("serial").GetString()!)).ExitCode);
        var shown = JsonDocument.Parse(await KdcAsync("ca", "show", "--json")).RootElement;
        Assert.Equal(1, shown.GetProperty("revoked").GetInt32());
        Assert.Contains("for trials", shown.GetProperty("vault").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_for_a_ca_above_is_made_and_its_answer_taken_once()
    {
        await File.WriteAllTextAsync(_directory["ca.csr"], await KdcAsync("ca", "request", "--name", "Issuing"), Cancel);
        await OpenSslAsync("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Root", "-days", "30", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", _directory["root.key"], "-out", _directory["root.pem"]);
        await OpenSslAsync("x509", "-req", "-in", _directory["ca.csr"], "-CA", _directory["root.pem"], "-CAkey", _directory["root.key"], "-CAcreateserial",
            "-copy_extensions", "copy", "-days", "20", "-out", _directory["issuing.pem"]);
        Assert.Equal(1, (await RunAsync("ca", "install", _directory["root.pem"])).ExitCode);
        Assert.Contains("There is no CA yet", (await RunAsync("ca", "show")).Error, StringComparison.Ordinal);
        await KdcAsync("ca", "install", _directory["issuing.pem"]);
        Assert.Contains("issued by CN=Root", await KdcAsync("ca", "show"), StringComparison.Ordinal);
        Assert.Equal(1, (await RunAsync("ca", "init", "--name", "Another")).ExitCode);
    }

    [Fact]
    public async Task The_public_port_serves_what_is_signed_and_nothing_else()
    {
        await KdcAsync("ca", "init", "--name", "Example CA");
        await StartAsync();
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_publicPort}/") };
        foreach (var path in new[] { "kdc/v1/challenge", "health/ready", "openapi/v1.json", "" })
            Assert.Equal(System.Net.HttpStatusCode.NotFound, (await client.GetAsync(new Uri(path, UriKind.Relative), Cancel)).StatusCode);
        using var large = new ByteArrayContent(new byte[100_000]);
        Assert.Equal(System.Net.HttpStatusCode.RequestEntityTooLarge, (await client.PostAsync(new Uri("ocsp", UriKind.Relative), large, Cancel)).StatusCode);
        // malformedRequest(1), in the protocol's own way.
        Assert.Equal("30030A0101", Convert.ToHexString(await GetAsync("ocsp/AAAA")));
        Assert.Equal("30030A0101", Convert.ToHexString(await GetAsync("ocsp/%21%21")));
    }

    private async Task StartAsync()
    {
        _server = new ChildServer(Program, ["run", "--config", _directory["kdc.yaml"], "--state", _directory["state"]], _publicPort);
        await _server.StartAsync();
        await Loopback.WaitForListenerAsync(_port, TimeSpan.FromSeconds(20), Cancel);
    }

    private async Task<byte[]> GetAsync(string path)
    {
        using var client = new HttpClient();
        return await client.GetByteArrayAsync(new Uri($"http://127.0.0.1:{_publicPort}/{path}"), Cancel);
    }

    /// <summary>Where to ask, openssl reads in the certificate itself.</summary>
    private async Task<string> AskAsync()
    {
        var address = (await OpenSslAsync("x509", "-in", _directory["bob.pem"], "-noout", "-ocsp_uri")).Trim();
        var said = await OpenSslAsync("ocsp", "-issuer", _directory["ca.pem"], "-cert", _directory["bob.pem"], "-url", address, "-CAfile", _directory["ca.pem"]);
        Assert.Contains("Response verify OK", said, StringComparison.Ordinal);
        return said;
    }

    private async Task<int> VerifyAsync()
    {
        await File.WriteAllBytesAsync(_directory["crl.der"], await GetAsync("crl/issuing.crl"), Cancel);
        await OpenSslAsync("crl", "-inform", "DER", "-in", _directory["crl.der"], "-out", _directory["crl.pem"]);
        return (await Tool.RunAsync("openssl",
            ["verify", "-x509_strict", "-CAfile", _directory["ca.pem"], "-crl_check", "-CRLfile", _directory["crl.pem"], _directory["bob.pem"]])).ExitCode;
    }

    private Task<ToolResult> RunAsync(params string[] arguments) =>
        Tool.RunAsync(Program, [.. arguments, "--config", _directory["kdc.yaml"], "--state", _directory["state"]]);

    private async Task<string> KdcAsync(params string[] arguments) => (await RunAsync(arguments)).Checked().Text;

    private static async Task<string> OpenSslAsync(params string[] arguments) => (await Tool.RunAsync("openssl", arguments)).Checked().All;
}
