using System.Text;
using System.Text.Json;
using GatewaySecure.SmartCard;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.CardClient.Tests;

/// <summary>A PIN's life as its holder meets it: <c>cardmail status</c>, <c>pin change</c>, <c>pin unblock</c>.</summary>
public sealed class PinLifeTests : IDisposable
{
    private const string Pin = "123456";
    private const string Code = "76543210";
    private readonly TempDirectory _directory = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Card => _directory["bob.card"];

    public static TheoryData<CardKind> Kinds => [CardKind.OpenPgp, CardKind.Piv];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_pin_is_changed(CardKind kind)
    {
        Make(kind);
        var changed = await RunAsync($"{Pin}\n246802\n", "pin", "change", "--pin-stdin", "--json");
        Assert.True(changed.ExitCode == 0, changed.All);
        var wrong = await RunAsync($"{Pin}\n135791\n", "pin", "change", "--pin-stdin", "--json");
        Assert.Equal((int)OpeningStatus.WrongPin, wrong.ExitCode);
        Assert.Equal(2, Json(wrong).GetProperty("triesLeft").GetInt32());
        Assert.Equal(0, (await RunAsync($"246802\n{Pin}\n", "pin", "change", "--pin-stdin")).ExitCode);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Three_wrong_pins_are_explained_before_the_third_and_unblocked_by_the_code(CardKind kind)
    {
        Make(kind);
        var second = "";
        for (var i = 0; i < 2; i++)
            second = (await RunAsync("999999\n246802\n", "pin", "change", "--pin-stdin")).All;
        Assert.Contains("One try is left", second, StringComparison.Ordinal);
        var third = await RunAsync("999999\n246802\n", "pin", "change", "--pin-stdin", "--json");
        Assert.Equal((int)OpeningStatus.CardBlocked, third.ExitCode);
        Assert.Contains("cardmail pin unblock", Json(third).GetProperty("text").GetString(), StringComparison.Ordinal);
        var status = await RunAsync("", "status");
        Assert.Equal((int)OpeningStatus.CardBlocked, status.ExitCode);
        Assert.Contains("BLOCKED", status.All, StringComparison.Ordinal);

        var wrong = await RunAsync("00000000\n246802\n", "pin", "unblock", "--pin-stdin", "--json");
        Assert.Equal((int)OpeningStatus.WrongPin, wrong.ExitCode);
        Assert.Equal(2, Json(wrong).GetProperty("triesLeft").GetInt32());
        var unblocked = await RunAsync($"{Code}\n246802\n", "pin", "unblock", "--pin-stdin");
        Assert.True(unblocked.ExitCode == 0, unblocked.All);
        Assert.Equal(0, (await RunAsync("", "status")).ExitCode);
        Assert.Equal(0, (await RunAsync($"246802\n{Pin}\n", "pin", "change", "--pin-stdin")).ExitCode);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_blocked_unblocking_code_says_who_can_help(CardKind kind)
    {
        Make(kind);
        for (var i = 0; i < 3; i++)
            await RunAsync("00000000\n246802\n", "pin", "unblock", "--pin-stdin");
        var blocked = await RunAsync($"{Code}\n246802\n", "pin", "unblock", "--pin-stdin", "--json");
        Assert.Equal((int)OpeningStatus.CardBlocked, blocked.ExitCode);
        Assert.Contains("card station", Json(blocked).GetProperty("text").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_new_pin_that_can_not_be_one_costs_no_try(CardKind kind)
    {
        Make(kind);
        var fresh = kind == CardKind.Piv ? "123456789" : "12345";
        var refused = await RunAsync($"999999\n{fresh}\n", "pin", "change", "--pin-stdin");
        Assert.Equal((int)OpeningStatus.Usage, refused.ExitCode);
        Assert.Contains("characters", refused.All, StringComparison.Ordinal);
        var empty = await RunAsync("\n246802\n", "pin", "change", "--pin-stdin");
        Assert.Equal((int)OpeningStatus.Usage, empty.ExitCode);
        Assert.Equal(3, await TriesAsync("User"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Status_tells_tries_and_keys_in_words_and_as_json(CardKind kind)
    {
        Make(kind);
        await RunAsync("999999\n246802\n", "pin", "change", "--pin-stdin");
        Assert.Equal(2, await TriesAsync("User"));
        Assert.Equal(3, await TriesAsync("Unblocking"));
        var words = await RunAsync("", "status");
        Assert.Contains("PIN: 2 tries left", words.All, StringComparison.Ordinal);
        Assert.Contains("opens mail", words.All, StringComparison.Ordinal);
        var json = Json(await RunAsync("", "status", "--json"));
        Assert.Equal("P256", json.GetProperty("keys")[0].GetProperty("algorithm").GetString());
        Assert.Equal(kind.ToString(), json.GetProperty("kind").GetString());
    }

    [Fact]
    public async Task A_blocked_card_is_said_before_the_pin_is_asked_for()
    {
        Make(CardKind.Piv);
        for (var i = 0; i < 3; i++)
            await RunAsync("999999\n246802\n", "pin", "change", "--pin-stdin");
        await File.WriteAllTextAsync(_directory["mail.eml"], "Subject: s\r\n\r\n", Cancel);
        // Without a PIN and without a terminal: asking would be a usage error.
        var opened = await Tool.RunAsync("dotnet",
            [typeof(MailOpening).Assembly.Location, "open", _directory["mail.eml"], "--virtual-card", Card]);
        Assert.True(opened.ExitCode == (int)OpeningStatus.CardBlocked, opened.All);
    }

    [Fact]
    public async Task A_card_without_an_unblocking_code_says_so_before_one_is_tried()
    {
        using (VirtualOpenPgpCard.Create(Card))
        {
        }
        var result = await RunAsync($"{Code}\n246802\n", "pin", "unblock", "--pin-stdin");
        Assert.Equal((int)OpeningStatus.CardBlocked, result.ExitCode);
        Assert.Contains("never set", result.All, StringComparison.Ordinal);
    }

    private void Make(CardKind kind)
    {
        using IVirtualCard card = kind == CardKind.Piv ? VirtualPivCard.Create(Card) : VirtualOpenPgpCard.Create(Card);
        var client = CardRecognition.Select(new LocalCardChannel(card.Atr, a => card.Process(a), card.Reset));
        using var session = client.BeginSession();
        var code = kind == CardKind.Piv ? VirtualPivCard.DefaultManagementKey : VirtualOpenPgpCard.DefaultAdminPin;
        Assert.IsType<PinResult.Ok>(client.Verify(CardPin.Administrator, code, CardUse.Sign));
        Assert.IsType<PinResult.Ok>(client.ChangePin(CardPin.Unblocking, VirtualPivCard.DefaultUnblockingPin, Code));
        client.GenerateKey(client.Slot(CardUse.Decipher)!, CardKeyAlgorithm.P256, DateTimeOffset.UnixEpoch);
    }

    private async Task<int> TriesAsync(string pin) =>
        Json(await RunAsync("", "status", "--json")).GetProperty("pins").EnumerateArray()
            .Single(p => p.GetProperty("pin").GetString() == pin).GetProperty("triesLeft").GetInt32();

    private static JsonElement Json(ToolResult result) => JsonDocument.Parse(result.Output).RootElement;

    private Task<ToolResult> RunAsync(string input, params string[] arguments) =>
        Tool.RunAsync("dotnet", [typeof(MailOpening).Assembly.Location, .. arguments, "--virtual-card", Card], Encoding.ASCII.GetBytes(input));
}
