using System.Net;
using System.Text;
using GatewaySecure.TestKit;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>
/// Attacks over the wire on a running server, by code that knows the format's page and nothing of the product. The attacker owns the network,
/// has a card of his own, and may have read the database; he lacks the others' keys.
/// </summary>
public sealed class AttackTests
{
    private const int Card = 1;
    private const int Auth = 2;
    private const int Relay = 3;
    private const string Alice = "alice@example.org";
    private const string Bob = "bob@example.org";

    private static CancellationToken Cancel => RunningKdc.Cancel;

    [Fact]
    public async Task A_request_that_is_sent_again_gets_nothing()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        await kdc.AddUserAsync("bob");
        var client = kdc.Client();
        var challenge = await alice.AskChallengeAsync(client);
        var request = alice.TicketRequest(challenge.Content, Alice, [Bob], Card, WireHolder.Commitment());
        Assert.Equal(WireAnswer.Issued, (await WireHolder.PostAsync(client, "tickets", request)).Tag);
        Assert.Contains("used before", Refusal(await WireHolder.PostAsync(client, "tickets", request)), StringComparison.Ordinal);
        // Nor with another body under the same challenge.
        var other = alice.TicketRequest(challenge.Content, Alice, [Bob, Alice], Card, WireHolder.Commitment());
        Assert.Contains("used before", Refusal(await WireHolder.PostAsync(client, "tickets", other)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Alice, "allie@example.org")]
    [InlineData(Bob, "rob@example.org")]
    public async Task Another_sender_or_recipient_written_into_a_request_breaks_its_mac(string written, string instead)
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        await kdc.AddUserAsync("bob");
        await kdc.AddUserAsync(instead[..instead.IndexOf('@', StringComparison.Ordinal)]);
        var client = kdc.Client();
        var challenge = await alice.AskChallengeAsync(client);
        var request = alice.TicketRequest(challenge.Content, Alice, [Bob, "bobby@example.org"], Card, WireHolder.Commitment());
        // The attacker computes lengths anew and leaves the MAC as it was.
        var forged = alice.TicketRequest(
            challenge.Content, written == Alice ? instead : Alice, [written == Bob ? instead : Bob, "bobby@example.org"], Card, WireHolder.Commitment());
        request[^32..].CopyTo(forged, forged.Length - 32);
        Assert.Contains("not authenticated", Refusal(await WireHolder.PostAsync(client, "tickets", forged)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Halves_that_are_swapped_open_for_nobody()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        var bob = await kdc.AddUserAsync("bob");
        var carol = await kdc.AddUserAsync("carol");
        var first = await alice.RequestAsync(kdc.Client(), Alice, Card, Bob, "carol@example.org");
        var second = await alice.RequestAsync(kdc.Client(), Alice, Card, Bob);
        var (bobs, carols, later) = (first.Tickets[0], first.Tickets[1], second.Tickets[0]);
        Assert.Null(bob.OpenTicket(bobs with { WrappedKey = carols.WrappedKey }));
        Assert.Null(carol.OpenTicket(carols with { Context = bobs.Context }));
        Assert.Null(bob.OpenTicket(bobs with { WrappedKey = later.WrappedKey }));
        // The requester's half of one reply over the tickets of another: the seal covers them.
        var (context, box, _) = first.Reply();
        var spliced = WireHolder.Der(w =>
        {
            w.WriteInteger(1);
            w.WriteEncodedValue(context);
            w.WriteOctetString(box);
            w.WriteEncodedValue(second.Reply().Tickets);
        });
        Assert.Null(alice.OpenReply(new WireAnswer(WireAnswer.Issued, spliced)));
        Assert.NotNull(alice.OpenReply(first));
    }

    [Fact]
    public async Task Any_octet_changed_in_a_context_makes_another_key()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        var bob = await kdc.AddUserAsync("bob");
        var ticket = (await alice.RequestAsync(kdc.Client(), Alice, Card, Bob)).Tickets[0];
        Assert.NotNull(bob.OpenTicket(ticket));
        for (var i = 0; i < ticket.Context.Length; i++)
        {
            var changed = ticket.Context.ToArray();
            changed[i] ^= 1;
            Assert.Null(bob.OpenTicket(ticket with { Context = changed }));
        }
    }

