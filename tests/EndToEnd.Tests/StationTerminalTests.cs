using GatewaySecure.SmartCard.Tests;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>The station on a terminal: what people type is not shown, and how far a batch is is drawn.</summary>
[Collection("pcscd")]
public sealed class StationTerminalTests(PrivatePcscd pcscd)
{
    private const string UsersPin = "864209";

    [Fact]
    public async Task A_pin_that_the_user_types_is_not_shown_and_opens_his_card()
    {
        await using var setup = await StationSetup.StartAsync();
        var card = await setup.NewCardAsync("bob.card");
        string[] issue =
        [
            "issue", "--address", "bob@example.org", "--name", "Bob", "--algorithm", "P256", "--virtual-card", card, "--pin", "--letter", setup["bob.letter"],
            "--operator-card", setup["olga.card"], .. setup.Secrets(),
        ];
        using (var typo = new Terminal(Programs.CardStation, issue))
        {
            await typo.WaitForAsync("The user's new PIN: ");
            await typo.TypeAsync(UsersPin);
            await typo.WaitForAsync("The user's new PIN again: ");
            await typo.TypeAsync("864200");
            Assert.Equal(1, await typo.EndAsync());
            Assert.Contains("The two are different; nothing was done.", typo.Text, StringComparison.Ordinal);
        }
        using (var terminal = new Terminal(Programs.CardStation, issue))
        {
            await terminal.WaitForAsync("The user's new PIN: ");
            // A slip that is taken back.
            await terminal.TypeAsync("87\u007f64209");
            await terminal.WaitForAsync("The user's new PIN again: ");
            await terminal.TypeAsync(UsersPin);
            Assert.True(await terminal.EndAsync() == 0, terminal.Text);
            Assert.DoesNotContain(UsersPin, terminal.Text, StringComparison.Ordinal);
            Assert.Contains("the card is active", terminal.Text, StringComparison.Ordinal);
        }
        await setup.AssertOpensAsync(await setup.SealSmimeAsync(card), UsersPin, card);
    }

    [Fact]
    public async Task A_batch_draws_how_far_it_is()
    {
        await using var setup = await StationSetup.StartAsync();
        await File.WriteAllTextAsync(setup["users.csv"], "name,address\nBob,bob@example.org\nCarol,carol@example.org\n", TestContext.Current.CancellationToken);
        using var bob = VirtualOpenPgpCard.CreateInMemory();
        using var carol = VirtualOpenPgpCard.CreateInMemory();
        using var terminal = new Terminal(
            Programs.CardStation,
            ["batch", setup["users.csv"], "--letters", setup["letters"], "--algorithm", "P256", "--operator-card", setup["olga.card"], "--wait", "60", .. setup.Secrets()],
            pcscd.Environment);
        await terminal.WaitForAsync("\r\e[K[........................] 0/2  Insert a card for Bob <bob@example.org>.");
        await using (await pcscd.PlugAsync(bob))
        {
            foreach (var step in new[] { "KeysMade", "Certified", "MasterKeyWritten", "Take the card of Bob out." })
                await terminal.WaitForAsync($"] 0/2  {step}");
        }
        await terminal.WaitForAsync("\r\e[K[############............] 1/2, about 00:00:");
        await terminal.WaitForAsync("Insert a card for Carol");
        await using (await pcscd.PlugAsync(carol))
            await terminal.WaitForAsync("Take the card of Carol out.");
        Assert.True(await terminal.EndAsync() == 0, terminal.Text);
        Assert.Contains("[########################] 2/2", terminal.Text, StringComparison.Ordinal);
        // The bar goes when the work is done.
        Assert.EndsWith("\r\e[K", terminal.Text, StringComparison.Ordinal);
    }
}
