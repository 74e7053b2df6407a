using System.Text.Json;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Cards of every kind issued at a station over a running KDC, looked at with other people's programs.</summary>
public sealed class StationIssueTests
{
    [Theory]
    [InlineData("openpgp", "Rsa2048")]
    [InlineData("piv", "Rsa2048")]
    [InlineData("piv", "P256")]
    public async Task A_card_is_issued_renewed_suspended_unblocked_and_revoked(string kind, string algorithm)
    {
        await using var setup = await StationSetup.StartAsync();
        var card = await setup.NewCardAsync("bob.card", kind);
        string[] bob = ["--address", "bob@example.org", "--virtual-card", card, "--algorithm", algorithm];
        var unknown = await setup.OlgaAsync(["issue", .. bob]);
        Assert.Equal(1, unknown.ExitCode);
        Assert.Contains("--name", unknown.Error, StringComparison.Ordinal);

        var issued = await setup.OlgaAsync(["issue", .. bob, "--name", "Bob Example", "--letter", setup["bob.letter"]]);
        Assert.True(issued.ExitCode == 0, issued.All);
        Assert.Contains("olga at the KDC of example.org; keys are in a software vault, for trials", issued.Error, StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(setup["bob.letter"]));
        Assert.Equal(3, StationSetup.KeysOf(card).Count(k => !k.Certificate.IsEmpty));
        var mail = await setup.SealSmimeAsync(card);
        await setup.AssertOpensAsync(mail, Pin(setup), card);

        // What only the KDC's vault knows is on the card now: the factory's codes are not.
        var trial = await setup.ToolAsync("trial", "issue", "--state", setup["other"], "--address", "eve@example.org", "--virtual-card", card);
        Assert.Equal(1, trial.ExitCode);
        var again = await setup.OlgaAsync(["issue", .. bob]);
        Assert.Contains("already", again.Checked().Text, StringComparison.Ordinal);

        var renewed = await setup.OlgaAsync(["renew", .. bob, "--yes", "--letter", setup["bob.letter"]]);
        Assert.True(renewed.ExitCode == 0, renewed.All);
        await setup.AssertOpensAsync(await setup.SealSmimeAsync(card), Pin(setup), card);
        if (kind == "piv")
            await setup.AssertOpensAsync(mail, Pin(setup), card);
        var life = (await setup.OlgaAsync("show", "--life", "--json", "--virtual-card", card)).Checked().Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(l => JsonDocument.Parse(l).RootElement.GetProperty("standing").GetString());
        Assert.Equal(["Replaced", "Active"], life);

        (await setup.OlgaAsync("suspend", "--address", "bob@example.org", "--reason", "on leave")).Checked();
        (await setup.OlgaAsync("resume", "--virtual-card", card, "--reason", "back")).Checked();
        (await setup.OlgaAsync("unblock", "--virtual-card", card, "--reason", "forgot his PIN", "--letter", setup["bob.letter"])).Checked();
        await setup.AssertOpensAsync(await setup.SealSmimeAsync(card), Pin(setup), card);
        (await setup.OlgaAsync("revoke", "--address", "bob@example.org", "--reason", "lost")).Checked();
        Assert.Equal(1, (await setup.OlgaAsync("resume", "--virtual-card", card, "--reason", "found")).ExitCode);

        var audit = await setup.AuditAsync();
        foreach (var action in new[]
        {
            "operator.log-on", "card.order", "card.keys", "escrow.release", "card.imported", "card.certified", "card.codes-begun", "card.codes-set",
            "card.master-key-written", "card.issue", "operator.log-off",
        })
        {
            Assert.Contains(action, audit, StringComparison.Ordinal);
        }
        (await Tool.RunAsync(Programs.Kdc, ["audit", "verify", "--state", setup.Kdc.State])).Checked();
        var crl = setup["issuing.crl"];
        (await setup.Kdc.ToolAsync("ca", "crl", "--out", crl)).Checked();
        var revoked = (await Tool.RunAsync("openssl", ["crl", "-in", crl, "-noout", "-text"])).Checked().Text;
        Assert.Equal(6, revoked.Split("Serial Number:").Length - 1);
    }

    [Fact]
    public async Task Without_escrow_the_operator_confirms_and_the_card_makes_its_own_encryption_key()
    {
        await using var setup = await StationSetup.StartAsync("cards:\n  escrow: forbidden\n");
        var card = await setup.NewCardAsync("bob.card");
        string[] bob = ["--address", "bob@example.org", "--name", "Bob Example", "--virtual-card", card, "--algorithm", "Rsa2048", "--letter", setup["bob.letter"]];
        var asked = await setup.OlgaAsync(["issue", .. bob]);
        Assert.Equal(1, asked.ExitCode);
        Assert.Contains("can't be read any more", asked.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(setup["bob.letter"]));
        (await setup.OlgaAsync("abandon", "--virtual-card", card, "--reason", "another card was meant")).Checked();

        var temporary = await setup.OlgaAsync(["temporary", .. bob, "--until", "2099-01-01", "--yes"]);
        Assert.True(temporary.ExitCode == 0, temporary.All);
        await setup.AssertOpensAsync(await setup.SealSmimeAsync(card), Pin(setup), card);
        Assert.DoesNotContain("escrow.release", await setup.AuditAsync(), StringComparison.Ordinal);
        var life = (await setup.OlgaAsync("show", "--life", "--json", "--virtual-card", card)).Checked().Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(l => JsonDocument.Parse(l).RootElement.GetProperty("standing").GetString());
        Assert.Equal(["Revoked", "Active"], life);
    }

    private static string Pin(StationSetup setup) => StationSetup.PinOf(setup["bob.letter"]);
}