    [Fact]
    public async Task An_old_card_asks_for_nothing_and_an_old_ticket_is_exchanged_as_it_is_or_not_at_all()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        var oldCard = await kdc.AddUserAsync("bob");
        var client = kdc.Client();
        var ticket = (await alice.RequestAsync(client, Alice, Card, Bob)).Tickets[0];
        var before = await oldCard.AskChallengeAsync(client);
        var newCard = await kdc.IssueCardAsync(KdcCore.PrincipalId.FromOctets(oldCard.Principal));
        Assert.Equal(2, newCard.Kvno);

        // A challenge from before, and one from now, with the old key.
        var late = oldCard.TicketRequest(before.Content, Bob, [Alice], Card, WireHolder.Commitment());
        Assert.Equal(WireAnswer.Unavailable, (await WireHolder.PostAsync(client, "tickets", late)).Tag);
        Assert.Contains("not authenticated", Refusal(await oldCard.RequestAsync(client, Bob, Card, Alice)), StringComparison.Ordinal);

        async Task<WireAnswer> Exchange(WireHolder who, WireTicket what)
        {
            var challenge = await who.AskChallengeAsync(client);
            return await WireHolder.PostAsync(client, "exchange", who.ExchangeRequest(challenge.Content, what));
        }

        // Another kvno, realm, sender or commitment in it; somebody else's; a wrapped key of another ticket.
        foreach (var (octets, instead) in new[]
        {
            (new byte[] { 2, 1, 1, 0x18 }, new byte[] { 2, 1, 2, 0x18 }),
            (Encoding.ASCII.GetBytes("\u000bexample.org"), Encoding.ASCII.GetBytes("\u000bexample.net")),
            (Encoding.ASCII.GetBytes("alice@"), Encoding.ASCII.GetBytes("carol@")),
            (WireHolder.Commitment(), WireHolder.Commitment(8)),
        })
        {
            var refused = await Exchange(newCard, ticket with { Context = Replaced(ticket.Context, octets, instead) });
            Assert.Equal(WireAnswer.Refused, refused.Tag);
        }
        Assert.Contains("not issued to the requester", Refusal(await Exchange(alice, ticket)), StringComparison.Ordinal);
        var another = (await alice.RequestAsync(client, Alice, Card, Bob)).Tickets[0];
        Assert.Contains("does not open", Refusal(await Exchange(newCard, ticket with { WrappedKey = another.WrappedKey })), StringComparison.Ordinal);
        Assert.Contains("current key already", Refusal(await Exchange(newCard, another)), StringComparison.Ordinal);

