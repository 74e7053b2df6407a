using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using GatewaySecure.Addresses;
using GatewaySecure.CardEnrollment;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection;
using GatewaySecure.SmartCard;
using GatewaySecure.Storage;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.CardClient.Tests;

/// <summary>A card issued by the station, KDC mail sealed for it, opened by <c>cardmail</c> as a user runs it.</summary>
public sealed class OpenWithCardTests : IAsyncLifetime
{
    private const string Pin = "246802";
    private static readonly Realm ExampleRealm = Realm.Parse("example.org");
    private readonly TempDirectory _directory = new();
    private string _adminPin = "";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Card => _directory["bob.card"];

    private string Mail => _directory["mail.eml"];

    private string Clear => _directory["clear.eml"];

    public async ValueTask InitializeAsync()
    {
        using var vault = SoftwareVault.OpenOrCreate(_directory.Path);
        await using var database = await GatewayDatabase.OpenAsync(_directory["gatewaysecure.db"], Cancel);
        var ports = database.PortsWith(vault);
        var administration = new KdcAdministration(ExampleRealm, ports, TimeProvider.System, "test");
        await administration.CreateAsync(PrincipalKind.User, "alice", [MailAddress.Parse("alice@example.org")], [], null, Cancel);
        using (var card = VirtualOpenPgpCard.Create(Card))
        {
            await new CardIssuing(administration, TimeProvider.System).IssueAsync(
                OpenPgpCard.Select(new LocalCardChannel(card.Atr, a => card.Process(a), card.Reset)),
                new TrialOrder(MailAddress.Parse("bob@example.org"), "Bob", VirtualOpenPgpCard.DefaultAdminPin, Pin, Authority()),
                letter => _adminPin = letter.AdminPin,
                Cancel);
        }
        var gateway = await administration.EnsureGatewayAsync("gateway", [DomainName.Parse("example.org")], Cancel);
        var kdc = new KdcService(KdcOptions.For(ExampleRealm), ports, TimeProvider.System);
        var client = new KdcClient(
            ExampleRealm, gateway.Id, await administration.UseKeyAsync(gateway.Id, Cancel), kdc, kdc, TimeProvider.System);
        var text = "From: alice@example.org\r\nTo: bob@example.org\r\nSubject: The plan\r\n\r\nMeet at noon.\r\n";
        var order = new KdcOrder(new Octets(text), MailAddress.Parse("alice@example.org"), [MailAddress.Parse("bob@example.org")],
            Evidence.Auth, client, null);
        var ready = Assert.IsType<ProtectionOutcome.Ready>(await new MailProtector(TimeProvider.System).SealKdcAsync(order, Cancel));
        await using var sealedMail = File.Create(Mail);
        await ready.Message.WriteToAsync(sealedMail, Cancel);
    }

