using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using GatewaySecure.Addresses;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.Pkcs11;
using GatewaySecure.TestKit;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>A KDC server whose keys are in SoftHSM, asked over the wire. One after the other: a token that is taken away is away for all.</summary>
public sealed class HsmServingTests
{
    private const int Card = 1;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_hsm_gone_in_mid_request_means_later_and_back_means_tickets_without_a_restart()
    {
        var token = await NewTokenAsync();
        using var directory = new TempDirectory();
        var hsm = HsmOptions.For(SoftHsm.Module, token.Label, null, token.WritePin(directory["pin"]));
        using var station = RSA.Create(3072);
        ShareOfficer[] officers = [new("Anna", "passphrase one"), new("Boris", "passphrase two")];
        await using var kdc = await RunningKdc.StartAsync(vault: new VaultSettings(hsm), prepare: state =>
        {
            Directory.CreateDirectory(state);
            var ceremony = new Ceremony(hsm.ForCeremony(token.OfficerPin) with { PassphraseIterations = 1000 }, state, TimeProvider.System);
            ceremony.MakeVaultKey(officers, 2, _ => { });
            ceremony.Trust(station);
        });
        var alice = await AddAsync(kdc, station, "alice");
        var bob = await AddAsync(kdc, station, "bob");
        var issued = await alice.RequestAsync(kdc.Client(), "alice@example.org", Card, "bob@example.org");
        Assert.Equal(WireAnswer.Issued, issued.Tag);
        Assert.Equal(alice.OpenReply(issued)!.SessionKey, bob.OpenTicket(issued.Tickets[0]));
        Assert.Contains("no key in clear", (await Assert.ThrowsAsync<AdministrationException>(() => kdc.IssueCardAsync(
            new PrincipalId(new UInt128(0, 1))))).Message, StringComparison.Ordinal);

        // The challenge is answered, then the HSM goes; carol's key was never used before.
        await AddAsync(kdc, station, "carol");
        var challenge = await alice.AskChallengeAsync(kdc.Client());
        var request = alice.TicketRequest(challenge.Content, "alice@example.org", ["carol@example.org"], Card, WireHolder.Commitment());
        token.Remove();
        using (var content = new ByteArrayContent(request))
        {
            content.Headers.ContentType = new(WireHolder.MediaType);
            using var later = await kdc.Client().PostAsync(new Uri("/kdc/v1/tickets", UriKind.Relative), content, Cancel);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, later.StatusCode);
        }
        var ready = await kdc.Client().GetAsync(new Uri("/health/ready", UriKind.Relative), Cancel);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        var why = await ready.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        Assert.Equal("The vault does not answer.", why.GetProperty("problem").GetString());
        Assert.Contains("for trials", why.GetProperty("vault").GetString(), StringComparison.Ordinal);

        token.Return();
        for (var i = 0; i < 200 && !(await kdc.Client().GetAsync(new Uri("/health/ready", UriKind.Relative), Cancel)).IsSuccessStatusCode; i++)
            await Task.Delay(100, Cancel);
        var again = await alice.RequestAsync(kdc.Client(), "alice@example.org", Card, "carol@example.org");
        Assert.Equal(WireAnswer.Issued, again.Tag);
        Assert.Contains("The vault is back", kdc.LogText, StringComparison.Ordinal);
        Assert.Null(await kdc.Keys.Database.Audit.VerifyAsync(cancellationToken: Cancel));
    }

    [Fact]
    public async Task With_an_hsm_keys_go_only_to_stations_that_its_officer_registered()
    {
        var token = await NewTokenAsync();
        using var directory = new TempDirectory();
        var hsm = HsmOptions.For(SoftHsm.Module, token.Label, null, token.WritePin(directory["pin"]));
        using var station = RSA.Create(3072);
        var vault = new VaultSettings(hsm);
        await using var kdc = await RunningKdc.StartWithCaAsync(vault, state =>
        {
            Directory.CreateDirectory(state);
            var ceremony = new Ceremony(hsm.ForCeremony(token.OfficerPin) with { PassphraseIterations = 1000 }, state, TimeProvider.System);
            ceremony.MakeVaultKey([new("Anna", "passphrase one"), new("Boris", "passphrase two")], 2, _ => { });
            ceremony.Trust(station);
        });
        using var foreign = await StationOperator.AddAsync(kdc, "Mallory");
        Assert.Contains("transport key", await foreign.RefusedAsync(HttpStatusCode.Forbidden, "session", foreign.LogOnBody(await foreign.ChallengeAsync())), StringComparison.Ordinal);
        using var anna = await CardLifeTests.OperatorAsync(kdc, station);
        using var bob = new WireCard(anna, "bob@example.org", "D276");
        await bob.IssueAsync();
        Assert.Equal(WireAnswer.Issued, (await bob.Holder().RequestAsync(kdc.Client(), "bob@example.org", Card, "bob@example.org")).Tag);
    }

    /// <summary>SoftHSM looks for tokens when it starts.</summary>
    private static async Task<SoftToken> NewTokenAsync()
    {
        var token = await SoftHsm.Instance.CreateTokenAsync();
        Pkcs11Module.Load(SoftHsm.Module).ForgetTokens();
        return token;
    }

    private static async Task<WireHolder> AddAsync(RunningKdc kdc, RSA station, string name)
    {
        var user = await kdc.Operator.CreateAsync(PrincipalKind.User, name, [MailAddress.Parse($"{name}@example.org")], [], null, Cancel);
        await kdc.Operator.RenewKeyAsync(user.Id, Cancel);
        var row = await kdc.Keys.Ports.Keys.FindAsync(new MasterKeyName(user.Id, 1), Cancel);
        var sent = await kdc.Keys.Vault.SendAsync(row!, station.ExportSubjectPublicKeyInfo(), Cancel);
        return new WireHolder("example.org", user.Id.ToOctets(), 1, station.Decrypt(sent, TransportEncryption.Padding));
    }
}
