using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore.Tests;

public sealed class RequestTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_gateway_gets_tickets_for_its_sender_and_the_chain_knows()
    {
        using var realm = await TestRealm.CreateAsync();
        var grant = await realm.GrantAsync("bob", "carol");
        Assert.Equal(2, grant.Tickets.Length);
        Assert.Equal(new DateTimeOffset(2027, 3, 4, 5, 6, 7, TimeSpan.Zero), grant.IssuedAt);
        var line = Assert.Single(realm.Stores.Events, e => e.Action == "issue");
        Assert.Equal(realm.Gateway.ToString(), line.Actor);
        Assert.Contains("commitment=" + Convert.ToHexStringLower(TestRealm.Commitment()), line.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToHexStringLower(grant.SessionKey.Span), line.Detail, StringComparison.Ordinal);
        foreach (var ticket in grant.Tickets)
            Assert.Contains(
                MemoryStores.Key(IssueRecord.Of(TicketContext.Decode(ticket.Context)!.IssuedAt, ticket.Context.Span)), realm.Stores.Issued);
    }

    [Fact]
    public async Task A_user_gets_tickets_with_his_card_one_for_himself_too()
    {
        using var realm = await TestRealm.CreateAsync();
        var outcome = await realm.CardClient("alice").RequestAsync(TestRealm.Order("alice", Evidence.Card, "alice", "bob"), Cancel);
        var own = Assert.IsType<TicketOutcome.Granted>(outcome).Grant.Tickets[0];
        Assert.IsType<TicketOpening.Opened>(await TicketReader.UnwrapAsync(own.Context, own.WrappedKey, realm.Cards["alice"], Cancel));
    }

    [Fact]
    public async Task A_user_can_neither_speak_for_another_nor_use_a_gateways_evidence()
    {
        using var realm = await TestRealm.CreateAsync();
        Assert.Contains("not an address of the requester", await RefusalAsync(realm.CardClient("alice"), TestRealm.Order("bob", Evidence.Card, "carol")));
        Assert.Contains("no other", await RefusalAsync(realm.CardClient("alice"), TestRealm.Order("alice", Evidence.Auth, "carol")));
    }

    [Fact]
    public async Task A_gateway_speaks_for_its_own_domains_only_and_never_as_a_card()
    {
        using var realm = await TestRealm.CreateAsync();
        var foreign = MailAddress.Parse("mallory@sub.example.org");
        await realm.Administration.CreateAsync(PrincipalKind.User, "mallory", [foreign], [], null, Cancel);
        var client = await realm.GatewayClientAsync();
        var order = TestRealm.Order("alice", Evidence.Auth, "bob");
        var outcome = await client.RequestAsync(order with { Sender = foreign }, Cancel);
        Assert.Equal(foreign, Assert.IsType<TicketOutcome.Refused>(outcome).About);
        Assert.Contains("not a sender domain", await RefusalAsync(client, order with { Sender = foreign }));
        Assert.Contains("evidence of a user's card", await RefusalAsync(client, order with { Evidence = Evidence.Card }));
    }

    [Fact]
    public async Task Mail_from_outside_is_the_gateways_word_and_never_in_the_name_of_somebody_inside()
    {
        using var realm = await TestRealm.CreateAsync();
        var client = await realm.GatewayClientAsync();
        var order = TestRealm.Order("alice", Evidence.Outside, "bob");
        var outside = MailAddress.Parse("carol@partner.example");
        var granted = Assert.IsType<TicketOutcome.Granted>(await client.RequestAsync(order with { Sender = outside }, Cancel)).Grant;
        var context = TicketContext.Decode(granted.Tickets[0].Context)!;
        Assert.Equal((realm.Gateway, outside, Evidence.Outside), (context.Sender.Principal, context.Sender.Address, context.Evidence));
        Assert.Null(await client.CheckStandingAsync(granted, Cancel));

        // Alice is of the realm; nobody@example.org is in a sender domain; the last belongs to a principal elsewhere.
        var elsewhere = MailAddress.Parse("dora@elsewhere.example");
        await realm.Administration.CreateAsync(PrincipalKind.User, "dora", [elsewhere], [], null, Cancel);
        foreach (var inside in new[] { TestRealm.At("alice"), TestRealm.At("nobody"), elsewhere })
            Assert.Contains("is of this realm", await RefusalAsync(client, order with { Sender = inside }));
        var branch = DomainName.Parse("branch.example");
        await realm.Administration.EnsureGatewayAsync("second.example.org", [branch], Cancel);
        Assert.Contains("is of this realm", await RefusalAsync(client, order with { Sender = MailAddress.Parse("x@branch.example") }));
        Assert.Contains("no other", await RefusalAsync(realm.CardClient("alice"), order with { Sender = outside }));

        await realm.Administration.SuspendAsync(realm.Gateway, "moved", Cancel);
        Assert.Contains("is suspended", await client.CheckStandingAsync(granted, Cancel));
    }

    [Fact]
    public async Task An_unknown_recipient_or_one_without_a_card_refuses_the_whole_request_by_name()
    {
        using var realm = await TestRealm.CreateAsync();
        await realm.Administration.CreateAsync(PrincipalKind.User, "dora", [TestRealm.At("dora")], [], null, Cancel);
        var client = await realm.GatewayClientAsync();
        Assert.Contains("nobody@example.org is not known", await RefusalAsync(client, TestRealm.Order("alice", Evidence.Auth, "bob", "nobody")));
        Assert.Contains("dora@example.org has no card yet", await RefusalAsync(client, TestRealm.Order("alice", Evidence.Auth, "dora")));
        Assert.Empty(realm.Stores.Issued);
        Assert.Equal(2, realm.Stores.Events.Count(e => e.Action == "refusal"));
    }

    [Theory]
    [InlineData("bob")]
    [InlineData("alice")]
    public async Task Suspended_sender_or_recipient_gets_nothing_until_resumed(string name)
    {
        using var realm = await TestRealm.CreateAsync();
        var client = await realm.GatewayClientAsync();
        var grant = await realm.GrantAsync("bob");
        await realm.Administration.SuspendAsync(realm.Id(name), "on leave", Cancel);
        Assert.Contains($"{name}@example.org is suspended since 2027-03-04 (on leave)", await RefusalAsync(client, TestRealm.Order("alice", Evidence.Auth, "bob")));
        Assert.Contains("is suspended", await client.CheckStandingAsync(grant, Cancel));
        Assert.Contains("is suspended", (await client.PreviewAsync(TestRealm.At(name), Cancel)).Refusal);
        await realm.Administration.ResumeAsync(realm.Id(name), Cancel);
        Assert.Null(await client.CheckStandingAsync(grant, Cancel));
        await realm.GrantAsync("bob");
    }

    [Theory]
    [InlineData("bob")]
    [InlineData("alice")]
    public async Task Revoked_sender_or_recipient_stays_so(string name)
    {
        using var realm = await TestRealm.CreateAsync();
        var client = await realm.GatewayClientAsync();
        var grant = await realm.GrantAsync("bob");
        await realm.Administration.RevokeAsync(realm.Id(name), "left", Cancel);
        Assert.Contains($"{name}@example.org is revoked", await RefusalAsync(client, TestRealm.Order("alice", Evidence.Auth, "bob")));
        Assert.Contains("is revoked", await client.CheckStandingAsync(grant, Cancel));
        await Assert.ThrowsAsync<AdministrationException>(() => realm.Administration.ResumeAsync(realm.Id(name), Cancel).AsTask());
    }

    [Fact]
    public async Task Expired_principals_get_nothing_as_sender_as_recipient_and_as_requester()
    {
        using var realm = await TestRealm.CreateAsync();
        var client = await realm.GatewayClientAsync();
        var end = realm.Time.GetUtcNow().AddHours(1);
        await realm.Administration.CreateAsync(PrincipalKind.User, "eve", [TestRealm.At("eve")], [], end, Cancel);
        await realm.IssueCardAsync("eve");
        await realm.GrantAsync("eve");
        realm.Time.Advance(TimeSpan.FromHours(1));
        Assert.Contains("is expired", await RefusalAsync(client, TestRealm.Order("alice", Evidence.Auth, "eve")));
        Assert.Contains("is expired", await RefusalAsync(client, TestRealm.Order("eve", Evidence.Auth, "bob")));
        Assert.Contains("is expired", await RefusalAsync(realm.CardClient("eve"), TestRealm.Order("eve", Evidence.Card, "bob")));
    }

    [Fact]
    public async Task Tickets_that_expired_in_the_queue_are_not_sent()
    {
        using var realm = await TestRealm.CreateAsync();
        var grant = await realm.GrantAsync("bob");
        var client = await realm.GatewayClientAsync();
        realm.Time.Advance(TimeSpan.FromDays(7) - TimeSpan.FromSeconds(1));
        Assert.Null(await client.CheckStandingAsync(grant, Cancel));
        realm.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Contains("expired", await client.CheckStandingAsync(grant, Cancel));
        var bobs = grant.Tickets.Single();
        Assert.IsType<TicketOpening.Opened>(await TicketReader.UnwrapAsync(bobs.Context, bobs.WrappedKey, realm.Cards["bob"], Cancel));
    }

    [Fact]
    public async Task A_replayed_request_is_refused()
    {
        using var realm = await TestRealm.CreateAsync();
        var wire = new Wire(realm.Kdc);
        Assert.IsType<TicketOutcome.Granted>(
            await (await realm.GatewayClientAsync(wire)).RequestAsync(TestRealm.Order("alice", Evidence.Auth, "bob"), Cancel));
        var again = Answer.Decode(await realm.Kdc.RequestTicketsAsync(wire.Requests.Single(), Cancel));
        Assert.Contains("used before", Assert.IsType<Answer.Refused>(again).Reason);
        realm.Time.Advance(TimeSpan.FromSeconds(61));
        Assert.IsType<Answer.Unavailable>(Answer.Decode(await realm.Kdc.RequestTicketsAsync(wire.Requests.Single(), Cancel)));
        Assert.Single(realm.Stores.Issued);
    }

    [Fact]
    public async Task A_restarted_kdc_does_not_take_a_request_of_before()
    {
        using var realm = await TestRealm.CreateAsync();
        var wire = new Wire(realm.Kdc);
        await (await realm.GatewayClientAsync(wire)).RequestAsync(TestRealm.Order("alice", Evidence.Auth, "bob"), Cancel);
        var restarted = new KdcService(KdcOptions.For(realm.Realm), realm.Ports, realm.Time);
        Assert.IsType<Answer.Unavailable>(Answer.Decode(await restarted.RequestTicketsAsync(wire.Requests.Single(), Cancel)));
        Assert.Single(realm.Stores.Issued);
    }

    [Fact]
    public async Task Every_changed_octet_of_a_request_gets_no_ticket()
    {
        using var realm = await TestRealm.CreateAsync();
        var length = 0;
        for (var i = 0; i == 0 || i < length; i++)
        {
            var at = i;
            var wire = new Wire(realm.Kdc, request: r =>
            {
                length = r.Length;
                r[at] ^= 1;
                return r;
            });
            var outcome = await (await realm.GatewayClientAsync(wire)).RequestAsync(TestRealm.Order("alice", Evidence.Auth, "bob"), Cancel);
            Assert.IsNotType<TicketOutcome.Granted>(outcome);
        }
        Assert.Empty(realm.Stores.Issued);
    }

    [Fact]
    public async Task Somebody_elses_key_authenticates_nothing()
    {
        using var realm = await TestRealm.CreateAsync();
        var mallory = new KdcClient(realm.Realm, realm.Id("alice"), realm.Cards["bob"], realm.Kdc, realm.Kdc, realm.Time);
        Assert.Contains("not authenticated", await RefusalAsync(mallory, TestRealm.Order("alice", Evidence.Card, "bob")));
    }

    [Fact]
    public async Task A_stranger_cannot_fill_the_chain_with_refusals_nor_lock_anybody_out()
    {
        using var realm = await TestRealm.CreateAsync();
        var mallory = new KdcClient(realm.Realm, realm.Id("alice"), realm.Cards["bob"], realm.Kdc, realm.Kdc, realm.Time);
        for (var i = 0; i < 100; i++)
            await RefusalAsync(mallory, TestRealm.Order("alice", Evidence.Card, "bob"));
        Assert.InRange(realm.Stores.Events.Count(e => e.Action == "refusal"), 1, 21);
        var outcome = await realm.CardClient("alice").RequestAsync(TestRealm.Order("alice", Evidence.Card, "bob"), Cancel);
        Assert.IsType<TicketOutcome.Granted>(outcome);
    }

    [Fact]
    public async Task Every_changed_octet_of_the_reply_is_noticed()
    {
        using var realm = await TestRealm.CreateAsync();
        var length = 0;
        for (var i = 0; i == 0 || i < length; i++)
        {
            var at = i;
            var wire = new Wire(realm.Kdc, answer: a =>
            {
                length = a.Length;
                a[at] ^= 1;
                return a;
            });
            var outcome = await (await realm.GatewayClientAsync(wire)).RequestAsync(TestRealm.Order("alice", Evidence.Auth, "bob"), Cancel);
            Assert.IsNotType<TicketOutcome.Granted>(outcome);
        }
    }

    [Fact]
    public async Task A_reply_to_another_request_is_rejected()
    {
        using var realm = await TestRealm.CreateAsync();
        byte[]? earlier = null;
        var wire = new Wire(realm.Kdc, answer: a => earlier ??= a);
        var client = await realm.GatewayClientAsync(wire);
        Assert.IsType<TicketOutcome.Granted>(await client.RequestAsync(TestRealm.Order("alice", Evidence.Auth, "bob"), Cancel));
        var outcome = await client.RequestAsync(TestRealm.Order("alice", Evidence.Auth, "bob"), Cancel);
        Assert.Contains("not for this request", Assert.IsType<TicketOutcome.Unavailable>(outcome).Reason);
    }

    [Fact]
    public async Task A_clock_that_is_far_off_rejects_the_reply()
    {
        using var realm = await TestRealm.CreateAsync();
        foreach (var (minutes, taken) in new[] { (-6, false), (-4, true), (4, true), (6, false) })
        {
            var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(realm.Time.GetUtcNow().AddMinutes(minutes));
            var client = new KdcClient(
                realm.Realm, realm.Gateway, await realm.Administration.UseKeyAsync(realm.Gateway, Cancel), realm.Kdc, realm.Kdc, clock);
            var outcome = await client.RequestAsync(TestRealm.Order("alice", Evidence.Auth, "bob"), Cancel);
            Assert.Equal(taken, outcome is TicketOutcome.Granted);
        }
    }

    [Fact]
    public async Task Nothing_leaves_when_the_audit_chain_cannot_be_written()
    {
        using var realm = await TestRealm.CreateAsync();
        var wire = new Wire(realm.Kdc);
        var client = await realm.GatewayClientAsync(wire);
        realm.Stores.FailWith = new IOException("disk full");
        foreach (var to in new[] { "bob", "nobody" })
        {
            var outcome = await client.RequestAsync(TestRealm.Order("alice", Evidence.Auth, to), Cancel);
            Assert.Contains("disk full", Assert.IsType<TicketOutcome.Unavailable>(outcome).Reason);
        }
        Assert.Empty(realm.Stores.Issued);
    }

    [Fact]
    public async Task Too_many_requests_are_put_off_and_time_heals()
    {
        using var realm = await TestRealm.CreateAsync();
        realm.Kdc = new KdcService(KdcOptions.For(realm.Realm) with { RequestsPerSecond = 1, Burst = 2 }, realm.Ports, realm.Time);
        var client = await realm.GatewayClientAsync();
        var order = TestRealm.Order("alice", Evidence.Auth, "bob");
        await realm.GrantAsync("bob");
        await realm.GrantAsync("bob");
        Assert.IsType<TicketOutcome.Unavailable>(await client.RequestAsync(order, Cancel));
        Assert.IsType<TicketOutcome.Unavailable>(await client.RequestAsync(order, Cancel));
        Assert.Single(realm.Stores.Events, e => e.Action == "limit");
        Assert.IsType<TicketOutcome.Granted>(await realm.CardClient("alice").RequestAsync(TestRealm.Order("alice", Evidence.Card, "bob"), Cancel));
        realm.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.IsType<TicketOutcome.Granted>(await client.RequestAsync(order, Cancel));
    }

    [Fact]
    public async Task The_same_recipient_twice_is_refused_also_under_two_addresses()
    {
        using var realm = await TestRealm.CreateAsync();
        await realm.Administration.AddAddressAsync(realm.Id("bob"), TestRealm.At("robert"), Cancel);
        Assert.Contains("twice", await RefusalAsync(await realm.GatewayClientAsync(), TestRealm.Order("alice", Evidence.Auth, "bob", "robert")));
    }

    [Fact]
    public async Task A_reassigned_address_inherits_nothing()
    {
        using var realm = await TestRealm.CreateAsync();
        var grant = await realm.GrantAsync("bob");
        var old = grant.Tickets.Single();
        await realm.Administration.RemoveAddressAsync(realm.Id("bob"), TestRealm.At("bob"), Cancel);
        realm.Time.Advance(TimeSpan.FromSeconds(1));
        await realm.Administration.CreateAsync(PrincipalKind.User, "bob the second", [TestRealm.At("bob")], [], null, Cancel);
        var second = await realm.IssueCardAsync("bob the second");
        var client = await realm.GatewayClientAsync();
        Assert.Contains("does not belong to that user any more", await client.CheckStandingAsync(grant, Cancel));
        Assert.IsType<TicketOpening.DoesNotOpen>(await TicketReader.UnwrapAsync(old.Context, old.WrappedKey, second, Cancel));
        var exchange = await realm.CardClient("bob the second").ExchangeAsync(old.Context, old.WrappedKey, Cancel);
        Assert.Contains("not issued to the requester", Assert.IsType<ExchangeOutcome.Refused>(exchange).Reason);
        var now = TicketContext.Decode((await realm.GrantAsync("bob")).Tickets.Single().Context)!;
        Assert.Equal(realm.Id("bob the second"), now.Recipient.Principal);
    }

    [Fact]
    public async Task Concurrent_requests_of_one_client_do_not_disturb_one_another()
    {
        using var realm = await TestRealm.CreateAsync();
        var client = await realm.GatewayClientAsync();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => Task.Run(async () =>
            await client.RequestAsync(TestRealm.Order("alice", Evidence.Auth, "bob") with { Commitment = TestRealm.Commitment((byte)i) }, Cancel))));
        Assert.Equal(64, outcomes.OfType<TicketOutcome.Granted>().Select(o => Convert.ToHexString(o.Grant.SessionKey.Span)).Distinct().Count());
    }

    private static async Task<string> RefusalAsync(KdcClient client, TicketOrder order) =>
        Assert.IsType<TicketOutcome.Refused>(await client.RequestAsync(order, Cancel)).Reason;
}
