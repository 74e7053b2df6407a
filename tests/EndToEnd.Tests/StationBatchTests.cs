using System.Text.Json;
using GatewaySecure.SmartCard.Tests;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>One card after the other through one reader.</summary>
[Collection("pcscd")]
public sealed class StationBatchTests(PrivatePcscd pcscd)
{
    [Fact]
    public async Task A_batch_that_was_killed_goes_on_with_who_has_no_card_yet()
    {
        await using var setup = await StationSetup.StartAsync();
        await File.WriteAllTextAsync(setup["users.csv"], "name,address\n\"Bob, Example\",bob@example.org\nCarol,carol@example.org\nDana,dana@example.org\n", TestContext.Current.CancellationToken);
        using var bob = VirtualOpenPgpCard.CreateInMemory();
        using var carol = VirtualPivCard.CreateInMemory();
        using var dana = VirtualOpenPgpCard.CreateInMemory();
        string[] batch = ["batch", setup["users.csv"], "--letters", setup["letters"], "--algorithm", "P256", "--json", "--operator-card", setup["olga.card"], "--wait", "60"];

        await using (var first = new StationProcess(setup, batch, pcscd.Environment))
        {
            await first.WaitForAsync("Insert a card for Bob, Example");
            await using (await pcscd.PlugAsync(bob))
                await first.WaitForAsync("Take the card of Bob, Example out.");
            await first.WaitForAsync("1 of 3");
            await first.WaitForAsync("Insert a card for Carol");
            // Bob's card again: it is his, and stays so.
            await using (await pcscd.PlugAsync(bob))
                await first.WaitForAsync("This is the card of Bob, Example.");
            await using (await pcscd.PlugAsync(carol))
            {
                await first.WaitForAsync("left");
                first.Kill();
                Assert.Equal(137, await first.EndAsync(TimeSpan.FromSeconds(10)));
            }
        }

        await using var second = new StationProcess(setup, batch, pcscd.Environment);
        await second.WaitForAsync("\"status\":\"has a card\"");
        if (await InsertedAsync(second, "Carol"))
        {
            await using (await pcscd.PlugAsync(carol))
                await second.WaitForAsync("Take the card of Carol out.");
        }
        await second.WaitForAsync("Insert a card for Dana");
        await using (await pcscd.PlugAsync(dana))
            await second.WaitForAsync("Take the card of Dana out.");
        Assert.Equal(0, await second.EndAsync(TimeSpan.FromSeconds(20)));
        var told = second.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => l.StartsWith('{'))
            .Select(l => JsonDocument.Parse(l).RootElement).ToList();
        Assert.Equal(["bob@example.org", "carol@example.org", "dana@example.org"], told.Select(t => t.GetProperty("address").GetString()));
        Assert.All(told, t => Assert.Contains(t.GetProperty("status").GetString(), (string[])["issued", "has a card"]));
        Assert.Equal(3, Directory.GetFiles(setup["letters"]).Length);
        foreach (var letter in Directory.GetFiles(setup["letters"]))
        {
            if (!OperatingSystem.IsWindows())
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(letter));
        }

        // opensc-tool and gpg see a card like any other.
        await using var plugged = await pcscd.PlugAsync(dana);
        Assert.Contains("OpenPGP", (await Tool.RunAsync("opensc-tool", ["-r", plugged.Reader, "-n"], null, pcscd.Environment)).Checked().All, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Killed late enough, she had her card already.</summary>
    private static async Task<bool> InsertedAsync(StationProcess station, string name)
    {
        for (var i = 0; i < 400; i++)
        {
            if (station.Text.Contains($"Insert a card for {name}", StringComparison.Ordinal))
                return true;
            if (station.Text.Contains("Insert a card for Dana", StringComparison.Ordinal))
                return false;
            await Task.Delay(50);
        }
        throw new TimeoutException(station.Text);
    }
}