        var exchanged = await Exchange(newCard, ticket);
        Assert.Equal(WireAnswer.Exchanged, exchanged.Tag);
        Assert.Equal(oldCard.OpenTicket(ticket), newCard.OpenTicket(exchanged.Ticket()));
        Assert.Null(oldCard.OpenTicket(exchanged.Ticket()));
    }

    [Fact]
    public async Task A_revoked_principal_gets_nothing_sends_nothing_and_is_sent_nothing()
    {
        using var pki = new ServerPki();
        using var certificate = pki.Client(null, "gateway.example.org");
        await using var kdc = await RunningKdc.StartAsync();
        var gateway = await kdc.AddGatewayAsync("gateway", certificate);
        var alice = await kdc.AddUserAsync("alice");
        var bob = await kdc.AddUserAsync("bob");
        var challenge = await bob.AskChallengeAsync(kdc.Client());
        await kdc.Operator.RevokeAsync(KdcCore.PrincipalId.FromOctets(bob.Principal), "left", Cancel);
        // Also under a challenge that he got while he was in good standing.
        var request = bob.TicketRequest(challenge.Content, Bob, [Alice], Card, WireHolder.Commitment());
        Assert.Contains("revoked", Refusal(await WireHolder.PostAsync(kdc.Client(), "tickets", request)), StringComparison.Ordinal);
        Assert.Contains("revoked", Refusal(await alice.RequestAsync(kdc.Client(), Alice, Card, Bob)), StringComparison.Ordinal);
        Assert.Contains("revoked", Refusal(await gateway.RequestAsync(kdc.Client(certificate), Bob, Auth, Alice)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_next_holder_of_an_address_inherits_nothing()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        var john = await kdc.AddUserAsync("john");
        var client = kdc.Client();
        var old = (await alice.RequestAsync(client, Alice, Card, "john@example.org")).Tickets[0];
        await kdc.Operator.DeleteAsync(KdcCore.PrincipalId.FromOctets(john.Principal), "left", Cancel);
        var second = await kdc.AddUserAsync("john");
        Assert.NotEqual(john.Principal, second.Principal);
        Assert.Null(second.OpenTicket(old));
        // He can't have it exchanged either, with a card that was renewed as often.
        var renewed = await kdc.IssueCardAsync(KdcCore.PrincipalId.FromOctets(second.Principal));
        var challenge = await renewed.AskChallengeAsync(client);
        Assert.Contains(
            "not issued to the requester",
            Refusal(await WireHolder.PostAsync(client, "exchange", renewed.ExchangeRequest(challenge.Content, old))),
            StringComparison.Ordinal);
        var fresh = (await alice.RequestAsync(client, Alice, Card, "john@example.org")).Tickets[0];
        Assert.NotNull(renewed.OpenTicket(fresh));
        Assert.Null(john.OpenTicket(fresh));
    }

    [Fact]
    public async Task Nobody_speaks_for_others_and_a_gateway_for_its_own_domains_alone()
    {
        using var pki = new ServerPki();
        using var certificate = pki.Client(null, "gateway.example.org");
        await using var kdc = await RunningKdc.StartAsync();
        var gateway = await kdc.AddGatewayAsync("gateway", certificate);
        var alice = await kdc.AddUserAsync("alice");
        await kdc.AddUserAsync("bob");
        await kdc.Operator.CreateAsync(
            KdcCore.PrincipalKind.User, "eve", [Addresses.MailAddress.Parse("eve@other.example")], [], null, Cancel);
        Assert.Contains("not an address of the requester", Refusal(await alice.RequestAsync(kdc.Client(), Bob, Card, Alice)), StringComparison.Ordinal);
        Assert.Equal(WireAnswer.Refused, (await alice.RequestAsync(kdc.Client(), Alice, Auth, Bob)).Tag);
        Assert.Equal(WireAnswer.Refused, (await alice.RequestAsync(kdc.Client(), Alice, Relay, Bob)).Tag);
        var own = kdc.Client(certificate);
        Assert.Equal(WireAnswer.Refused, (await gateway.RequestAsync(own, Alice, Card, Bob)).Tag);
        Assert.Contains("not a sender domain", Refusal(await gateway.RequestAsync(own, "eve@other.example", Auth, Bob)), StringComparison.Ordinal);
        Assert.Equal(WireAnswer.Issued, (await gateway.RequestAsync(own, Alice, Relay, Bob)).Tag);
    }

    [Fact]
    public async Task A_challenge_is_void_after_a_minute_and_after_a_restart_and_when_somebody_else_made_it()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var kdc = await RunningKdc.StartAsync(time: time);
        var alice = await kdc.AddUserAsync("alice");
        await kdc.AddUserAsync("bob");
        var client = kdc.Client();
        byte[] Request(WireAnswer challenge) => alice.TicketRequest(challenge.Content, Alice, [Bob], Card, WireHolder.Commitment());

        var stale = Request(await alice.AskChallengeAsync(client));
        time.Advance(TimeSpan.FromSeconds(62));
        Assert.Equal(WireAnswer.Unavailable, (await WireHolder.PostAsync(client, "tickets", stale)).Tag);

        var earlier = Request(await alice.AskChallengeAsync(client));
        await kdc.RestartAsync();
        Assert.Equal(WireAnswer.Unavailable, (await WireHolder.PostAsync(kdc.Client(), "tickets", earlier)).Tag);

        // A longer life written into a challenge.
        var challenge = await alice.AskChallengeAsync(kdc.Client());
        var year = Encoding.ASCII.GetBytes(time.GetUtcNow().Year.ToString(System.Globalization.CultureInfo.InvariantCulture));
        var longer = new WireAnswer(0, Replaced(challenge.Content, year, Encoding.ASCII.GetBytes("2999")));
        Assert.Equal(WireAnswer.Unavailable, (await WireHolder.PostAsync(kdc.Client(), "tickets", Request(longer))).Tag);
    }

    [Fact]
    public async Task Keys_that_were_swapped_in_the_database_open_nothing_and_nobody_is_answered()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        var mallory = await kdc.AddUserAsync("mallory");
        await kdc.AddUserAsync("bob");
        // Mallory's key as alice's, so that he could speak and read as she does.
        await using (var database = new SqliteConnection($"Data Source={Path.Combine(kdc.State, "gatewaysecure.db")};Pooling=False"))
        {
            await database.OpenAsync(Cancel);
            await using var edit = database.CreateCommand();
            edit.CommandText = """
                UPDATE master_key SET wrapped = (SELECT wrapped FROM master_key WHERE principal_id = $mallory) WHERE principal_id = $alice;
                UPDATE directory_version SET version = version + 1;
                """;
            edit.Parameters.AddWithValue("$mallory", Convert.ToHexStringLower(mallory.Principal));
            edit.Parameters.AddWithValue("$alice", Convert.ToHexStringLower(alice.Principal));
            await edit.ExecuteNonQueryAsync(Cancel);
        }
        var asAlice = alice with { Key = mallory.Key };
        var none = await Assert.ThrowsAsync<HttpRequestException>(() => asAlice.RequestAsync(kdc.Client(), Alice, Card, Bob));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, none.StatusCode);
        var toAlice = await Assert.ThrowsAsync<HttpRequestException>(() => mallory.RequestAsync(kdc.Client(), "mallory@example.org", Card, Alice));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, toAlice.StatusCode);
        Assert.DoesNotContain((await kdc.Keys.Database.Audit.ReadAsync(1, 1000, Cancel)), e => e.Action == "issue");
    }

    [Fact]
    public async Task Octets_without_sense_get_a_refusal_or_nothing_and_the_server_goes_on()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await kdc.AddUserAsync("alice");
        await kdc.AddUserAsync("bob");
        var client = kdc.Client();
        var challenge = await alice.AskChallengeAsync(client);
        var good = alice.TicketRequest(challenge.Content, Alice, [Bob], Card, WireHolder.Commitment());
        var random = new Random(20270102);
        for (var i = 0; i < 200; i++)
        {
            var octets = good.ToArray();
            for (var j = 0; j <= random.Next(3); j++)
                octets[random.Next(octets.Length)] = (byte)random.Next(256);
            if (octets.AsSpan().SequenceEqual(good))
                continue;
            var answer = await WireHolder.PostAsync(client, i % 2 == 0 ? "tickets" : "exchange", octets[..(i % 7 == 0 ? octets.Length / 2 : octets.Length)]);
            Assert.Contains(answer.Tag, new[] { WireAnswer.Refused, WireAnswer.Unavailable });
        }
        Assert.Equal(WireAnswer.Issued, (await WireHolder.PostAsync(client, "tickets", good)).Tag);
    }

    private static string Refusal(WireAnswer answer)
    {
        Assert.Equal(WireAnswer.Refused, answer.Tag);
        return answer.Reason;
    }

    private static byte[] Replaced(byte[] octets, byte[] what, byte[] instead)
    {
        var at = octets.AsSpan().IndexOf(what);
        Assert.True(at >= 0, "The test's own pattern is not in the octets.");
        var changed = octets.ToArray();
        instead.CopyTo(changed, at);
        return changed;
    }
}
