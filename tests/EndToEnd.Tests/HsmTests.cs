using System.Security.Cryptography;
using System.Text.Json;
using GatewaySecure.Addresses;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;
using GatewaySecure.Storage;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>A gateway whose keys are in SoftHSM, set up with the security officer's commands.</summary>
public sealed class HsmTests
{
    private static readonly string[] Officers = ["Anna", "Boris", "Clara"];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Kdc_mail_waits_while_the_hsm_is_away_and_goes_on_without_a_restart()
    {
        var token = await SoftHsm.Instance.CreateTokenAsync();
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        using var directory = new TempDirectory();
        var pin = token.WritePin(directory["pin"]);
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port,
            Environment = SoftHsm.Instance.Environment,
            More = $"vault:\n  kind: pkcs11\n  module: {SoftHsm.Module}\n  token: {token.Label}\n  pin-file: {pin}\n",
        });

        // Without a vault key the gateway does not start.
        var early = await Assert.ThrowsAsync<InvalidOperationException>(() => gateway.StartAsync());
        Assert.Contains("kdc vault init", early.Message, StringComparison.Ordinal);
        var made = await VaultAsync(token, gateway, pin, ["init", "--threshold", "2", "--out", directory["shares"], .. People(directory)]);
        Assert.Contains("Boris", made.Checked().Text, StringComparison.Ordinal);
        Assert.Equal(1, (await VaultAsync(token, gateway, pin, ["init", "--threshold", "2", "--out", directory["again"], .. People(directory)])).ExitCode);
        await gateway.StartAsync();
        await gateway.Child.WaitForLineAsync($"SoftHSM token '{token.Label}', for trials", TimeSpan.FromSeconds(10));

        // Beside the running gateway: people, a registered station, Bob's card.
        using var station = RSA.Create(3072);
        await File.WriteAllTextAsync(directory["station.pem"], station.ExportSubjectPublicKeyInfoPem(), Cancel);
        (await VaultAsync(token, gateway, pin, ["trust", directory["station.pem"]])).Checked();
        var cards = await IssueAsync(gateway, station, "alice@example.org", "bob@example.org", "carol@example.org");
        await SendAsync(gateway, "bob@example.org", "first");
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(30));
        await AssertOpensAsync(cards["bob@example.org"], gateway, sink.Messages[0].Content);

        // Carol's key was never used: the gateway needs the HSM for it.
        token.Remove();
        await SendAsync(gateway, "carol@example.org", "second");
        await gateway.Child.WaitForLineAsync("The vault can't be used", TimeSpan.FromSeconds(30));
        Assert.Single(sink.Messages);
        Assert.Equal(1, (await gateway.QueueAsync()).GetArrayLength());
        token.Return();
        await sink.WaitForAsync(2, TimeSpan.FromSeconds(40));
        await AssertOpensAsync(cards["carol@example.org"], gateway, sink.Messages[1].Content);
        await gateway.Child.WaitForLineAsync("The vault is back", TimeSpan.FromSeconds(5));

        // The state knows its HSM, so that no command makes software keys in it.
        Assert.False(File.Exists(Path.Combine(gateway.State, "vault", "vault-key.trial")));
        var request = await Tool.RunAsync(
            Programs.Gateway, ["smime", "csr", "--domain", "example.org", "--rsa", "--state", gateway.State], environment: SoftHsm.Instance.Environment);
        Assert.Contains("BEGIN CERTIFICATE REQUEST", request.Checked().Text, StringComparison.Ordinal);
        await gateway.Child.StopAsync();
        var software = File.ReadAllText(gateway.ConfigurationFile).Replace("kind: pkcs11", "kind: software", StringComparison.Ordinal);
        await File.WriteAllTextAsync(directory["software.yaml"], software[..software.IndexOf("  module:", StringComparison.Ordinal)], Cancel);
        var refused = await Tool.RunAsync(Programs.Gateway, ["run", "--config", directory["software.yaml"], "--state", gateway.State]);
        Assert.Contains("Keys don't move", refused.All, StringComparison.Ordinal);
        Assert.Equal(1, refused.ExitCode);
    }

    [Fact]
    public async Task The_vault_key_is_rotated_under_a_running_gateway_and_restored_into_another_token()
    {
        var token = await SoftHsm.Instance.CreateTokenAsync();
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        using var directory = new TempDirectory();
        var pin = token.WritePin(directory["pin"]);
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port,
            Environment = SoftHsm.Instance.Environment,
            More = $"vault:\n  kind: pkcs11\n  module: {SoftHsm.Module}\n  token: {token.Label}\n  pin-file: {pin}\n",
        });
        (await VaultAsync(token, gateway, pin, ["init", "--threshold", "2", "--out", directory["one"], .. People(directory)])).Checked();
        await gateway.StartAsync();
        using var station = RSA.Create(3072);
        await File.WriteAllTextAsync(directory["station.pem"], station.ExportSubjectPublicKeyInfoPem(), Cancel);
        (await VaultAsync(token, gateway, pin, ["trust", directory["station.pem"]])).Checked();
        var cards = await IssueAsync(gateway, station, "alice@example.org", "bob@example.org");
        await SendAsync(gateway, "bob@example.org", "before");
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(30));

        var rotated = await VaultAsync(token, gateway, pin, ["rotate", "--threshold", "3", "--out", directory["two"], .. People(directory)]);
        Assert.Contains("the older one is destroyed", rotated.Checked().Text, StringComparison.Ordinal);
        await SendAsync(gateway, "bob@example.org", "after");
        await sink.WaitForAsync(2, TimeSpan.FromSeconds(40));
        using (var status = JsonDocument.Parse((await VaultAsync(token, gateway, pin, ["status", "--json"])).Checked().Output))
        {
            var version = Assert.Single(status.RootElement.GetProperty("versions").EnumerateArray());
            Assert.Equal(2, version.GetProperty("version").GetInt32());
            Assert.True(status.RootElement.GetProperty("forTrials").GetBoolean());
            Assert.Equal(
                Convert.ToHexStringLower(SHA256.HashData(station.ExportSubjectPublicKeyInfo())),
                Assert.Single(status.RootElement.GetProperty("receivers").EnumerateArray()).GetString());
        }
        await gateway.Child.StopAsync();

        Directory.Delete(token.Directory, recursive: true);
        var next = await SoftHsm.Instance.CreateTokenAsync();
        var nextPin = next.WritePin(directory["pin2"]);
        string[] shares = [.. Enumerable.Range(1, 3).SelectMany(i => new[] { "--share", Path.Combine(directory["two"], $"vault-key-2.share-{i}") })];
        string[] backup = ["--backup", Path.Combine(directory["two"], "vault-key-2.backup"), .. shares, .. Passphrases(directory)];
        (await VaultAsync(next, gateway, nextPin, ["verify", .. backup], officer: false)).Checked();
        Assert.Equal(1, (await VaultAsync(next, gateway, nextPin, ["restore", .. backup[..4], .. Passphrases(directory)])).ExitCode);
        (await VaultAsync(next, gateway, nextPin, ["restore", .. backup])).Checked();

        var yaml = await File.ReadAllTextAsync(gateway.ConfigurationFile, Cancel);
        await File.WriteAllTextAsync(
            gateway.ConfigurationFile, yaml.Replace(token.Label, next.Label, StringComparison.Ordinal).Replace(pin, nextPin, StringComparison.Ordinal), Cancel);
        await gateway.StartAsync();
        await SendAsync(gateway, "bob@example.org", "restored");
        await sink.WaitForAsync(3, TimeSpan.FromSeconds(40));
        foreach (var message in sink.Messages)
            await AssertOpensAsync(cards["bob@example.org"], gateway, message.Content);
    }

    [Fact]
    public async Task Mail_to_the_organisation_is_opened_by_its_key_in_the_hsm_and_waits_while_that_is_away()
    {
        var token = await SoftHsm.Instance.CreateTokenAsync();
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        using var directory = new TempDirectory();
        using var carol = new OutsideSigner();
        var pin = token.WritePin(directory["pin"]);
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port,
            Environment = SoftHsm.Instance.Environment,
            RuleLines = ["- name: from outside", "  direction: inbound", "  smime: open", "  method: normal"],
            More = $"vault:\n  kind: pkcs11\n  module: {SoftHsm.Module}\n  token: {token.Label}\n  pin-file: {pin}\n"
                + $"opening:\n  keys:\n    - {{ certificate: {directory["org.pem"]} }}\n",
        });
        carol.TellAuthority(gateway);
        (await VaultAsync(token, gateway, pin, ["init", "--threshold", "2", "--out", directory["shares"], .. People(directory)])).Checked();
        // The command finds the HSM by the note that the vault's making left.
        var request = await Tool.RunAsync(
            Programs.Gateway, ["smime", "csr", "--for", "opening", "--domain", "example.org", "--state", gateway.State], environment: SoftHsm.Instance.Environment);
        using var certificate = carol.Certify(request.Checked().Text);
        await File.WriteAllTextAsync(directory["org.pem"], certificate.ExportCertificatePem(), Cancel);
        await gateway.StartAsync();

        var header = $"From: carol@partner.example\nTo: bob@example.org\nSubject: s\nMessage-ID: <{Mails.NewId()}>\n";
        var mail = await carol.SignAndEncryptAsync(header, $"Content-Type: text/plain\r\n\r\n{Mails.Secret}\r\n", directory["org.pem"]);
        foreach (var isAway in new[] { false, true })
        {
            if (isAway)
                token.Remove();
            using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort, OutsideSigner.Peer);
            Assert.StartsWith("250", await talker.DeliverAsync(OutsideSigner.Address, "bob@example.org", mail), StringComparison.Ordinal);
            if (isAway)
            {
                await gateway.Child.WaitForLineAsync("The vault can't be used", TimeSpan.FromSeconds(30));
                Assert.Single(sink.Messages);
                token.Return();
            }
            await sink.WaitForAsync(isAway ? 2 : 1, TimeSpan.FromSeconds(40));
        }
        foreach (var message in sink.Messages)
        {
            Assert.True(Mails.TellsSecret(message.Content));
            Assert.Contains("smime=pass", System.Text.Encoding.ASCII.GetString(message.Content), StringComparison.Ordinal);
        }
    }

    private static string[] Passphrases(TempDirectory directory) => [.. Officers.SelectMany(o =>
    {
        File.WriteAllText(directory[o], $"the passphrase of {o}\n");
        return new[] { "--passphrase-file", $"{o}={directory[o]}" };
    })];

    private static string[] People(TempDirectory directory) => [.. Officers.SelectMany(o => new[] { "--officer", o }), .. Passphrases(directory)];

    private static async Task<ToolResult> VaultAsync(SoftToken token, GatewayProcess gateway, string pin, string[] arguments, bool officer = true)
    {
        var officerPin = gateway["so-pin"];
        await File.WriteAllTextAsync(officerPin, token.OfficerPin + "\n", Cancel);
        string[] so = officer && arguments[0] is not ("status" or "distrust") ? ["--so-pin-file", officerPin] : [];
        return await Tool.RunAsync(
            Programs.Kdc,
            ["vault", .. arguments, "--module", SoftHsm.Module, "--token", token.Label, "--pin-file", pin, "--state", gateway.State, .. so],
            environment: SoftHsm.Instance.Environment);
    }

    /// <summary>What a station does: keys leave the HSM for it alone, and it puts them on cards.</summary>
    private static async Task<Dictionary<string, string>> IssueAsync(GatewayProcess gateway, RSA station, params string[] addresses)
    {
        var cards = new Dictionary<string, string>();
        var realm = Realm.Parse("example.org");
        using var vault = KeyVaults.Open(null, gateway.State, TimeProvider.System);
        await using var database = await GatewayDatabase.OpenAsync(Path.Combine(gateway.State, "gatewaysecure.db"), Cancel);
        var ports = database.PortsWith(vault);
        var administration = new KdcAdministration(realm, ports, TimeProvider.System, "test");
        foreach (var address in addresses)
        {
            var mailbox = MailAddress.Parse(address);
            var user = await administration.CreateAsync(PrincipalKind.User, address, [mailbox], [], null, Cancel);
            await administration.RenewKeyAsync(user.Id, Cancel);
            var row = await ports.Keys.FindAsync(new MasterKeyName(user.Id, 1), Cancel);
            var sent = await vault.SendAsync(row!, station.ExportSubjectPublicKeyInfo(), Cancel);
            var file = cards[address] = gateway[address + ".card"];
            (await Tool.RunAsync(Programs.CardStation, ["virtual-card", "create", file])).Checked();
            using var card = VirtualOpenPgpCard.Open(file);
            var issuable = OpenPgpCard.Select(new LocalCardChannel(card.Atr, a => card.Process(a), card.Reset));
            Assert.IsType<PinResult.Ok>(issuable.Verify(CardPin.Administrator, VirtualOpenPgpCard.DefaultAdminPin, CardUse.Sign));
            issuable.PutMasterKey(station.Decrypt(sent, TransportEncryption.Padding));
            issuable.PutIdentity(new CardIdentity(realm, user.Id, 1, mailbox).Encode());
        }
        return cards;
    }

    private static async Task SendAsync(GatewayProcess gateway, string recipient, string id) =>
        (await gateway.SwaksAsync(recipient, Mails.Text($"{id}-{Guid.NewGuid():N}@example.org", "alice@example.org", recipient))).Checked();

    private static async Task AssertOpensAsync(string card, GatewayProcess gateway, byte[] content)
    {
        var file = gateway[Guid.NewGuid().ToString("N") + ".eml"];
        await File.WriteAllBytesAsync(file, content, Cancel);
        var opened = await CardHolder.OpenAsync(card, file, file + ".clear", VirtualOpenPgpCard.DefaultUserPin);
        Assert.True(opened.ExitCode == 0, opened.All);
        Assert.Contains(Mails.Secret, await File.ReadAllTextAsync(file + ".clear", Cancel), StringComparison.Ordinal);
    }
}