    public ValueTask DisposeAsync()
    {
        _directory.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task The_right_card_and_pin_open_the_mail()
    {
        var result = await CardmailAsync(Pin);
        Assert.True(result.ExitCode == 0, result.All);
        var clear = await File.ReadAllTextAsync(Clear, Cancel);
        Assert.Contains("Subject: The plan", clear, StringComparison.Ordinal);
        Assert.Contains("Meet at noon.", clear, StringComparison.Ordinal);
        Assert.DoesNotContain("Meet at noon.", await File.ReadAllTextAsync(Mail, Cancel), StringComparison.Ordinal);
        var said = JsonDocument.Parse(result.Output).RootElement;
        Assert.Equal("kdc", said.GetProperty("method").GetString());
        Assert.Equal("alice@example.org", said.GetProperty("sender").GetString());
    }

    [Fact]
    public async Task A_wrong_pin_is_counted_and_the_third_blocks_the_card()
    {
        foreach (var left in new[] { 2, 1 })
        {
            var result = await CardmailAsync("999999");
            Assert.Equal((int)OpeningStatus.WrongPin, result.ExitCode);
            Assert.Equal(left, JsonDocument.Parse(result.Output).RootElement.GetProperty("triesLeft").GetInt32());
        }
        Assert.Equal((int)OpeningStatus.CardBlocked, (await CardmailAsync("999999")).ExitCode);
        Assert.Equal((int)OpeningStatus.CardBlocked, (await CardmailAsync(Pin)).ExitCode);
        AssertNothingWritten();
    }

    [Fact]
    public async Task A_changed_mail_is_refused_and_nothing_is_written()
    {
        var lines = await File.ReadAllLinesAsync(Mail, Cancel);
        var last = Array.FindLastIndex(lines, l => l.Length > 20 && !l.Contains(' ', StringComparison.Ordinal) && !l.StartsWith("--", StringComparison.Ordinal));
        var at = lines[last].Length / 2;
        lines[last] = lines[last][..at] + (lines[last][at] == 'A' ? 'B' : 'A') + lines[last][(at + 1)..];
        await File.WriteAllTextAsync(Mail, string.Join("\r\n", lines) + "\r\n", Cancel);
        var result = await CardmailAsync(Pin);
        Assert.True(result.ExitCode == (int)OpeningStatus.Forged, result.All);
        AssertNothingWritten();
    }

    [Fact]
    public async Task Another_card_does_not_open_it()
    {
        File.Delete(Card);
        using (VirtualOpenPgpCard.Create(Card))
        {
        }
        var result = await CardmailAsync(VirtualOpenPgpCard.DefaultUserPin);
        Assert.True(result.ExitCode == (int)OpeningStatus.NotForThisCard, result.All);
        AssertNothingWritten();
    }

    [Fact]
    public async Task No_card_and_wrong_usage_have_their_own_status()
    {
        var none = await CardmailAsync(Pin, "--reader", "no such reader");
        Assert.True(none.ExitCode == (int)OpeningStatus.NoCard, none.All);
        Assert.Equal((int)OpeningStatus.Usage, (await RunAsync([], null)).ExitCode);
        Assert.Equal((int)OpeningStatus.Usage, (await RunAsync(["open", _directory["missing.eml"], "--virtual-card", Card], null)).ExitCode);
        Assert.Equal((int)OpeningStatus.Usage, (await RunAsync(["open", Mail, "--no-such-option"], null)).ExitCode);
    }

    [Fact]
    public async Task The_issued_card_kept_no_default_pin_and_nothing_stays_verified()
    {
        using var card = VirtualOpenPgpCard.Open(Card);
        using var channel = new LocalCardChannel(card.Atr, a => card.Process(a), () => { });
        using var output = new MemoryStream();
        var result = await new MailOpening(TimeProvider.System)
            .OpenAsync(OpenPgpCard.Select(channel), Pin.AsMemory(), new Octets(await File.ReadAllTextAsync(Mail, Cancel)), output, Cancel);
        Assert.True(result.IsOpened, result.Text);
        var client = OpenPgpCard.Select(channel);
        Assert.Equal(0x63C3, client.Send(new Apdu(0, 0x20, 0, 0x82)).Status);
        Assert.IsType<PinResult.Wrong>(client.VerifyPin(PinMode.User, VirtualOpenPgpCard.DefaultUserPin));
        Assert.IsType<PinResult.Wrong>(client.VerifyPin(PinMode.Admin, VirtualOpenPgpCard.DefaultAdminPin));
        Assert.IsType<PinResult.Ok>(client.VerifyPin(PinMode.Admin, _adminPin));
    }

    [Fact]
    public async Task A_card_pulled_while_opening_is_no_card_and_not_a_forged_mail()
    {
        using var card = VirtualOpenPgpCard.Open(Card);
        // Gone exactly when its key is to be used.
        using var channel = new LocalCardChannel(card.Atr,
            a => a[1] == 0x2A ? throw new CardException(CardFault.NoCard, "There is no card in the reader.") : card.Process(a), card.Reset);
        using var output = new MemoryStream();
        var result = await new MailOpening(TimeProvider.System)
            .OpenAsync(OpenPgpCard.Select(channel), Pin.AsMemory(), new Octets(await File.ReadAllTextAsync(Mail, Cancel)), output, Cancel);
        Assert.Equal(OpeningStatus.NoCard, result.Status);
        Assert.Equal(0, output.Length);
    }

    [Fact]
    public async Task Smime_from_openssl_opens_with_the_cards_key()
    {
        using (var card = VirtualOpenPgpCard.Open(Card))
        {
            var client = OpenPgpCard.Select(new LocalCardChannel(card.Atr, a => card.Process(a), card.Reset));
            using var certificate = X509CertificateLoader.LoadCertificate(client.ReadCertificate(CardKey.Decipher));
            await File.WriteAllTextAsync(_directory["bob.pem"], certificate.ExportCertificatePem(), Cancel);
        }
        await File.WriteAllTextAsync(_directory["inner"], "Content-Type: text/plain\r\n\r\nFor the card's RSA key.\r\n", Cancel);
        (await Tool.RunAsync("openssl",
            ["cms", "-encrypt", "-binary", "-crlfeol", "-aes256", "-from", "alice@example.org", "-to", "bob@example.org", "-subject", "s",
                "-in", _directory["inner"], "-out", Mail, _directory["bob.pem"]])).Checked();
        var result = await CardmailAsync(Pin);
        Assert.True(result.ExitCode is 0 or 1, result.All);
        Assert.Contains("For the card's RSA key.", await File.ReadAllTextAsync(Clear, Cancel), StringComparison.Ordinal);
    }

    private void AssertNothingWritten() =>
        Assert.DoesNotContain(Directory.EnumerateFiles(_directory.Path), f => Path.GetFileName(f).StartsWith("clear.eml", StringComparison.Ordinal));

    private Task<ToolResult> CardmailAsync(string pin, params string[] reader) =>
        RunAsync(["open", Mail, "--out", Clear, "--pin-stdin", "--json", .. reader.Length > 0 ? reader : ["--virtual-card", Card]],
            Encoding.UTF8.GetBytes(pin + "\n"));

    private static Task<ToolResult> RunAsync(string[] arguments, byte[]? input) =>
        Tool.RunAsync("dotnet", [typeof(MailOpening).Assembly.Location, .. arguments], input);

    private static CardAuthority Authority()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=Trial CA", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return new CardAuthority(request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30)));
    }

    private sealed class Octets(string text) : IMailContent
    {
        private readonly byte[] _octets = Encoding.UTF8.GetBytes(text);

        public long Length => _octets.Length;

        public Stream OpenRead() => new MemoryStream(_octets, writable: false);
    }
}
