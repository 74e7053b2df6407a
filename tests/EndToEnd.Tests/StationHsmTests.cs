using System.Security.Cryptography;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;
using GatewaySecure.Storage;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Cards from a vault in an HSM: keys leave it for a registered station alone, and end on the card.</summary>
public sealed class StationHsmTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Keys_leave_the_hsm_for_a_registered_station_alone_and_open_mail_on_the_card()
    {
        var (vault, holder, station) = (await SoftHsm.Instance.CreateTokenAsync(), await SoftHsm.Instance.CreateTokenAsync(), await SoftHsm.Instance.CreateTokenAsync());
        using var directory = new TempDirectory();
        var pin = vault.WritePin(directory["pin"]);
        await using var setup = await StationSetup.StartAsync(
            $"vault:\n  kind: pkcs11\n  module: {SoftHsm.Module}\n  token: {vault.Label}\n  pin-file: {pin}\n", SoftHsm.Instance.Environment,
            prepare: s => VaultAsync(s, vault, pin, ["init", "--officer", "Anna", "--officer", "Boris", "--threshold", "2", "--out", directory["shares"], .. Passphrases(directory)]));
        await File.WriteAllTextAsync(directory["so"], holder.OfficerPin + "\n", Cancel);
        var card = await setup.NewCardAsync("bob.card");
        string[] bob = ["issue", "--address", "bob@example.org", "--name", "Bob", "--algorithm", "Rsa2048", "--virtual-card", card, "--letter", setup["bob.letter"]];

        var unknown = await setup.OlgaAsync(bob);
        Assert.Equal(1, unknown.ExitCode);
        Assert.Contains("kdc vault trust", unknown.Error, StringComparison.Ordinal);
        await VaultAsync(setup, vault, pin, "trust", Path.Combine(setup.Folder, "transport-key.pub.pem"));
        var issued = await setup.OlgaAsync(bob);
        Assert.True(issued.ExitCode == 0, issued.All);
        Assert.Contains($"SoftHSM token '{vault.Label}', for trials", issued.Error, StringComparison.Ordinal);
        await setup.AssertOpensAsync(await setup.SealSmimeAsync(card), StationSetup.PinOf(setup["bob.letter"]), card);
        await AssertMasterKeyAsync(setup, card);

        // A token as the holder's card, from a station whose transport key is on a token too.
        await File.WriteAllTextAsync(directory["station.pin"], station.Pin + "\n", Cancel);
        var folder = setup["second"];
        (await setup.ToolAsync(
            "init", "--server", setup.Kdc.Url, "--realm", "example.org", "--trust", setup.Kdc.Trust, "--station", folder, "--module", SoftHsm.Module, "--token", station.Label,
            "--passphrase-file", directory["station.pin"])).Checked();
        Assert.False(File.Exists(Path.Combine(folder, "transport-key.pem")));
        await VaultAsync(setup, vault, pin, "trust", Path.Combine(folder, "transport-key.pub.pem"));
        var token = await setup.ToolAsync(
            "issue", "--address", "carol@example.org", "--name", "Carol", "--algorithm", "Rsa2048", "--module", SoftHsm.Module, "--token", holder.Label,
            "--admin-pin-file", directory["so"], "--letter", setup["carol.letter"],
            "--station", folder, "--operator-card", setup["olga.card"], "--operator-pin-file", setup["operator.pin"], "--passphrase-file", directory["station.pin"]);
        Assert.True(token.ExitCode == 0, token.All);
        var carolsPin = StationSetup.PinOf(setup["carol.letter"]);
        var seen = (await Tool.RunAsync(
            "pkcs11-tool", ["--module", SoftHsm.Module, "--token-label", holder.Label, "--login", "--pin", carolsPin, "--list-objects"], environment: SoftHsm.Instance.Environment)).Checked().Text;
        Assert.Equal(3, seen.Split("Certificate Object").Length - 1);
        Assert.Equal(3, seen.Split("Private Key Object").Length - 1);
        Assert.Contains("GatewaySecure master key", seen, StringComparison.Ordinal);

        // A token as an operator's card.
        var operators = await SoftHsm.Instance.CreateTokenAsync();
        await File.WriteAllTextAsync(directory["so"], operators.OfficerPin + "\n", Cancel);
        string[] theirs = ["--module", SoftHsm.Module, "--token", operators.Label];
        Assert.Equal(2, (await setup.ToolAsync(["operator-card", "--name", "Peter", "--certificate-out", directory["peter.pem"], "--pin-file", setup["operator.pin"], .. theirs])).ExitCode);
        (await setup.ToolAsync(
        [
            "operator-card", "--name", "Peter", "--certificate-out", directory["peter.pem"], "--pin-file", setup["operator.pin"], "--letter", directory["codes"],
            "--admin-pin-file", directory["so"], .. theirs,
        ])).Checked();
        (await setup.Kdc.ToolAsync("principal", "add", "--kind", "operator", "--name", "Peter", "--certificate", directory["peter.pem"])).Checked();
        var peter = await setup.ToolAsync(["session", "--operator-module", SoftHsm.Module, "--operator-token", operators.Label, .. setup.Secrets()]);
        Assert.Contains("operator  Peter", peter.Checked().Text, StringComparison.Ordinal);

        // While the HSM is away nothing is issued, and nothing is refused for good.
        vault.Remove();
        var later = await setup.OlgaAsync(["renew", .. bob[1..], "--yes"]);
        Assert.NotEqual(0, later.ExitCode);
        vault.Return();
        for (var i = 0; i < 10 && later.ExitCode != 0; i++)
        {
            await Task.Delay(1000, Cancel);
            later = await setup.OlgaAsync(["renew", .. bob[1..], "--yes"]);
        }
        Assert.True(later.ExitCode == 0, later.All);
        await AssertMasterKeyAsync(setup, card);
    }

    /// <summary>Card and vault do the same operation under the same key.</summary>
    private static async Task AssertMasterKeyAsync(StationSetup setup, string file)
    {
        using var vault = KeyVaults.Open(null, setup.Kdc.State, TimeProvider.System);
        await using var database = await GatewayDatabase.OpenAsync(Path.Combine(setup.Kdc.State, "gatewaysecure.db"), Cancel);
        using var memory = VirtualOpenPgpCard.Open(file);
        var card = OpenPgpCard.Select(new LocalCardChannel(memory.Atr, a => memory.Process(a), memory.Reset));
        using var session = card.BeginSession();
        var identity = EnrolledCard.Decode(card.ReadIdentity()!)!.Identity;
        Assert.IsType<PinResult.Ok>(card.Verify(CardPin.User, StationSetup.PinOf(setup["bob.letter"]), CardUse.Decipher));
        var input = RandomNumberGenerator.GetBytes(32);
        var key = await database.MasterKeys.FindAsync(new MasterKeyName(identity.Principal, identity.Kvno), Cancel);
        Assert.Equal(await vault.DecryptBlocksAsync(key!, input, Cancel), card.DecipherAes(input));
    }

    private static string[] Passphrases(TempDirectory directory) => [.. new[] { "Anna", "Boris" }.SelectMany(o =>
    {
        File.WriteAllText(directory[o], $"the passphrase of {o}\n");
        return new[] { "--passphrase-file", $"{o}={directory[o]}" };
    })];

    private static async Task VaultAsync(StationSetup setup, SoftToken token, string pin, params string[] arguments)
    {
        await File.WriteAllTextAsync(setup["so-pin"], token.OfficerPin + "\n", Cancel);
        (await Tool.RunAsync(
            Programs.Kdc,
            ["vault", .. arguments, "--module", SoftHsm.Module, "--token", token.Label, "--pin-file", pin, "--state", setup.Kdc.State, "--so-pin-file", setup["so-pin"]],
            environment: SoftHsm.Instance.Environment)).Checked();
    }
}
