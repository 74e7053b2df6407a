using System.Security.Cryptography;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

/// <summary>The client through the real pcscd: verification, removal, restart, transactions.</summary>
[Collection("pcscd")]
public sealed class PcscTests(PrivatePcscd pcscd)
{
    private const string Pin = VirtualOpenPgpCard.DefaultUserPin;

    [Fact]
    public async Task Aes_slot_deciphers_after_the_pin()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        await using var plugged = await pcscd.PlugAsync(card);
        using var context = new PcscContext();
        using var channel = context.Connect(plugged.Reader);
        Assert.Equal(card.Atr.ToArray(), channel.Atr.ToArray());
        var client = OpenPgpCard.Select(channel);
        var key = RandomNumberGenerator.GetBytes(32);
        using var aes = Aes.Create();
        aes.SetKey(key);
        var clear = RandomNumberGenerator.GetBytes(32);
        var secret = aes.EncryptCbc(clear, new byte[16], PaddingMode.None);
        using (client.BeginSession())
        {
            Assert.IsType<PinResult.Ok>(client.VerifyPin(PinMode.Admin, VirtualOpenPgpCard.DefaultAdminPin));
            client.PutAesKey(key);
            Assert.Equal(CardFault.PinNeeded, Assert.Throws<CardException>(() => client.DecipherAes(secret)).Fault);
            Assert.IsType<PinResult.Ok>(client.VerifyPin(PinMode.User, Pin));
            Assert.Equal(clear, client.DecipherAes(secret));
        }
        Assert.Equal(new byte[32], key);
        Assert.Equal(CardFault.PinNeeded, Assert.Throws<CardException>(() => client.DecipherAes(secret)).Fault);
    }

    [Theory]
    [InlineData(CardKind.OpenPgp)]
    [InlineData(CardKind.Piv)]
    public async Task Every_algorithm_works_through_the_reader(CardKind kind)
    {
        using IVirtualCard card = kind == CardKind.Piv ? VirtualPivCard.CreateInMemory() : VirtualOpenPgpCard.CreateInMemory();
        await using var plugged = await pcscd.PlugAsync(card);
        using var context = new PcscContext();
        using var channel = context.Connect(plugged.Reader);
        var codes = new EveryCardTests.Codes(Pin, "", kind == CardKind.Piv ? VirtualPivCard.DefaultManagementKey : VirtualOpenPgpCard.DefaultAdminPin);
        foreach (var algorithm in Enum.GetValues<CardKeyAlgorithm>())
            EveryCardTests.Exercise(CardRecognition.Select(channel), codes, algorithm);
    }

    [Fact]
    public async Task Removal_is_an_error_and_a_new_connection_finds_the_card_again()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        using var context = new PcscContext();
        ReaderStatus before;
        ICardChannel channel;
        var plugged = await pcscd.PlugAsync(card);
        await using (plugged)
        {
            channel = context.Connect(plugged.Reader);
            var client = OpenPgpCard.Select(channel);
            Assert.IsType<PinResult.Ok>(client.VerifyPin(PinMode.User, Pin));
            before = context.GetStatus(plugged.Reader);
        }
        Assert.False(context.GetStatus(plugged.Reader).CardInserted);
        var dead = Assert.Throws<CardException>(() => channel.Transmit([0, 0x20, 0, 0x82]));
        Assert.Equal(CardFault.NoCard, dead.Fault);
        Assert.Equal(CardFault.NoCard, Assert.Throws<CardException>(() => context.Connect(plugged.Reader)).Fault);

        await using var again = await pcscd.PlugAsync(card);
        Assert.Throws<CardException>(() => channel.Transmit([0, 0x20, 0, 0x82]));
        channel.Dispose();
        Assert.True(context.GetStatus(again.Reader).Events > before.Events);
        using var second = context.Connect(again.Reader);
        // Nothing survived the removal: asked without a PIN, the card names the tries.
        Assert.Equal(0x63C3, OpenPgpCard.Select(second).Send(new Apdu(0, 0x20, 0, 0x82)).Status);
    }

    [Fact]
    public async Task A_transaction_keeps_other_programs_out_and_leaves_nothing_verified()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        await using var plugged = await pcscd.PlugAsync(card);
        using var mine = new PcscContext();
        using var theirs = new PcscContext();
        using var first = mine.Connect(plugged.Reader);
        using var second = theirs.Connect(plugged.Reader);
        var client = OpenPgpCard.Select(first);
        var session = client.BeginSession();
        Assert.IsType<PinResult.Ok>(client.VerifyPin(PinMode.User, Pin));
        using var started = new ManualResetEventSlim();
        var other = Task.Run(() =>
        {
            started.Set();
            return second.Transmit([0, 0x20, 0, 0x82]);
        }, TestContext.Current.CancellationToken);
        started.Wait(TestContext.Current.CancellationToken);
        for (var i = 0; i < 50; i++)
            Assert.Equal([0x90, 0x00], first.Transmit([0, 0x20, 0, 0x82]));
        Assert.False(other.IsCompleted);
        session.Dispose();
        // It was served after the end, by a card that knows of no PIN and was not reset under it.
        Assert.Equal([0x63, 0xC3], await other);
    }

    [Fact]
    public async Task A_bare_transaction_ends_with_a_reset_that_others_are_told_of()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        await using var plugged = await pcscd.PlugAsync(card);
        using var mine = new PcscContext();
        using var theirs = new PcscContext();
        using var first = mine.Connect(plugged.Reader);
        using var second = theirs.Connect(plugged.Reader);
        using (first.BeginTransaction())
            Assert.IsType<PinResult.Ok>(OpenPgpCard.Select(first).VerifyPin(PinMode.User, Pin));
        Assert.Equal(CardFault.Reset, Assert.Throws<CardException>(() => second.Transmit([0, 0x20, 0, 0x82])).Fault);
        Assert.Equal(0x63C3, OpenPgpCard.Select(second).Send(new Apdu(0, 0x20, 0, 0x82)).Status);
    }

    [Fact]
    public async Task A_restarted_service_is_found_again()
    {
        using var context = new PcscContext();
        Assert.Equal(2, context.ListReaders().Count);
        await pcscd.StopAsync();
        Assert.Equal(CardFault.NoService, Assert.Throws<CardException>(() => context.ListReaders()).Fault);
        await pcscd.StartAsync();
        Assert.Equal(2, context.ListReaders().Count);
    }
}
