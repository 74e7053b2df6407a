using GatewaySecure.Gateway.Control;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Gateway.Tests.Queue;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Tests.Control;

public sealed class RedecisionTests : IDisposable
{
    private static readonly ControlRequest Everything = new() { Verb = ControlVerb.Redecide, Filter = new QueueFilter { All = true } };

    private readonly ControlBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task More_protection_holds_at_once_and_nothing_kept_before_is_used_again()
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), "bob@a.example", "carol@b.example");
        await item.KeepStateAsync("kdc 0", new byte[] { 7 }, QueueBench.Cancel);
        _bench.Rules = [ControlBench.Rule("secret", "a.example", RuleOutcome.Protect(ProtectionMethod.Kdc))];
        var replies = await _bench.RunAsync(Everything);
        Assert.DoesNotContain(replies, r => r.Request is not null);
        Assert.Equal([ProtectionMethod.Kdc], item.Decisions[0].Methods);
        Assert.Equal([ProtectionMethod.Normal], item.Decisions[1].Methods);
        var audited = Assert.Single(_bench.Audit.Events);
        Assert.Equal(("queue.redecide", "bob@a.example: normal → kdc"), (audited.Action, audited.Detail));

        var restarted = _bench.Bench.Restart(item.Id);
        Assert.Equal("secret", restarted.Decisions[0].Rule);
        await _bench.Bench.Work.TryAsync(restarted, QueueBench.Cancel);
        Assert.Equal(
            [(ProtectionMethod.Kdc, false), (ProtectionMethod.Normal, false)],
            _bench.Bench.Protector.Asked.Select(a => (a.Method, a.Kept is not null)).OrderByDescending(a => a.Method));
    }

    [Fact]
    public async Task A_rule_about_the_header_finds_it_in_the_spooled_mail()
    {
        Assert.True(TextPattern.TryParse("marker-secret", out var text, out _));
        _bench.Rules = [ControlBench.Rule("marked", "*", RuleOutcome.Protect(ProtectionMethod.Ca), new Condition.HeaderIs("Subject", [text]))];
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), "bob@a.example");
        await _bench.RunAsync(Everything);
        Assert.Equal("marked", item.Decisions[0].Rule);
    }

    [Fact]
    public async Task A_rule_that_holds_now_holds_and_a_refusal_is_reported()
    {
        var held = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), "bob@a.example");
        var refused = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), "bob@b.example");
        _bench.Rules =
        [
            ControlBench.Rule("look", "a.example", new RuleOutcome(DecisionAction.Hold, [])),
            ControlBench.Rule("never", "b.example", new RuleOutcome(DecisionAction.Reject, [])),
        ];
        await _bench.RunAsync(Everything);
        Assert.Equal((RecipientState.Held, null), (held.Status[0].State, held.Status[0].NextAttempt));
        await _bench.Bench.Work.TryAsync(refused, QueueBench.Cancel);
        Assert.Empty(_bench.Bench.NextHop.Tried);
        Assert.Contains("Action: failed", _bench.Bench.ReportText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Less_protection_needs_another_person_and_both_names_stand_in_the_audit()
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), "bob@a.example");
        await ControlBench.WaitForProtectionAsync(item);
        var asked = Asked(await _bench.RunAsync(Everything));
        Assert.Equal("bob@a.example: ca → normal", Assert.Single(asked.Lowerings).Shown);
        Assert.Equal([ProtectionMethod.Ca], item.Decisions[0].Methods);
        Assert.Equal(asked.Id, Assert.Single(await _bench.RunAsync(new ControlRequest { Verb = ControlVerb.Requests }), r => r.Request is not null).Request!.Id);

        await Assert.ThrowsAsync<ControlException>(() => ApproveAsync(asked, ControlBench.Ann));
        Assert.Equal([ProtectionMethod.Ca], item.Decisions[0].Methods);
        await ApproveAsync(asked, ControlBench.Ben);
        Assert.Equal([ProtectionMethod.Normal], item.Decisions[0].Methods);
        Assert.Equal(_bench.Bench.Time.GetUtcNow(), item.Status[0].NextAttempt);
        Assert.Equal(["queue.lowering.ask", "queue.lowering.approve", "queue.lower"], _bench.Audit.Events.Select(e => e.Action));
        Assert.Equal(["ann (uid 1001)", "ben (uid 1002)", "ben (uid 1002)"], _bench.Audit.Events.Select(e => e.Actor));
        Assert.Contains("ann (uid 1001)", _bench.Audit.Events.Last().Detail, StringComparison.Ordinal);
        // Once is enough.
        await Assert.ThrowsAsync<ControlException>(() => ApproveAsync(asked, ControlBench.Ben));
        Assert.Equal([ProtectionMethod.Normal], _bench.Bench.Restart(item.Id).Decisions[0].Methods);
    }

    [Fact]
    public async Task An_approval_holds_for_exactly_the_decisions_that_were_seen()
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), "bob@a.example");
        var asked = Asked(await _bench.RunAsync(Everything));
        // The rules say something else by now.
        _bench.Rules = [ControlBench.Rule("partners", "a.example", RuleOutcome.Protect(ProtectionMethod.Ca, ProtectionMethod.Normal))];
        Assert.Equal(1, (await ApproveAsync(asked, ControlBench.Ben))[^1].Done!.Failed);
        // The mail was decided again meanwhile.
        _bench.Rules = [];
        await item.DecideAsync([(0, QueueBench.Wants(ProtectionMethod.Kdc))], [], QueueBench.Cancel);
        Assert.Equal(1, (await ApproveAsync(asked, ControlBench.Ben))[^1].Done!.Failed);
        Assert.Equal([ProtectionMethod.Kdc], item.Decisions[0].Methods);
    }

    [Fact]
    public async Task A_request_expires()
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), "bob@a.example");
        var asked = Asked(await _bench.RunAsync(Everything));
        _bench.Bench.Time.Advance(LoweringRequests.Lifetime);
        await Assert.ThrowsAsync<ControlException>(() => ApproveAsync(asked, ControlBench.Ben));
        Assert.Equal([ProtectionMethod.Ca], item.Decisions[0].Methods);
    }

    [Fact]
    public async Task Who_asked_can_withdraw_and_nobody_else()
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), "bob@a.example");
        var asked = Asked(await _bench.RunAsync(Everything));
        var withdraw = new ControlRequest { Verb = ControlVerb.Withdraw, Request = asked.Id };
        await Assert.ThrowsAsync<ControlException>(() => _bench.RunAsync(withdraw, ControlBench.Ben));
        Assert.Equal((1, 0), (await _bench.RunAsync(withdraw, ControlBench.Ann))[^1].Done is { } done ? (done.Recipients, done.Failed) : default);
        Assert.DoesNotContain(await _bench.RunAsync(new ControlRequest { Verb = ControlVerb.Requests }), r => r.Request is not null);
        await Assert.ThrowsAsync<ControlException>(() => ApproveAsync(asked, ControlBench.Ben));
        await Assert.ThrowsAsync<ControlException>(() => _bench.RunAsync(withdraw, ControlBench.Ann));
        Assert.Equal([ProtectionMethod.Ca], item.Decisions[0].Methods);
        Assert.Equal(["queue.lowering.ask", "queue.lowering.withdraw"], _bench.Audit.Events.Select(e => e.Action));
        Assert.Equal("ann (uid 1001)", _bench.Audit.Events.Last().Actor);
    }

    [Fact]
    public async Task What_is_being_approved_can_not_be_withdrawn()
    {
        await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), "bob@a.example");
        var asked = Asked(await _bench.RunAsync(Everything));
        var requests = new LoweringRequests(_bench.RequestsFolder, _bench.Bench.Time);
        using (requests.Claim(asked))
            Assert.Throws<ControlException>(() => requests.Claim(asked));
        requests.Withdraw(asked);
        Assert.Throws<ControlException>(() => requests.Claim(asked));
    }

    [Fact]
    public async Task A_dry_run_shows_what_would_change_and_asks_nobody()
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), "bob@a.example");
        var replies = await _bench.RunAsync(Everything with { DryRun = true });
        Assert.Contains(replies, r => r.Line?.Outcome is { } o && o.StartsWith("less: normal", StringComparison.Ordinal));
        Assert.DoesNotContain(replies, r => r.Request is not null);
        Assert.False(Directory.Exists(_bench.RequestsFolder));
        Assert.Equal([ProtectionMethod.Ca], item.Decisions[0].Methods);
        Assert.Empty(_bench.Audit.Events);
    }

    [Theory]
    [InlineData(1, null, 2, null, true)]
    [InlineData(1, null, 1, null, false)]
    [InlineData(0, 7, 0, 8, true)]
    [InlineData(0, 7, 5, 7, false)]
    [InlineData(0, 7, 0, null, false)]
    [InlineData(0, null, 5, 7, false)]
    public void Two_people_are_two_only_where_that_is_certain(int user, int? login, int otherUser, int? otherLogin, bool certain)
    {
        var (one, other) = (Person(user, login), Person(otherUser, otherLogin));
        Assert.Equal(certain, one.IsCertainlyNot(other));
        Assert.Equal(certain, other.IsCertainlyNot(one));

        static Operator Person(int user, int? login) => new("x", (uint)user, login is { } id ? new SystemUser((uint)id, "y") : null);
    }

    private static LoweringRequest Asked(List<ControlReply> replies) => Assert.Single(replies, r => r.Request is not null).Request!;

    private Task<List<ControlReply>> ApproveAsync(LoweringRequest request, Operator by) =>
        _bench.RunAsync(new ControlRequest { Verb = ControlVerb.Approve, Request = request.Id }, by);
}
