using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore.Tests;

public sealed class AdministrationTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Issuing_a_card_is_recorded_before_and_after_the_key_leaves()
    {
        using var realm = await TestRealm.CreateAsync();
        realm.Stores.Events.Clear();
        var card = new TestCard();
        string[] seen = [];
        await realm.Administration.IssueCardAsync(
            realm.Id("bob"), "0001", overSecureChannel: false,
            (identity, key, ct) =>
            {
                seen = [.. realm.Stores.Events.Select(e => e.Action)];
                return card.Write(identity, key, ct);
            },
            Cancel);
        Assert.Equal(["key.renew", "key.release"], seen);
        Assert.Equal(["key.renew", "key.release", "card.issue"], realm.Stores.Events.Select(e => e.Action));
        Assert.Contains("in clear to the card", realm.Stores.Events[1].Detail, StringComparison.Ordinal);
        Assert.Contains("for trials", realm.Stores.Events[1].Detail, StringComparison.Ordinal);
        Assert.Equal(new CardIdentity(realm.Realm, realm.Id("bob"), 2, TestRealm.At("bob")), card.Identity);
        Assert.DoesNotContain(realm.Stores.Events, e => e.Detail.Contains(Convert.ToHexStringLower(card.Key), StringComparison.OrdinalIgnoreCase));
        Assert.DoesNotContain(realm.Stores.Keys.Values, k => k.Wrapped.Span.IndexOf(card.Key) >= 0);
    }

    [Fact]
    public async Task A_card_that_fails_leaves_a_line_and_the_next_one_opens_what_came_meanwhile()
    {
        using var realm = await TestRealm.CreateAsync();
        await Assert.ThrowsAsync<IOException>(() => realm.Administration.IssueCardAsync(
            realm.Id("bob"), "0001", true, (_, _, _) => throw new IOException("card removed"), Cancel).AsTask());
        Assert.Equal("card.failed", realm.Stores.Events[^1].Action);
        var ticket = (await realm.GrantAsync("bob")).Tickets.Single();
        await realm.IssueCardAsync("bob");
        Assert.IsType<ExchangeOutcome.Exchanged>(await realm.CardClient("bob").ExchangeAsync(ticket.Context, ticket.WrappedKey, Cancel));
    }

    [Fact]
    public async Task No_key_leaves_the_vault_when_its_release_cannot_be_recorded()
    {
        using var realm = await TestRealm.CreateAsync();
        realm.Stores.FailWith = new IOException("disk full");
        var card = new TestCard();
        await Assert.ThrowsAsync<IOException>(() => realm.Administration.IssueCardAsync(realm.Id("bob"), "0001", true, card.Write, Cancel).AsTask());
        Assert.Empty(card.Key);
    }

    [Fact]
    public async Task An_address_has_one_holder_at_a_time()
    {
        using var realm = await TestRealm.CreateAsync();
        await Assert.ThrowsAsync<AdministrationException>(() =>
            realm.Administration.AddAddressAsync(realm.Id("bob"), MailAddress.Parse("ALICE@example.org"), Cancel).AsTask());
        await Assert.ThrowsAsync<AdministrationException>(() =>
            realm.Administration.CreateAsync(PrincipalKind.User, "second", [TestRealm.At("alice")], [], null, Cancel).AsTask());
    }

    [Fact]
    public async Task Ensuring_a_gateway_again_changes_only_what_differs()
    {
        using var realm = await TestRealm.CreateAsync();
        var lines = realm.Stores.Events.Count;
        var same = await realm.Administration.EnsureGatewayAsync("gateway", [DomainName.Parse("example.org")], Cancel);
        Assert.Equal((realm.Gateway, 1, lines), (same.Id, same.Kvno, realm.Stores.Events.Count));
        var more = await realm.Administration.EnsureGatewayAsync(
            "gateway", [DomainName.Parse("example.org"), DomainName.Parse("example.net")], Cancel);
        Assert.Equal((realm.Gateway, 1, 2), (more.Id, more.Kvno, more.SenderDomains.Length));
    }

    [Fact]
    public async Task A_users_key_is_not_used_inside_the_vault_and_an_operator_gets_no_card()
    {
        using var realm = await TestRealm.CreateAsync();
        await Assert.ThrowsAsync<AdministrationException>(() => realm.Administration.UseKeyAsync(realm.Id("bob"), Cancel).AsTask());
        var op = await realm.Administration.CreateAsync(PrincipalKind.Operator, "op", [], [], null, Cancel);
        await Assert.ThrowsAsync<AdministrationException>(() =>
            realm.Administration.IssueCardAsync(op.Id, "0001", true, new TestCard().Write, Cancel).AsTask());
    }

    [Fact]
    public async Task A_suspended_users_key_is_not_renewed()
    {
        using var realm = await TestRealm.CreateAsync();
        await realm.Administration.SuspendAsync(realm.Id("bob"), "lost his badge", Cancel);
        await Assert.ThrowsAsync<AdministrationException>(() => realm.IssueCardAsync("bob"));
    }
}
