using GatewaySecure.SmartCard;
using GatewaySecure.SmartCard.Tests;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>
/// kill -9 at every change of a card, by the card's own hand: before it does what it was told, or after it did and before it answers. The station
/// that comes next goes on, and ends with one card and one set of keys.
/// </summary>
[Collection("pcscd")]
public sealed class StationKillTests(PrivatePcscd pcscd)
{
    /// <param name="every">Each step of a card has a few points; so many apart, one is in each of them.</param>
    [Theory]
    [InlineData("openpgp", 3)]
    [InlineData("piv", 4)]
    public async Task A_killed_station_leaves_a_card_that_the_next_run_finishes(string kind, int every)
    {
        await using var setup = await StationSetup.StartAsync();
        var (changes, cards) = (0, 1);
        using (var memory = New(kind))
        {
            using var counting = new PointCard(memory, int.MaxValue, () => { });
            await using var plugged = await pcscd.PlugAsync(counting);
            await using var whole = Issue(setup, plugged, 0);
            Assert.Equal(0, await whole.EndAsync(TimeSpan.FromSeconds(30)));
            changes = counting.Points;
        }
        Assert.InRange(changes, 20, 120);

        for (var at = 1; at <= changes; at += every)
        {
            using var memory = New(kind);
            StationProcess? station = null;
            using var killing = new PointCard(memory, at, () => station!.Kill());
            await using (var plugged = await pcscd.PlugAsync(killing))
            {
                await using (station = Issue(setup, plugged, at))
                    Assert.Equal(137, await station.EndAsync(TimeSpan.FromSeconds(30)));
                await using var next = Issue(setup, plugged, at);
                Assert.True(await next.EndAsync(TimeSpan.FromSeconds(30)) == 0, next.Text);
            }
            AssertWhole(setup, memory, at);
            cards++;
        }
        (await TestKit.Tool.RunAsync(Programs.Kdc, ["audit", "verify", "--state", setup.Kdc.State])).Checked();
        var actions = (await setup.AuditAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[2]).ToList();
        foreach (var once in new[] { "card.order", "card.imported", "card.certified", "card.codes-begun", "card.codes-set", "card.master-key-written", "card.issue", "key.renew" })
            Assert.Equal(cards, actions.Count(a => a == once));
        Assert.Equal(3 * cards, actions.Count(a => a == "certificate.issue"));
        Assert.DoesNotContain("certificate.revoke", actions);
    }

    private StationProcess Issue(StationSetup setup, PluggedCard card, int user) => new(
        setup,
        [
            "issue", "--address", $"user{user}@example.org", "--name", $"User {user}", "--algorithm", "P256", "--reader", card.Reader,
            "--operator-card", setup["olga.card"], "--letter", setup[$"{user}.letter"],
        ],
        pcscd.Environment);

    private static IVirtualCard New(string kind) => kind == "piv" ? VirtualPivCard.CreateInMemory() : VirtualOpenPgpCard.CreateInMemory();

    /// <summary>Three certified keys, each with its certificate; the letter's PIN; a master key or a ticket key behind it.</summary>
    private static void AssertWhole(StationSetup setup, IVirtualCard memory, int user)
    {
        var card = CardRecognition.Select(new LocalCardChannel(memory.Atr, a => memory.Process(a), memory.Reset));
        using var session = card.BeginSession();
        var keys = card.ReadKeys();
        Assert.Equal(3, keys.Count(k => k.Slot.Use != CardUse.Ticket));
        Assert.All(keys.Where(k => k.Slot.Use != CardUse.Ticket), k =>
        {
            using var certificate = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificate(k.Certificate.Span);
            Assert.True(k.Public.IsSameAs(CardPublicKey.Of(certificate)!));
        });
        Assert.IsType<PinResult.Ok>(card.Verify(CardPin.User, StationSetup.PinOf(setup[$"{user}.letter"]), CardUse.Decipher));
        if (card.Describe().HasAesSlot)
            Assert.Equal(32, card.DecipherAes(new byte[32]).Length);
        else
            Assert.Single(keys, k => k.Slot.Use == CardUse.Ticket);
        Assert.Equal(1, KdcCore.EnrolledCard.Decode(card.ReadIdentity()!)!.Identity.Kvno);
    }
}
