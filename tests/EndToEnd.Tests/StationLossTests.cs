using System.Text.Json;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>A card is lost: another one takes its place, and two operators bring the keys for old mail to it.</summary>
public sealed class StationLossTests
{
    [Fact]
    public async Task Old_mail_opens_with_the_replaced_card_after_two_operators_recovered_its_key()
    {
        await using var setup = await StationSetup.StartAsync(prepare: s => s.AddOperatorAsync("peter", "piv"));
        var lost = await setup.NewCardAsync("lost.card");
        (await setup.OlgaAsync(
            "issue", "--address", "bob@example.org", "--name", "Bob Example", "--virtual-card", lost, "--algorithm", "Rsa2048", "--letter", setup["lost.letter"])).Checked();
        var mail = await setup.SealSmimeAsync(lost);
        await setup.AssertOpensAsync(mail, StationSetup.PinOf(setup["lost.letter"]), lost);

        var fresh = await setup.NewCardAsync("fresh.card", "piv");
        string[] replace = ["replace", "--address", "bob@example.org", "--virtual-card", fresh, "--algorithm", "Rsa2048", "--reason", "lost in the train", "--letter", setup["fresh.letter"]];
        // Not without the operator's word, as the old one is revoked for ever.
        Assert.Equal(1, (await setup.OlgaAsync(replace)).ExitCode);
        var replaced = await setup.OlgaAsync([.. replace, "--yes"]);
        Assert.True(replaced.ExitCode == 0, replaced.All);
        Assert.True(KvnoOf(fresh) > KvnoOf(lost));
        var life = (await setup.OlgaAsync("show", "--life", "--json", "--virtual-card", lost)).Checked().Text;
        Assert.Equal("Revoked", JsonDocument.Parse(life).RootElement.GetProperty("standing").GetString());
        var pin = StationSetup.PinOf(setup["fresh.letter"]);
        await setup.AssertOpensAsync(await setup.SealSmimeAsync(fresh), pin, fresh);
        Assert.NotEqual(0, (await CardHolder.OpenAsync(fresh, mail, mail + ".none", pin)).ExitCode);

        // Onto an OpenPGP card there is no way: it has one place for such a key.
        Assert.Equal(1, (await RequestAsync(setup, lost)).ExitCode);
        var requested = await RequestAsync(setup, fresh);
        var id = JsonDocument.Parse(requested.Checked().Output).RootElement.GetProperty("id").GetString()!;
        await RefusedAsync(setup.OlgaAsync("recover", "approve", id, "--yes"), "needs two operators");
        await RefusedAsync(setup.OlgaAsync("recover", "collect", id, "--virtual-card", fresh), "not approved");
        (await setup.AsAsync("peter", "recover", "approve", id, "--yes")).Checked();
        await RefusedAsync(setup.AsAsync("peter", "recover", "collect", id, "--virtual-card", fresh), "operator who requested");
        Assert.Contains("1 keys", (await setup.OlgaAsync("recover", "collect", id, "--virtual-card", fresh)).Checked().Text, StringComparison.Ordinal);
        await RefusedAsync(setup.OlgaAsync("recover", "collect", id, "--virtual-card", fresh), "no open recovery");

        await setup.AssertOpensAsync(mail, pin, fresh);
        Assert.Single(StationSetup.KeysOf(fresh), k => k.Slot.Retired && !k.Certificate.IsEmpty);
        var audit = await setup.AuditAsync();
        foreach (var action in new[] { "recovery.request", "recovery.approve", "recovery.release", "card.revoke" })
            Assert.Contains(action, audit, StringComparison.Ordinal);
    }

    private static Task<ToolResult> RequestAsync(StationSetup setup, string card) => setup.OlgaAsync(
        "recover", "request", "--address", "bob@example.org", "--virtual-card", card, "--reason", "card lost in the train", "--json");

    private static async Task RefusedAsync(Task<ToolResult> asked, string why)
    {
        var result = await asked;
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(why, result.Error, StringComparison.Ordinal);
    }

    private static int KvnoOf(string card)
    {
        using var memory = VirtualCards.Open(card);
        var client = CardRecognition.Select(new LocalCardChannel(memory.Atr, a => memory.Process(a), memory.Reset));
        return EnrolledCard.Decode(client.ReadIdentity()!)!.Identity.Kvno;
    }
}
