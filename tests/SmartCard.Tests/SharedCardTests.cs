using System.Security.Cryptography;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

/// <summary>Our client and other people's programs at one card, through one pcscd, at the same time.</summary>
[Collection("pcscd")]
public sealed class SharedCardTests(PrivatePcscd pcscd)
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);

    public static TheoryData<CardKind> Kinds => [CardKind.OpenPgp, CardKind.Piv];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Opensc_finds_nothing_verified_after_a_session_and_waits_while_there_is_one(CardKind kind)
    {
        using IVirtualCard card = kind == CardKind.Piv ? VirtualPivCard.CreateInMemory() : VirtualOpenPgpCard.CreateInMemory();
        await using var plugged = await pcscd.PlugAsync(card);
        using var context = new PcscContext();
        using var channel = context.Connect(plugged.Reader);
        var client = CardRecognition.Select(channel);
        // Asks with an empty VERIFY whether the PIN is verified.
        string[] ask = kind == CardKind.Piv
            ? ["-s", "00:A4:04:00:05:A0:00:00:03:08", "-s", "00:20:00:80"]
            : ["-s", "00:A4:04:00:06:D2:76:00:01:24:01", "-s", "00:20:00:82"];
        Task<ToolResult> asked;
        using (client.BeginSession())
        {
            EveryCardTests.Ok(client.Verify(CardPin.User, "123456", CardUse.Decipher));
            asked = Tool.RunAsync("opensc-tool", ["-r", plugged.Reader, .. ask], null, pcscd.Environment);
            for (var i = 0; i < 200; i++)
                Assert.False(client.Describe().Pin(CardPin.User)!.IsBlocked);
            Assert.False(asked.IsCompleted);
        }
        Assert.Contains("SW1=0x63, SW2=0xC3", (await asked).All, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gpg_keeps_its_card_while_our_client_uses_it()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        var key = RandomNumberGenerator.GetBytes(32);
        await using var plugged = await pcscd.PlugAsync(card);
        await using var gpg = new GpgHome(pcscd, plugged.Reader, shared: true);
        (await gpg.RunAsync(["--card-status"])).Checked();
        for (var round = 0; round < 3; round++)
        {
            // With pcsc-shared, scdaemon holds a shared connection all the time.
            using var context = new PcscContext();
            using var channel = context.Connect(plugged.Reader);
            var client = CardRecognition.Select(channel);
            using (client.BeginSession())
            {
                EveryCardTests.Ok(client.Verify(CardPin.Administrator, VirtualOpenPgpCard.DefaultAdminPin, CardUse.Sign));
                client.PutMasterKey(key.ToArray());
                EveryCardTests.Ok(client.Verify(CardPin.User, VirtualOpenPgpCard.DefaultUserPin, CardUse.Decipher));
                Assert.Equal(32, client.DecipherAes(new byte[32]).Length);
            }
            var status = await gpg.RunAsync(["--card-status"]);
            Assert.Contains("PIN retry counter : 3 0 3", status.Checked().All, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_program_that_has_the_card_for_itself_is_named_as_the_reason()
    {
        using var card = VirtualOpenPgpCard.CreateInMemory();
        await using var plugged = await pcscd.PlugAsync(card);
        await using var gpg = new GpgHome(pcscd, plugged.Reader);
        (await gpg.RunAsync(["--card-status"])).Checked();
        using var context = new PcscContext();
        var busy = Assert.Throws<CardException>(() => context.Connect(plugged.Reader));
        Assert.Equal(CardFault.Busy, busy.Fault);
        Assert.Contains("pcsc-shared", busy.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pkcs11_tool_and_our_client_take_turns_at_a_piv_card()
    {
        using var card = VirtualPivCard.CreateInMemory();
        using var own = (ECDiffieHellman)TestKeys.Of(CardKeyAlgorithm.P256);
        using var directory = new TempDirectory();
        await using var plugged = await pcscd.PlugAsync(card);
        using var context = new PcscContext();
        using var channel = context.Connect(plugged.Reader);
        var client = PivCard.Select(channel);
        using (client.BeginSession())
        {
            EveryCardTests.Ok(client.Verify(CardPin.Administrator, VirtualPivCard.DefaultManagementKey, CardUse.Sign));
            foreach (var use in new[] { CardUse.Authenticate, CardUse.Decipher })
            {
                client.ImportKey(client.Slot(use)!, own, Now);
                client.PutCertificate(client.Slot(use)!, TestKeys.Certificate(own));
            }
        }
        await File.WriteAllTextAsync(directory["text"], "a text", TestContext.Current.CancellationToken);
        var signing = Task.WhenAll(Enumerable.Range(0, 3).Select(i => Tool.RunAsync("pkcs11-tool",
            ["--login", "--pin", VirtualPivCard.DefaultUserPin, "--sign", "--mechanism", "ECDSA-SHA256", "--id", "01", "-i", directory["text"], "-o", directory["signature" + i]],
            null, pcscd.Environment)));
        var turns = 0;
        for (; !signing.IsCompleted; turns++)
        {
            // pcscd's lock is not fair: who asks again at once gets it again.
            await Task.Delay(50, TestContext.Current.CancellationToken);
            using var session = client.BeginSession();
            EveryCardTests.Ok(client.Verify(CardPin.User, VirtualPivCard.DefaultUserPin, CardUse.Decipher));
            using var key = new CardEcdh(client, EveryCardTests.Held(client, CardUse.Decipher));
            Assert.Equal(own.DeriveRawSecretAgreement(own.PublicKey), key.DeriveRawSecretAgreement(own.PublicKey));
        }
        Assert.True(turns > 0);
        Assert.All(await signing, s => Assert.True(s.ExitCode == 0, s.All));
    }
}
