namespace GatewaySecure.KdcCore.Tests;

/// <summary>A KDC that holds the right keys and answers something else than was asked: the client's own checks.</summary>
public sealed class LyingKdcTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_honest_reply_sealed_again_is_accepted() =>
        Assert.IsType<TicketOutcome.Granted>(await AskAsync(r => r, t => t));

    [Fact]
    public async Task Another_nonce_is_rejected() => await RejectedAsync("nonce", r => r with { Nonce = r.Nonce + 1 });

    [Fact]
    public async Task Other_recipients_are_rejected() =>
        await RejectedAsync("recipients", r => r with { Recipients = [TestRealm.At("carol")] });

    [Fact]
    public async Task Another_commitment_is_rejected() =>
        await RejectedAsync("commitment", r => r with { Commitment = TestRealm.Commitment(8) });

    [Fact]
    public async Task Another_time_is_rejected() =>
        await RejectedAsync("time", r => r with { IssuedAt = r.IssuedAt.AddMinutes(1) });

    [Fact]
    public async Task Other_ticket_ids_are_rejected() =>
        await RejectedAsync("not the one that was asked for", r => r with { TicketIds = [TicketId.New()] });

    [Fact]
    public async Task A_ticket_too_many_is_rejected()
    {
        var outcome = await AskAsync(r => r, t => t, twice: true);
        Assert.Contains("one for each recipient", Assert.IsType<TicketOutcome.Unavailable>(outcome).Reason);
    }

    [Fact]
    public async Task A_ticket_with_another_context_is_rejected()
    {
        foreach (var change in new Func<TicketContext, TicketContext>[]
        {
            c => c with { Evidence = Evidence.Relay },
            c => c with { Commitment = TestRealm.Commitment(8) },
            c => c with { Sender = c.Sender with { Address = TestRealm.At("carol") } },
            c => c with { Recipient = c.Recipient with { Address = TestRealm.At("carol") } },
            c => c with { Realm = Realm.Parse("example.net") },
            c => c with { IssuedAt = c.IssuedAt.AddSeconds(1) },
        })
        {
            var outcome = await AskAsync(r => r, change);
            Assert.Contains("not the one that was asked for", Assert.IsType<TicketOutcome.Unavailable>(outcome).Reason);
        }
    }

    [Fact]
    public async Task A_challenge_for_somebody_else_is_not_answered()
    {
        using var realm = await TestRealm.CreateAsync();
        var card = realm.Cards["bob"];
        var client = new KdcClient(realm.Realm, realm.Id("bob"), card, new Misdirecting(realm), realm.Kdc, realm.Time);
        Assert.IsType<TicketOutcome.Unavailable>(await client.RequestAsync(TestRealm.Order("bob", Evidence.Card, "alice"), Cancel));
        Assert.Equal(0, card.Operations);
    }

    private static async Task RejectedAsync(string why, Func<SealedReply, SealedReply> change)
    {
        var outcome = await AskAsync(change, t => t);
        Assert.Contains(why, Assert.IsType<TicketOutcome.Unavailable>(outcome).Reason);
    }

    private static async Task<TicketOutcome> AskAsync(
        Func<SealedReply, SealedReply> change, Func<TicketContext, TicketContext> changeContext, bool twice = false)
    {
        using var realm = await TestRealm.CreateAsync();
        var card = realm.Cards["alice"];
        var wire = new Wire(realm.Kdc, answer: octets =>
        {
            var issued = (Answer.Issued)Answer.Decode(octets)!;
            var kek = TicketDerivation.Kek(TicketPurpose.Reply, TestCard.Decrypt(card.Key, TicketDerivation.Input(TicketPurpose.Reply, issued.Context.Encode())));
            var plain = ReplySeal.Open(kek, issued.Sealed.Span, Answer.EncodeTickets(issued.Tickets))!;
            var reply = change(SealedReply.Decode(plain)!);
            var ticket = issued.Tickets[0];
            ticket = ticket with { Context = changeContext(TicketContext.Decode(ticket.Context)!).Encode() };
            var tickets = issued.Tickets.SetItem(0, ticket);
            if (twice)
            {
                tickets = tickets.Add(ticket);
                reply = reply with { TicketIds = reply.TicketIds.Add(reply.TicketIds[0]) };
            }
            return (issued with { Sealed = ReplySeal.Seal(kek, reply.Encode(), Answer.EncodeTickets(tickets)), Tickets = tickets }).Encode();
        });
        return await realm.CardClient("alice", wire).RequestAsync(TestRealm.Order("alice", Evidence.Card, "bob"), Cancel);
    }

    /// <summary>Hands out challenges of alice to everybody.</summary>
    private sealed class Misdirecting(TestRealm realm) : IKdc
    {
        public ValueTask<byte[]> ChallengeAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken) =>
            realm.Kdc.ChallengeAsync(new ChallengeRequest(realm.Realm, realm.Id("alice")).Encode(), cancellationToken);

        public ValueTask<byte[]> RequestTicketsAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken) =>
            realm.Kdc.RequestTicketsAsync(request, cancellationToken);

        public ValueTask<byte[]> ExchangeAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken) =>
            realm.Kdc.ExchangeAsync(request, cancellationToken);
    }
}
