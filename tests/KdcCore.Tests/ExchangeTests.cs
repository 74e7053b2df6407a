namespace GatewaySecure.KdcCore.Tests;

public sealed class ExchangeTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_renewed_card_exchanges_an_old_ticket_and_opens_the_same_mail()
    {
        using var realm = await TestRealm.CreateAsync();
        var grant = await realm.GrantAsync("bob");
        var old = grant.Tickets.Single();
        var card = await realm.IssueCardAsync("bob");
        realm.Time.Advance(TimeSpan.FromDays(3650));
        var outcome = Assert.IsType<ExchangeOutcome.Exchanged>(
            await realm.CardClient("bob").ExchangeAsync(old.Context, old.WrappedKey, Cancel));
        Assert.Equal(grant.SessionKey.ToArray(), outcome.Opening.SessionKey);
        var (before, after) = (TicketContext.Decode(old.Context)!, TicketContext.Decode(outcome.Ticket.Context)!);
        Assert.Equal(2, after.Kvno);
        Assert.NotEqual(before.Id, after.Id);
        Assert.Equal(before.Encode(), (after with { Kvno = 1, Id = before.Id }).Encode());
        Assert.IsType<TicketOpening.Opened>(await TicketReader.UnwrapAsync(outcome.Ticket.Context, outcome.Ticket.WrappedKey, card, Cancel));
        Assert.Single(realm.Stores.Events, e => e.Action == "exchange");
    }

    [Fact]
    public async Task An_exchanged_ticket_can_be_exchanged_again_after_the_next_renewal()
    {
        using var realm = await TestRealm.CreateAsync();
        var old = (await realm.GrantAsync("bob")).Tickets.Single();
        await realm.IssueCardAsync("bob");
        var second = ((ExchangeOutcome.Exchanged)await realm.CardClient("bob").ExchangeAsync(old.Context, old.WrappedKey, Cancel)).Ticket;
        await realm.IssueCardAsync("bob");
        Assert.IsType<ExchangeOutcome.Exchanged>(await realm.CardClient("bob").ExchangeAsync(second.Context, second.WrappedKey, Cancel));
        Assert.IsType<ExchangeOutcome.Exchanged>(await realm.CardClient("bob").ExchangeAsync(old.Context, old.WrappedKey, Cancel));
    }

    [Fact]
    public async Task Another_principal_gets_no_exchange()
    {
        using var realm = await TestRealm.CreateAsync();
        var old = (await realm.GrantAsync("bob")).Tickets.Single();
        await realm.IssueCardAsync("carol");
        await RefusedAsync(realm, "carol", old.Context, old.WrappedKey, "not issued to the requester");
    }

    [Fact]
    public async Task An_altered_context_gets_no_exchange()
    {
        using var realm = await TestRealm.CreateAsync();
        var old = (await realm.GrantAsync("bob")).Tickets.Single();
        await realm.IssueCardAsync("bob");
        var context = TicketContext.Decode(old.Context)!;
        await RefusedAsync(
            realm, "bob", (context with { Sender = context.Sender with { Address = TestRealm.At("carol") } }).Encode(), old.WrappedKey, "not issued this ticket");
        await RefusedAsync(realm, "bob", (context with { Id = TicketId.New() }).Encode(), old.WrappedKey, "not issued this ticket");
        var wrapped = old.WrappedKey.ToArray();
        wrapped[0] ^= 1;
        await RefusedAsync(realm, "bob", old.Context, wrapped, "does not open");
        Assert.Equal(3, realm.Stores.Events.Count(e => e.Action == "refusal"));
    }

    [Fact]
    public async Task A_ticket_under_the_current_key_needs_no_exchange()
    {
        using var realm = await TestRealm.CreateAsync();
        var ticket = (await realm.GrantAsync("bob")).Tickets.Single();
        await RefusedAsync(realm, "bob", ticket.Context, ticket.WrappedKey, "current key already");
    }

    [Fact]
    public async Task A_leavers_card_exchanges_nothing_and_a_senders_leaving_does_not_matter()
    {
        using var realm = await TestRealm.CreateAsync();
        var old = (await realm.GrantAsync("bob")).Tickets.Single();
        await realm.IssueCardAsync("bob");
        await realm.Administration.RevokeAsync(realm.Id("alice"), "left", Cancel);
        Assert.IsType<ExchangeOutcome.Exchanged>(await realm.CardClient("bob").ExchangeAsync(old.Context, old.WrappedKey, Cancel));
        await realm.Administration.RevokeAsync(realm.Id("bob"), "left", Cancel);
        await RefusedAsync(realm, "bob", old.Context, old.WrappedKey, "is revoked");
    }

    [Fact]
    public async Task A_ticket_that_was_not_sent_for_exchange_is_not_taken_back()
    {
        using var realm = await TestRealm.CreateAsync();
        var first = (await realm.GrantAsync("bob")).Tickets.Single();
        realm.Time.Advance(TimeSpan.FromSeconds(1));
        var other = (await realm.GrantAsync("bob")).Tickets.Single();
        await realm.IssueCardAsync("bob");
        byte[]? earlier = null;
        var client = realm.CardClient("bob", new Wire(realm.Kdc, answer: a => earlier ??= a));
        Assert.IsType<ExchangeOutcome.Exchanged>(await client.ExchangeAsync(first.Context, first.WrappedKey, Cancel));
        var outcome = await client.ExchangeAsync(other.Context, other.WrappedKey, Cancel);
        Assert.Contains("another ticket", Assert.IsType<ExchangeOutcome.Refused>(outcome).Reason);
    }

    private static async Task RefusedAsync(TestRealm realm, string name, ReadOnlyMemory<byte> context, ReadOnlyMemory<byte> wrapped, string why)
    {
        var outcome = await realm.CardClient(name).ExchangeAsync(context, wrapped, Cancel);
        Assert.Contains(why, Assert.IsType<ExchangeOutcome.Refused>(outcome).Reason);
    }
}
