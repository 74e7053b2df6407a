using System.Text;
using System.Text.Json;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>One of our own people with a virtual card that the station issued; opens mail with <c>cardmail</c>.</summary>
internal sealed class CardHolder
{
    public const string Pin = "246802";

    private CardHolder(string card) => Card = card;

    /// <summary>The card's file.</summary>
    public string Card { get; }

    public static Task<CardHolder> IssueAsync(GatewayProcess gateway, string address) => IssueAsync(gateway.State, name => gateway[name], address);

    /// <param name="state">Of the KDC, wherever it runs.</param>
    /// <param name="file">Where the test keeps files of that name.</param>
    public static async Task<CardHolder> IssueAsync(string state, Func<string, string> file, string address)
    {
        var card = file(address + ".card");
        (await Tool.RunAsync(Programs.CardStation, ["virtual-card", "create", card])).Checked();
        var pin = file(address + ".pin");
        await File.WriteAllTextAsync(pin, Pin + "\n");
        (await Tool.RunAsync(Programs.CardStation,
        [
            "trial", "issue", "--state", state, "--address", address, "--virtual-card", card, "--pin-file", pin, "--realm", "example.org",
            "--letter", file(address + ".letter"),
        ])).Checked();
        return new CardHolder(card);
    }

    public Task<ToolResult> OpenAsync(string mailFile, string output, string pin = Pin) => OpenAsync(Card, mailFile, output, pin);

    public static Task<ToolResult> OpenAsync(string card, string mailFile, string output, string pin = Pin) =>
        Tool.RunAsync(
            Programs.CardMail,
            ["open", mailFile, "--virtual-card", card, "--pin-stdin", "--json", "--out", output],
            Encoding.ASCII.GetBytes(pin + "\n"));

    /// <summary>A trial card's file holds in clear what a real card never gives away.</summary>
    public (byte[] Key, CardIdentity Identity) ReadTrialCard()
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Card));
        var key = json.RootElement.GetProperty("AesKey").GetBytesFromBase64();
        using var card = VirtualOpenPgpCard.Open(Card);
        var client = OpenPgpCard.Select(new LocalCardChannel(card.Atr, a => card.Process(a), card.Reset));
        return (key, CardIdentity.Decode(client.GetData(0x0102)) ?? throw new InvalidOperationException("The card names no holder."));
    }
}
