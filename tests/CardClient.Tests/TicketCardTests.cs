using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using GatewaySecure.Addresses;
using GatewaySecure.CardEnrollment;
using GatewaySecure.Cards;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection;
using GatewaySecure.SmartCard;
using GatewaySecure.Storage;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.CardClient.Tests;

/// <summary>KDC mail for every kind of card, issued by the station and opened by <c>cardmail</c>: by AES slot, or by ECDH without one.</summary>
[Collection("tokens")]
public sealed class TicketCardTests : IDisposable
{
    private const string Pin = "246802";
    private static readonly Realm ExampleRealm = Realm.Parse("example.org");
    private static readonly MailAddress Alice = MailAddress.Parse("alice@example.org");
    private static readonly MailAddress Bob = MailAddress.Parse("bob@example.org");
    private readonly TempDirectory _directory = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Card => _directory["bob.card"];

    private string Mail => _directory["mail.eml"];

    private string Clear => _directory["clear.eml"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_piv_card_opens_kdc_mail_and_the_status_tells_how()
    {
        using (var card = VirtualPivCard.Create(Card))
        using (var connection = CardConnection.Of(card))
            await SealAsync(connection.Card, VirtualPivCard.DefaultManagementKey);
        var result = await OpenAsync("--virtual-card", Card);
        Assert.True(result.ExitCode == 0, result.All);
        Assert.Contains("Meet at noon.", await File.ReadAllTextAsync(Clear, Cancel), StringComparison.Ordinal);
        var status = await RunAsync(["status", "--json", "--virtual-card", Card]);
        var told = JsonDocument.Parse(status.Checked().Output).RootElement;
        Assert.Equal("ecdh", told.GetProperty("ticketKind").GetString());
        Assert.Equal("bob@example.org", told.GetProperty("holder").GetString());
        Assert.Contains("quantum", (await RunAsync(["status", "--virtual-card", Card])).All, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_opens_kdc_mail_by_its_aes_key()
    {
        var token = await SoftHsm.Instance.CreateTokenAsync();
        var module = Pkcs11.Pkcs11Module.Load(SoftHsm.Module);
        module.Reinitialize(module.Generation);
        using (var card = TokenCard.Open(SoftHsm.Module, token.Label))
            await SealAsync(card, token.OfficerPin);
        var result = await OpenAsync("--module", SoftHsm.Module, "--token", token.Label);
        Assert.True(result.ExitCode == 0, result.All);
        Assert.Contains("Meet at noon.", await File.ReadAllTextAsync(Clear, Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_ticket_that_the_pinned_realm_did_not_sign_is_refused_before_the_card_is_touched()
    {
        using var card = VirtualPivCard.Create(Card);
        using var connection = CardConnection.Of(card);
        var letter = await SealAsync(connection.Card, VirtualPivCard.DefaultManagementKey);
        using (connection.Card.BeginSession())
        {
            var enrolled = EnrolledCard.Decode(connection.Card.ReadIdentity()!)!;
            using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            Assert.IsType<PinResult.Ok>(connection.Card.Verify(CardPin.Administrator, letter.AdminPin, CardUse.Authenticate));
            connection.Card.PutIdentity((enrolled with { RealmKey = other.ExportSubjectPublicKeyInfo() }).Encode());
        }
        var used = 0;
        using var channel = new LocalCardChannel(card.Atr, apdu =>
        {
            used += apdu[1] == 0x87 ? 1 : 0;
            return card.Process(apdu);
        }, card.Reset);
        using var output = new MemoryStream();
        var result = await new MailOpening(TimeProvider.System).OpenAsync(
            CardRecognition.Select(channel), Pin.AsMemory(), new FileMail(Mail), output, Cancel);
        Assert.False(result.IsOpened);
        Assert.Equal(0, output.Length);
        Assert.Equal(0, used);
    }

    [Fact]
    public async Task A_card_whose_ticket_key_was_replaced_opens_nothing()
    {
        using (var card = VirtualPivCard.Create(Card))
        using (var connection = CardConnection.Of(card))
        {
            var letter = await SealAsync(connection.Card, VirtualPivCard.DefaultManagementKey);
            using var session = connection.Card.BeginSession();
            Assert.IsType<PinResult.Ok>(connection.Card.Verify(CardPin.Administrator, letter.AdminPin, CardUse.Authenticate));
            connection.Card.GenerateKey(connection.Card.Slot(CardUse.Ticket)!, CardKeyAlgorithm.P256, DateTimeOffset.UnixEpoch);
        }
        var result = await OpenAsync("--virtual-card", Card);
        Assert.True(result.ExitCode == (int)OpeningStatus.Forged, result.All);
    }

    /// <summary>Issues the card to Bob, and seals a mail of Alice's for him.</summary>
    private async Task<PinLetter> SealAsync(IIssuableCard card, string adminPin)
    {
        using var vault = SoftwareVault.OpenOrCreate(_directory.Path);
        using var realm = new RealmKey(vault.OrganisationEcdsaKey("realm"));
        await using var database = await GatewayDatabase.OpenAsync(_directory["gatewaysecure.db"], Cancel);
        var ports = database.PortsWith(vault) with { Realm = realm };
        var administration = new KdcAdministration(ExampleRealm, ports, TimeProvider.System, "test");
        await administration.CreateAsync(PrincipalKind.User, "alice", [Alice], [], null, Cancel);
        PinLetter? letter = null;
        var order = new TrialOrder(Bob, "Bob", adminPin, Pin, null) { Algorithm = CardKeyAlgorithm.P256, RealmKey = realm.PublicKey };
        await new CardIssuing(administration, TimeProvider.System).IssueAsync(card, order, l => letter = l, Cancel);
        var gateway = await administration.EnsureGatewayAsync("gateway", [DomainName.Parse("example.org")], Cancel);
        var kdc = new KdcService(KdcOptions.For(ExampleRealm), ports, TimeProvider.System);
        var client = new KdcClient(ExampleRealm, gateway.Id, await administration.UseKeyAsync(gateway.Id, Cancel), kdc, kdc, TimeProvider.System);
        await File.WriteAllTextAsync(_directory["inner.eml"], "From: alice@example.org\r\nTo: bob@example.org\r\nSubject: The plan\r\n\r\nMeet at noon.\r\n", Cancel);
        var sealing = new KdcOrder(new FileMail(_directory["inner.eml"]), Alice, [Bob], Evidence.Auth, client, null);
        var ready = Assert.IsType<ProtectionOutcome.Ready>(await new MailProtector(TimeProvider.System).SealKdcAsync(sealing, Cancel));
        await using var sealedMail = File.Create(Mail);
        await ready.Message.WriteToAsync(sealedMail, Cancel);
        return letter!;
    }

    private Task<ToolResult> OpenAsync(params string[] which) => RunAsync(["open", Mail, "--out", Clear, "--pin-stdin", "--json", .. which]);

    private static Task<ToolResult> RunAsync(string[] arguments) => Tool.RunAsync(
        "dotnet", [typeof(MailOpening).Assembly.Location, .. arguments], Encoding.ASCII.GetBytes(Pin + "\n"), SoftHsm.Instance.Environment);
}
