using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.SmartCard;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>A KDC server with an issuing CA, a station, and operators with virtual cards; commands run as an operator runs them.</summary>
internal sealed class StationSetup : IAsyncDisposable
{
    public const string OperatorPin = "135246";
    private const string Passphrase = "a station's passphrase";

    private readonly IReadOnlyDictionary<string, string> _environment;

    private StationSetup(KdcProcess kdc, IReadOnlyDictionary<string, string> environment) => (Kdc, _environment) = (kdc, environment);

    public KdcProcess Kdc { get; }

    public string Folder => Kdc["station"];

    public string this[string name] => Kdc[name];

    /// <summary>Server and station, and the operator Olga on record.</summary>
    /// <param name="more">Further lines of the KDC's configuration.</param>
    /// <param name="prepare">Before the server starts for the first time.</param>
    /// <param name="url">As the station reaches the server; null: directly.</param>
    /// <param name="ca">The section of that name; null: a CA of the KDC's own.</param>
    public static async Task<StationSetup> StartAsync(
        string more = "", IReadOnlyDictionary<string, string>? environment = null, Func<StationSetup, Task>? prepare = null, string? url = null, string? ca = null)
    {
        var port = Loopback.FreePort();
        var isOwn = ca is null;
        ca ??= string.Create(CultureInfo.InvariantCulture, $"ca:\n  listener: 127.0.0.1:{port}\n  address: http://127.0.0.1:{port}\n");
        var setup = new StationSetup(new KdcProcess(ca + more, environment), environment ?? new Dictionary<string, string>());
        try
        {
            if (prepare is not null)
                await prepare(setup);
            if (isOwn)
                (await setup.Kdc.ToolAsync("ca", "init", "--name", "Example CA")).Checked();
            await setup.AddOperatorAsync("olga");
            await File.WriteAllTextAsync(setup["passphrase"], Passphrase + "\n");
            await setup.InitAsync(setup.Folder, url ?? setup.Kdc.Url);
            await setup.Kdc.Child.StartAsync();
            return setup;
        }
        catch
        {
            await setup.DisposeAsync();
            throw;
        }
    }

    public async Task InitAsync(string folder, string url) => (await ToolAsync(
        "init", "--server", url, "--realm", "example.org", "--trust", Kdc.Trust, "--station", folder, "--passphrase-file", this["passphrase"])).Checked();

    /// <summary>An operator with a card of his own, on record.</summary>
    public async Task AddOperatorAsync(string name, string kind = "openpgp")
    {
        await File.WriteAllTextAsync(this["operator.pin"], OperatorPin + "\n");
        await NewCardAsync(name + ".card", kind);
        (await ToolAsync(
            "operator-card", "--name", name, "--virtual-card", this[name + ".card"], "--pin-file", this["operator.pin"],
            "--certificate-out", this[name + ".pem"], "--letter", this[name + ".codes"])).Checked();
        (await Kdc.ToolAsync("principal", "add", "--kind", "operator", "--name", name, "--certificate", this[name + ".pem"])).Checked();
    }

    /// <summary>A command of the operator, whose card is a file.</summary>
    public Task<ToolResult> AsAsync(string name, params string[] arguments) =>
        ToolAsync([.. arguments, "--operator-card", this[name + ".card"], .. Secrets()]);

    public Task<ToolResult> OlgaAsync(params string[] arguments) => AsAsync("olga", arguments);

    public string[] Secrets() => ["--station", Folder, "--operator-pin-file", this["operator.pin"], "--passphrase-file", this["passphrase"]];

    public Task<ToolResult> ToolAsync(params string[] arguments) => Tool.RunAsync(Programs.CardStation, arguments, environment: _environment);

    public async Task<string> NewCardAsync(string name, string kind = "openpgp")
    {
        (await ToolAsync("virtual-card", "create", this[name], "--kind", kind)).Checked();
        return this[name];
    }

    /// <summary>The PIN in a holder's letter.</summary>
    public static string PinOf(string letter) =>
        File.ReadLines(letter).Single(l => l.StartsWith("PIN:", StringComparison.Ordinal))[4..].Trim();

    /// <summary>What a virtual card shows without a PIN.</summary>
    public static IReadOnlyList<CardHeldKey> KeysOf(string card)
    {
        using var memory = VirtualCards.Open(card);
        var client = CardRecognition.Select(new LocalCardChannel(memory.Atr, a => memory.Process(a), memory.Reset));
        return client.ReadKeys();
    }

    public async Task<string> AuditAsync() => (await Kdc.ToolAsync("audit", "show", "--last", "5000")).Checked().Text;

    /// <summary>S/MIME by openssl for the card's decipher key, whose certificate openssl verifies up to the KDC's CA.</summary>
    public async Task<string> SealSmimeAsync(string card, string? ca = null)
    {
        var mail = this[Guid.NewGuid().ToString("N") + ".eml"];
        var certificate = mail + ".pem";
        var key = KeysOf(card).Single(k => k.Slot is { Use: CardUse.Decipher, Retired: false });
        using (var parsed = X509CertificateLoader.LoadCertificate(key.Certificate.Span))
            await File.WriteAllTextAsync(certificate, parsed.ExportCertificatePem());
        (await Tool.RunAsync("openssl", ["verify", "-CAfile", ca ?? Path.Combine(Kdc.State, "ca.pem"), certificate])).Checked();
        await File.WriteAllTextAsync(mail + ".inner", $"Content-Type: text/plain\r\n\r\n{Mails.Secret}\r\n");
        (await Tool.RunAsync("openssl",
        [
            "cms", "-encrypt", "-binary", "-crlfeol", "-aes256", "-from", "alice@example.org", "-to", "bob@example.org", "-subject", "s",
            "-in", mail + ".inner", "-out", mail, certificate,
        ])).Checked();
        return mail;
    }

    public async Task AssertOpensAsync(string mail, string pin, string card)
    {
        File.Delete(mail + ".clear");
        var opened = await CardHolder.OpenAsync(card, mail, mail + ".clear", pin);
        // Nobody trusts the sender's signature, as there is none: a warning.
        Assert.True(opened.ExitCode is 0 or 1, opened.All);
        Assert.Contains(Mails.Secret, await File.ReadAllTextAsync(mail + ".clear"), StringComparison.Ordinal);
    }

    public ValueTask DisposeAsync() => Kdc.DisposeAsync();
}
