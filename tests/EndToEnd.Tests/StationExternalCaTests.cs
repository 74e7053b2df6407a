using System.Text.Json;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Cards certified by a CA elsewhere, openssl's, which gets requests in files and knows nothing of the KDC.</summary>
public sealed class StationExternalCaTests
{
    [Theory]
    [InlineData("openpgp", "Rsa2048")]
    [InlineData("piv", "P256")]
    public async Task A_card_waits_for_the_CA_elsewhere_and_goes_on_with_what_comes_back(string kind, string algorithm)
    {
        await using var setup = await StartAsync();
        var card = await setup.NewCardAsync("bob.card", kind);
        string[] issue =
        [
            "issue", "--address", "bob@example.org", "--name", "Bob Example", "--virtual-card", card, "--algorithm", algorithm, "--letter", setup["bob.letter"],
        ];
        var first = await setup.OlgaAsync(issue);
        Assert.Equal(1, first.ExitCode);
        Assert.Contains("kdc ca requests", first.Error, StringComparison.Ordinal);
        // Nothing is certified twice, and no keys are made anew, however often somebody asks.
        Assert.Equal(1, (await setup.OlgaAsync(issue)).ExitCode);

        var requests = await RequestsAsync(setup);
        Assert.Equal(["card-log-on", "mail-encryption", "mail-signing"], requests.Select(r => r.Use).Order());
        var folder = setup["to-ca"];
        (await setup.Kdc.ToolAsync("ca", "requests", "--out", folder)).Checked();
        Assert.Equal(4, File.ReadLines(Path.Combine(folder, "requests.csv")).Count());

        // One that names somebody else is not taken, and the others are.
        foreach (var request in requests)
            await SignAsync(setup, folder, request, request.Use == "card-log-on" ? "eve@example.org" : "bob@example.org");
        var taken = await setup.Kdc.ToolAsync(["ca", "take", .. requests.Select(r => setup[r.File + ".pem"]), setup["company.pem"]]);
        Assert.Equal(1, taken.ExitCode);
        Assert.Contains("eve@example.org", taken.All, StringComparison.Ordinal);
        Assert.Contains("1 requests wait", taken.All, StringComparison.Ordinal);
        Assert.Equal(1, (await setup.OlgaAsync(issue)).ExitCode);
        await SignAsync(setup, folder, requests.Single(r => r.Use == "card-log-on"), "bob@example.org");
        (await setup.Kdc.ToolAsync("ca", "take", setup[requests.Single(r => r.Use == "card-log-on").File + ".pem"])).Checked();

        var issued = await setup.OlgaAsync(issue);
        Assert.True(issued.ExitCode == 0, issued.All);
        var keys = StationSetup.KeysOf(card);
        Assert.Equal(3, keys.Count(k => !k.Certificate.IsEmpty));
        await setup.AssertOpensAsync(await setup.SealSmimeAsync(card, setup["company.pem"]), StationSetup.PinOf(setup["bob.letter"]), card);

        // Its certificates follow the card here; there, somebody has to be told.
        (await setup.OlgaAsync("revoke", "--address", "bob@example.org", "--reason", "lost")).Checked();
        var list = JsonDocument.Parse((await setup.Kdc.ToolAsync("ca", "list", "--for", "bob@example.org", "--json")).Checked().Text).RootElement;
        Assert.All(list.EnumerateArray(), c => Assert.Equal("key-compromise", c.GetProperty("reason").GetString()));
        Assert.Equal(3, list.GetArrayLength());
        var audit = await setup.AuditAsync();
        foreach (var action in new[] { "card.requested", "certificate.accept", "certificate.revoke" })
            Assert.Contains(action, audit, StringComparison.Ordinal);
        (await Tool.RunAsync(Programs.Kdc, ["audit", "verify", "--state", setup.Kdc.State])).Checked();
    }

    [Fact]
    public async Task A_card_that_is_given_up_asks_for_nothing_any_more()
    {
        await using var setup = await StartAsync();
        var card = await setup.NewCardAsync("bob.card");
        Assert.Equal(1, (await setup.OlgaAsync("issue", "--address", "bob@example.org", "--name", "Bob Example", "--virtual-card", card)).ExitCode);
        (await setup.OlgaAsync("abandon", "--virtual-card", card, "--reason", "wrong card")).Checked();
        Assert.Empty(await RequestsAsync(setup));
        var nothing = await setup.Kdc.ToolAsync("ca", "take", setup["company.pem"]);
        Assert.Equal(1, nothing.ExitCode);
        Assert.Contains("for a key that waits", nothing.All, StringComparison.Ordinal);
    }

    private static Task<StationSetup> StartAsync() => StationSetup.StartAsync(ca: "ca:\n  external: company.pem\n", prepare: async setup =>
        (await Tool.RunAsync("openssl",
        [
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Company CA", "-days", "30", "-keyout", setup["company.key"], "-out", setup["company.pem"],
        ])).Checked());

    private static async Task<List<(string File, string Use, string Usage, string Extended)>> RequestsAsync(StationSetup setup) =>
        [.. JsonDocument.Parse((await setup.Kdc.ToolAsync("ca", "requests", "--json")).Checked().Text).RootElement.EnumerateArray().Select(r =>
            (r.GetProperty("file").GetString()!, r.GetProperty("use").GetString()!, r.GetProperty("keyUsage").GetString()!, r.GetProperty("extendedKeyUsage").GetString()!))];

    /// <summary>As the list says; the key alone comes from the request.</summary>
    private static async Task SignAsync(StationSetup setup, string folder, (string File, string Use, string Usage, string Extended) request, string address)
    {
        var usage = string.Join(',', request.Usage.Split(", ").Select(u => char.ToLowerInvariant(u[0]) + u[1..]));
        await File.WriteAllTextAsync(setup["extensions"], $"keyUsage=critical,{usage}\nextendedKeyUsage={request.Extended}\nsubjectAltName=email:{address}\n");
        (await Tool.RunAsync("openssl",
        [
            "x509", "-req", "-in", Path.Combine(folder, request.File), "-CA", setup["company.pem"], "-CAkey", setup["company.key"], "-days", "20",
            "-extfile", setup["extensions"], "-out", setup[request.File + ".pem"],
        ])).Checked();
    }
}
