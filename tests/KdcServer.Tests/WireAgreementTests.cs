using System.Net;
using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using Microsoft.Data.Sqlite;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>Cards without an AES slot (docs/formats/kdc-mail.md §12), over the wire.</summary>
public sealed class WireAgreementTests : IDisposable
{
    private const int Card = 1;
    private const string Alice = "alice@example.org";
    private const string Dora = "dora@example.org";

    private readonly List<IDisposable> _made = [];

    private static CancellationToken Cancel => RunningKdc.Cancel;

    [Fact]
    public async Task Such_a_card_asks_for_tickets_is_sent_tickets_and_opens_them()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        var dora = await AddAsync(kdc, "dora");
        var client = kdc.Client();

        var toDora = (await alice.RequestAsync(client, Alice, Card, Dora, Alice)).Tickets;
        Assert.NotNull(dora.OpenTicket(toDora[0]));
        Assert.Equal(alice.OpenTicket(toDora[1]), dora.OpenTicket(toDora[0]));
        Assert.Null(toDora[1].Envelope);

        var challenge = await WireHolder.AskChallengeAsync(client, "example.org", dora.Principal);
        Assert.Equal(WireAnswer.Enveloped, challenge.Tag);
        var (context, envelope) = challenge.EnvelopedChallenge();
        var kek = dora.Kek("challenge", context, envelope)!;
        var answer = await WireHolder.PostAsync(
            client, "tickets", WireHolder.TicketRequest(kek, context, Dora, [Alice, Dora], Card, WireHolder.Commitment()));
        Assert.Equal(WireAnswer.Issued, answer.Tag);
        Assert.NotNull(alice.OpenTicket(answer.Tickets[0]));
        Assert.Equal(alice.OpenTicket(answer.Tickets[0]), dora.OpenTicket(answer.Tickets[1]));
    }

    [Fact]
    public async Task Without_the_realms_signature_over_this_very_context_nothing_reaches_the_card()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        var dora = await AddAsync(kdc, "dora");
        var first = (await alice.RequestAsync(kdc.Client(), Alice, Card, Dora)).Tickets[0];
        var second = (await alice.RequestAsync(kdc.Client(), Alice, Card, Dora)).Tickets[0];
        Assert.NotNull(dora.OpenTicket(first));
        Assert.Null(dora.OpenTicket(first with { Envelope = null }));
        Assert.Null(dora.OpenTicket(first with { Envelope = second.Envelope }));
        for (var i = 0; i < first.Envelope!.Length; i++)
        {
            // Lengths and tags aside, which are no envelope any more.
            if (i is < 5 or 70 or 71 or 112 or 113)
                continue;
            var changed = first.Envelope.ToArray();
            changed[i] ^= 1;
            Assert.Null(dora.OpenTicket(first with { Envelope = changed }));
        }
        var context = first.Context.ToArray();
        context[^1] ^= 1;
        Assert.Null(dora.OpenTicket(first with { Context = context }));
    }

    [Fact]
    public async Task An_old_ticket_is_exchanged_when_the_card_was_renewed_whatever_kind_it_was()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        var dora = await AddAsync(kdc, "dora");
        var client = kdc.Client();
        var old = (await alice.RequestAsync(client, Alice, Card, Dora)).Tickets[0];

        // From the kind ecdh to a card with an AES slot, and on to another one without.
        var slot = await kdc.IssueCardAsync(PrincipalId.FromOctets(dora.Principal));
        var challenge = await slot.AskChallengeAsync(client);
        var exchanged = await WireHolder.PostAsync(client, "exchange", slot.ExchangeRequest(challenge.Content, old with { Envelope = null }));
        Assert.Equal(WireAnswer.Exchanged, exchanged.Tag);
        Assert.Equal(dora.OpenTicket(old), slot.OpenTicket(exchanged.Ticket()));

        var third = await RegisterAsync(kdc, PrincipalId.FromOctets(dora.Principal));
        var (context, envelope) = (await WireHolder.AskChallengeAsync(client, "example.org", third.Principal)).EnvelopedChallenge();
        var again = await WireHolder.PostAsync(
            client, "exchange", WireHolder.ExchangeRequest(third.Kek("challenge", context, envelope)!, context, exchanged.Ticket()));
        Assert.Equal(dora.OpenTicket(old), third.OpenTicket(again.Ticket()));
    }

    [Fact]
    public async Task A_public_key_that_somebody_wrote_into_the_database_gets_no_ticket()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        var dora = await AddAsync(kdc, "dora");
        var mallory = await AddAsync(kdc, "mallory");
        await using (var database = new SqliteConnection($"Data Source={Path.Combine(kdc.State, "gatewaysecure.db")};Pooling=False"))
        {
            await database.OpenAsync(Cancel);
            await using var edit = database.CreateCommand();
            // With the signature that belongs to it, and for a user whose card has an AES slot.
            edit.CommandText = """
                UPDATE card_point SET (point, binding) = (SELECT point, binding FROM card_point WHERE principal_id = $mallory) WHERE principal_id = $dora;
                INSERT INTO card_point SELECT $alice, 1, point, binding FROM card_point WHERE principal_id = $mallory;
                UPDATE directory_version SET version = version + 1;
                """;
            edit.Parameters.AddWithValue("$mallory", Convert.ToHexStringLower(mallory.Principal));
            edit.Parameters.AddWithValue("$dora", Convert.ToHexStringLower(dora.Principal));
            edit.Parameters.AddWithValue("$alice", Convert.ToHexStringLower(alice.Principal));
            await edit.ExecuteNonQueryAsync(Cancel);
        }
        var bob = await kdc.AddUserAsync("bob");
        foreach (var recipient in new[] { Dora, Alice })
        {
            var none = await Assert.ThrowsAsync<HttpRequestException>(() => bob.RequestAsync(kdc.Client(), "bob@example.org", Card, recipient));
            Assert.Equal(HttpStatusCode.ServiceUnavailable, none.StatusCode);
        }
    }

    public void Dispose()
    {
        foreach (var made in _made)
            made.Dispose();
    }

    private async Task<WireAgreementHolder> AddAsync(RunningKdc kdc, string name)
    {
        var user = await kdc.Operator.CreateAsync(
            PrincipalKind.User, name, [Addresses.MailAddress.Parse($"{name}@example.org")], [], null, Cancel);
        return await RegisterAsync(kdc, user.Id);
    }

    private async Task<WireAgreementHolder> RegisterAsync(RunningKdc kdc, PrincipalId user)
    {
        var card = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        var realm = ECDsa.Create();
        realm.ImportSubjectPublicKeyInfo(kdc.Keys.Realm.PublicKey, out _);
        _made.AddRange([card, realm]);
        await kdc.Operator.RegisterCardAsync(user, "a test's card", WireAgreementHolder.PointOf(card), Cancel);
        return new WireAgreementHolder(user.ToOctets(), card, realm);
    }
}
