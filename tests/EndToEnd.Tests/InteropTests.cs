using System.Text;
using System.Text.Json;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>The second implementation, in Python, written from the format's page alone, reads our mail, and we read its.</summary>
public sealed class InteropTests(GatewayFixture fixture)
{
    private static readonly string Script = Programs.InTree("tests", "interop", "kdc_mail.py");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Python_opens_what_the_gateway_sealed()
    {
        var id = Mails.NewId();
        var text = Mails.Text(id, "alice@example.org", "bob@example.org");
        (await fixture.SwaksAsync("bob@example.org", text)).Checked();
        var file = await fixture.DeliveredAsync(id);
        var (key, identity) = fixture.Bob.ReadTrialCard();
        string[] arguments =
        [
            Script, "open", file, "--realm", "example.org", "--kvno", $"{identity.Kvno}",
            "--principal", Convert.ToHexString(identity.Principal.ToOctets()), "--master-key",
        ];
        var opened = (await Tool.RunAsync("python3", [.. arguments, Convert.ToHexString(key)])).Checked();
        Assert.Contains(Mails.Secret, opened.Text, StringComparison.Ordinal);

        key[0] ^= 1;
        var other = await Tool.RunAsync("python3", [.. arguments, Convert.ToHexString(key)]);
        Assert.Equal(1, other.ExitCode);
        Assert.DoesNotContain(Mails.Secret, other.All, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cardmail_opens_what_Python_sealed()
    {
        var master = Enumerable.Range(1, 32).Select(i => (byte)i).ToArray();
        var sender = PrincipalId.New();
        var recipient = PrincipalId.New();
        var cardFile = fixture.Gateway["interop.card"];
        using (var card = VirtualOpenPgpCard.Create(cardFile))
        {
            var client = OpenPgpCard.Select(new LocalCardChannel(card.Atr, a => card.Process(a), card.Reset));
            Assert.IsType<PinResult.Ok>(client.VerifyPin(PinMode.Admin, VirtualOpenPgpCard.DefaultAdminPin));
            client.PutAesKey(master.ToArray());
            client.PutData(0x0102, new CardIdentity(Realm.Parse("example.org"), recipient, 3, MailAddress.Parse("bob@example.org")).Encode());
        }
        var entity = fixture.Gateway["interop-entity.eml"];
        await File.WriteAllTextAsync(entity, Mails.Text(Mails.NewId(), "alice@example.org", "bob@example.org"), Cancel);
        var mail = (await Tool.RunAsync("python3",
        [
            Script, "seal", entity, "--realm", "example.org", "--kvno", "3", "--master-key", Convert.ToHexString(master),
            "--sender", Convert.ToHexString(sender.ToOctets()) + ":alice@example.org",
            "--recipient", Convert.ToHexString(recipient.ToOctets()) + ":bob@example.org",
        ])).Checked();
        Assert.False(Mails.TellsSecret(mail.Output));
        var sealedMail = fixture.Gateway["interop.eml"];
        await File.WriteAllBytesAsync(sealedMail, mail.Output, Cancel);
        var clear = fixture.Gateway["interop-clear.eml"];
        var opened = await CardHolder.OpenAsync(cardFile, sealedMail, clear, VirtualOpenPgpCard.DefaultUserPin);
        Assert.True(opened.ExitCode is 0, opened.All);
        Assert.Contains(Mails.Secret, await File.ReadAllTextAsync(clear, Cancel), StringComparison.Ordinal);
    }
}
