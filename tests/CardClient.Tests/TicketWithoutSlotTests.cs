using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using GatewaySecure.Addresses;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection;
using GatewaySecure.SmartCard;
using GatewaySecure.Storage;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.CardClient.Tests;

/// <summary>KDC mail for a PIV card, which has no AES slot: sealed by the KDC, opened by <c>cardmail</c> as a user runs it.</summary>
public sealed class TicketWithoutSlotTests : IAsyncLifetime
{
    private static readonly Realm ExampleRealm = Realm.Parse("example.org");
    private readonly TempDirectory _directory = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Card => _directory["bob.card"];

    private string Clear => _directory["clear.eml"];

    public async ValueTask InitializeAsync()
    {
        using var vault = SoftwareVault.OpenOrCreate(_directory.Path);
        using var realm = new RealmKey(vault.OrganisationEcdsaKey("realm"));
        await using var database = await GatewayDatabase.OpenAsync(_directory["gatewaysecure.db"], Cancel);
        var ports = database.PortsWith(vault) with { Realm = realm };
        var administration = new KdcAdministration(ExampleRealm, ports, TimeProvider.System, "test");
        await administration.CreateAsync(PrincipalKind.User, "alice", [MailAddress.Parse("alice@example.org")], [], null, Cancel);
        var bob = await administration.CreateAsync(PrincipalKind.User, "bob", [MailAddress.Parse("bob@example.org")], [], null, Cancel);
        await IssueAsync(administration, bob);
        foreach (var (name, key) in new[] { ("realm", realm), ("another", new RealmKey(ECDsa.Create(ECCurve.NamedCurves.nistP256))) })
        {
            await File.WriteAllTextAsync(
                _directory[name + ".pem"], PemEncoding.WriteString("CERTIFICATE", key.Certificate(ExampleRealm, DateTimeOffset.UtcNow)), Cancel);
        }
        var gateway = await administration.EnsureGatewayAsync("gateway", [DomainName.Parse("example.org")], Cancel);
        var kdc = new KdcService(KdcOptions.For(ExampleRealm), ports, TimeProvider.System);
        var client = new KdcClient(
            ExampleRealm, gateway.Id, await administration.UseKeyAsync(gateway.Id, Cancel), kdc, kdc, TimeProvider.System);
        var order = new KdcOrder(
            new Octets("From: alice@example.org\r\nTo: bob@example.org\r\nSubject: The plan\r\n\r\nMeet at noon.\r\n"),
            MailAddress.Parse("alice@example.org"), [MailAddress.Parse("bob@example.org")], Evidence.Auth, client, null);
        var ready = Assert.IsType<ProtectionOutcome.Ready>(await new MailProtector(TimeProvider.System).SealKdcAsync(order, Cancel));
        await using (var first = File.Create(_directory["first.eml"]))
            await ready.Message.WriteToAsync(first, Cancel);
        // Once more from what the queue keeps between attempts.
        var again = Assert.IsType<ProtectionOutcome.Ready>(
            await new MailProtector(TimeProvider.System).SealKdcAsync(order with { KeptState = ready.StateToKeep }, Cancel));
        await using var second = File.Create(_directory["second.eml"]);
        await again.Message.WriteToAsync(second, Cancel);
    }

    public ValueTask DisposeAsync()
    {
        _directory.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData("first.eml")]
    [InlineData("second.eml")]
    public async Task The_card_opens_what_the_pinned_realm_signed(string mail)
    {
        var result = await CardmailAsync(mail, "realm.pem");
        Assert.True(result.ExitCode == 0, result.All);
        Assert.Contains("Meet at noon.", await File.ReadAllTextAsync(Clear, Cancel), StringComparison.Ordinal);
        Assert.Equal("kdc", JsonDocument.Parse(result.Output).RootElement.GetProperty("method").GetString());
    }

    [Fact]
    public async Task With_another_realms_certificate_the_mail_is_refused_as_forged()
    {
        Assert.Equal((int)OpeningStatus.Forged, (await CardmailAsync("first.eml", "another.pem")).ExitCode);
        Assert.False(File.Exists(Clear));
    }

    [Fact]
    public async Task Without_a_realms_certificate_the_user_is_told_what_to_do()
    {
        var result = await CardmailAsync("first.eml", null);
        Assert.Equal((int)OpeningStatus.NotForThisCard, result.ExitCode);
        Assert.Contains("--realm-certificate", result.All, StringComparison.Ordinal);
        Assert.False(File.Exists(Clear));
    }

    private async Task IssueAsync(KdcAdministration administration, Principal bob)
    {
        using var file = VirtualPivCard.Create(Card);
        var card = CardRecognition.Select(new LocalCardChannel(file.Atr, a => file.Process(a), file.Reset));
        using var session = card.BeginSession();
        Assert.IsType<PinResult.Ok>(card.Verify(CardPin.Administrator, VirtualPivCard.DefaultManagementKey, CardUse.Sign));
        var made = card.GenerateKey(card.Slot(CardUse.Ticket)!, CardKeyAlgorithm.P256, DateTimeOffset.UtcNow).Ec!.Value.Q;
        var registered = await administration.RegisterCardAsync(bob.Id, file.Serial, (byte[])[4, .. made.X!, .. made.Y!], Cancel);
        card.PutIdentity(new KdcCore.CardIdentity(ExampleRealm, bob.Id, registered.Kvno, MailAddress.Parse("bob@example.org")).Encode());
    }

    private Task<ToolResult> CardmailAsync(string mail, string? realm) => Tool.RunAsync("dotnet",
        [
            typeof(MailOpening).Assembly.Location, "open", _directory[mail], "--out", Clear, "--pin-stdin", "--json", "--virtual-card", Card,
            .. realm is null ? Array.Empty<string>() : ["--realm-certificate", _directory[realm]],
        ],
        Encoding.ASCII.GetBytes(VirtualPivCard.DefaultUserPin + "\n"));
}
