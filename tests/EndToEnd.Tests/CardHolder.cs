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

    public static async Task<CardHolder> IssueAsync(GatewayProcess gateway, string address)
    {
        var card = gateway[address + ".card"];
        (await Tool.RunAsync(Programs.CardStation, ["virtual-card", "create", card])).Checked();
        var pin = gateway[address + ".pin"];
        await File.WriteAllTextAsync(pin, Pin + "\n");
        (await Tool.RunAsync(Programs.CardStation,
        [
            "issue", "--state", gateway.State, "--address", address, "--virtual-card", card, "--pin-file", pin, "--realm", "example.org",
            "--letter", gateway[address + ".letter"],
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
