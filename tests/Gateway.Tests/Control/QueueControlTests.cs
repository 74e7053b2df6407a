using GatewaySecure.Gateway.Control;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Gateway.Tests.Queue;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Tests.Control;

public sealed class QueueControlTests : IDisposable
{
    private static readonly Decision Plain = QueueBench.Wants(ProtectionMethod.Normal);
    private static readonly Decision HeldByRule = QueueBench.Wants() with { Rule = "large", Action = DecisionAction.Hold };

    private readonly ControlBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task Conditions_of_a_filter_add_up_and_values_of_one_condition_do_not()
    {
        var a = await _bench.PutAsync(Plain, "bob@a.example", "bob@slow.example");
        var b = await _bench.PutAsync(Plain with { Rule = "other" }, "carol@a.example");
        await ControlBench.WaitForProtectionAsync(b);
        _bench.Bench.Time.Advance(TimeSpan.FromHours(2));
        var c = await _bench.PutAsync(Plain, "dave@sub.a.example");

        await FindsAsync(new QueueFilter(), (a, 0), (a, 1), (b, 0), (c, 0));
        await FindsAsync(new QueueFilter { Domain = ["a.example"] }, (a, 0), (b, 0));
        await FindsAsync(new QueueFilter { Domain = ["a.example"], State = RecipientState.Held }, (b, 0));
        await FindsAsync(new QueueFilter { Domain = ["*.a.example", "slow.example"] }, (a, 1), (c, 0));
        await FindsAsync(new QueueFilter { NextHop = ["slow"] }, (a, 1));
        await FindsAsync(new QueueFilter { OlderThan = TimeSpan.FromHours(1), Rule = ["finance"] }, (a, 0), (a, 1));
        await FindsAsync(new QueueFilter { Reason = "CERTIFICATE" }, (b, 0));
        await FindsAsync(new QueueFilter { Recipient = ["bob@a.example"], Ids = [b.Id.ToString()] });
        await FindsAsync(new QueueFilter { Sender = ["<>"] });
        await FindsAsync(new QueueFilter { Sender = ["inside.example"], Ids = [a.Id.ToString()], Recipient = ["slow.example"] }, (a, 1));
    }

    [Theory]
    [InlineData(nameof(ControlVerb.Hold))]
    [InlineData(nameof(ControlVerb.Delete))]
    [InlineData(nameof(ControlVerb.Redecide))]
    public async Task A_command_without_a_filter_means_nothing_and_not_everything(string verb)
    {
        var item = await _bench.PutAsync(Plain, "bob@a.example");
        var before = item.Status;
        await Assert.ThrowsAsync<ControlException>(() => _bench.RunAsync(new ControlRequest { Verb = Enum.Parse<ControlVerb>(verb) }));
        Assert.Equal(before, item.Status);
    }

    [Theory]
    [InlineData(nameof(ControlVerb.Hold))]
    [InlineData(nameof(ControlVerb.Retry))]
    [InlineData(nameof(ControlVerb.Delete))]
    [InlineData(nameof(ControlVerb.Bounce))]
    public async Task A_dry_run_says_it_and_does_nothing(string verb)
    {
        var item = await _bench.PutAsync(Plain, "bob@a.example");
        var replies = await _bench.RunAsync(new ControlRequest { Verb = Enum.Parse<ControlVerb>(verb), Filter = new QueueFilter { All = true }, DryRun = true });
        Assert.NotNull(Assert.Single(replies, r => r.Line is not null).Line!.Outcome);
        Assert.Contains("would be", replies[^1].Done!.Text, StringComparison.Ordinal);
        Assert.Equal([RecipientStatus.New], item.Status);
        Assert.Empty(_bench.Audit.Events);
        Assert.False(File.Exists(_bench.Bench.Spool.LogFile(item)));
    }

    [Fact]
    public async Task Hold_outlives_a_restart_and_release_lets_it_go_on_with_a_new_time_to_expire()
    {
        var item = await _bench.PutAsync(Plain, "bob@a.example", "carol@a.example");
        var filter = new QueueFilter { Recipient = ["bob@a.example"] };
        await _bench.RunAsync(new ControlRequest { Verb = ControlVerb.Hold, Filter = filter });
        Assert.Equal([RecipientState.Held, RecipientState.Queued], item.Status.Select(s => s.State));
        Assert.Null(item.Status[0].NextAttempt);

        Assert.Equal([RecipientState.Held, RecipientState.Queued], _bench.Bench.Restart(item.Id).Status.Select(s => s.State));
        _bench.Bench.Time.Advance(TimeSpan.FromDays(30));
        await _bench.RunAsync(new ControlRequest { Verb = ControlVerb.Release, Filter = filter });
        Assert.Equal((RecipientState.Queued, null), (item.Status[0].State, item.Status[0].NextAttempt));
        Assert.Equal(TimeSpan.Zero, item.TriedFor(0, TimeSpan.MaxValue));
        Assert.Equal(TimeSpan.FromDays(30), item.TriedFor(1, TimeSpan.MaxValue));
        Assert.Equal(["queue.hold", "queue.release"], _bench.Audit.Events.Select(e => e.Action));
        Assert.All(_bench.Audit.Events, e => Assert.Equal(("ann (uid 1001)", item.Id.ToString()), (e.Actor, e.Subject)));
    }

    [Fact]
    public async Task What_waits_for_protection_stays_held_when_it_is_released_and_is_only_tried_now()
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), "bob@a.example");
        await ControlBench.WaitForProtectionAsync(item);
        await _bench.RunAsync(ControlVerb.Release, item);
        Assert.Equal((RecipientState.Held, _bench.Bench.Time.GetUtcNow()), (item.Status[0].State, item.Status[0].NextAttempt));
        _bench.Bench.Protector.Missing[ProtectionMethod.Ca] = "no certificate";
        await _bench.Bench.Work.TryAsync(item, QueueBench.Cancel);
        Assert.Empty(_bench.Bench.NextHop.Tried);
        Assert.Equal(RecipientState.Held, item.Status[0].State);
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData(ProtectionMethod.Normal, false)]
    [InlineData(ProtectionMethod.Ca, true)]
    [InlineData(ProtectionMethod.Kdc, true)]
    public async Task What_a_rule_holds_is_released_only_under_a_method_no_less_than_the_next_rule_demands(ProtectionMethod? method, bool goes)
    {
        _bench.Rules =
        [
            ControlBench.Rule("large", "*", new RuleOutcome(DecisionAction.Hold, [])),
            ControlBench.Rule("partners", "a.example", RuleOutcome.Protect(ProtectionMethod.Ca)),
        ];
        var item = await _bench.PutAsync(HeldByRule, "bob@a.example");
        await _bench.Bench.Work.TryAsync(item, QueueBench.Cancel);
        var replies = await _bench.RunAsync(ControlVerb.Release, item, method);
        Assert.Equal(goes ? 0 : 1, replies[^1].Done!.Failed);
        Assert.Equal(goes ? RecipientState.Queued : RecipientState.Held, item.Status[0].State);
        Assert.Equal(goes ? 1 : 0, _bench.Audit.Events.Count);
        await _bench.Bench.Work.TryAsync(item, QueueBench.Cancel);
        Assert.Equal(goes ? 1 : 0, _bench.Bench.NextHop.Tried.Count);
        if (goes)
        {
            Assert.Equal([method!.Value], item.Decisions[0].Methods);
            Assert.Equal(method, Assert.Single(_bench.Bench.Protector.Asked).Method);
        }
    }

    [Fact]
    public async Task What_the_rules_behind_a_hold_refuse_is_not_released()
    {
        _bench.Rules = [ControlBench.Rule("never", "a.example", new RuleOutcome(DecisionAction.Reject, []))];
        var item = await _bench.PutAsync(HeldByRule, "bob@a.example");
        await _bench.Bench.Work.TryAsync(item, QueueBench.Cancel);
        Assert.Equal(1, (await _bench.RunAsync(ControlVerb.Release, item, ProtectionMethod.Kdc))[^1].Done!.Failed);
        Assert.Equal(RecipientState.Held, item.Status[0].State);
    }

    [Fact]
    public async Task Deleted_mail_is_gone_without_a_report_and_does_not_come_back_where_the_removal_was_lost()
    {
        var item = await _bench.PutAsync(Plain, "bob@a.example");
        var file = _bench.Bench.Spool.MailFile(item);
        var octets = await File.ReadAllBytesAsync(file, QueueBench.Cancel);
        var log = Array.Empty<byte>();
        _bench.Bench.Spool.Spool.BeforeWrite = null;
        await _bench.RunAsync(new ControlRequest { Verb = ControlVerb.Hold, Filter = new QueueFilter { All = true } });
        await using (var owned = await _bench.Runner.OwnAsync(item, QueueBench.Cancel))
        {
            Assert.NotNull(owned);
            await item.RecordAsync([(0, item.Status[0] with { State = RecipientState.Deleted })], durable: true, QueueBench.Cancel);
            log = await File.ReadAllBytesAsync(_bench.Bench.Spool.LogFile(item), QueueBench.Cancel);
        }
        item.Remove();
        Assert.False(File.Exists(file));
        Assert.Empty(_bench.Bench.Reports);

        // As a crash may leave it: the journal line is durable, the removal is not.
        await File.WriteAllBytesAsync(file, octets, QueueBench.Cancel);
        await File.WriteAllBytesAsync(_bench.Bench.Spool.LogFile(item), log, QueueBench.Cancel);
        Assert.True(_bench.Bench.Restart(item.Id).Status[0].IsFinal);
    }

    [Fact]
    public async Task Delete_and_bounce_end_a_recipient_and_only_bounce_tells_the_sender()
    {
        var item = await _bench.PutAsync(Plain, "bob@a.example", "carol@a.example");
        await _bench.RunAsync(new ControlRequest { Verb = ControlVerb.Delete, Filter = new QueueFilter { Recipient = ["bob@a.example"] } });
        Assert.Empty(_bench.Bench.Reports);
        Assert.True(File.Exists(_bench.Bench.Spool.MailFile(item)));
        await _bench.RunAsync(new ControlRequest { Verb = ControlVerb.Bounce, Filter = new QueueFilter { All = true } });
        Assert.False(File.Exists(_bench.Bench.Spool.MailFile(item)));
        var report = _bench.Bench.ReportText();
        Assert.Contains("Final-Recipient: rfc822; carol@a.example\r\nAction: failed\r\n", report, StringComparison.Ordinal);
        Assert.DoesNotContain("bob@a.example", report, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"\bann\b", report);
        Assert.Null(_bench.Runner.Find(item.Id));
        Assert.Equal(["queue.delete", "queue.bounce"], _bench.Audit.Events.Select(e => e.Action));
    }

    [Fact]
    public async Task What_the_audit_can_not_take_is_not_done()
    {
        var item = await _bench.PutAsync(Plain, "bob@a.example");
        _bench.Audit.IsFull = true;
        var done = (await _bench.RunAsync(ControlVerb.Delete, item))[^1].Done!;
        Assert.Equal((0, 1), (done.Recipients, done.Failed));
        Assert.Equal(RecipientStatus.New, item.Status[0]);
        Assert.True(File.Exists(_bench.Bench.Spool.MailFile(item)));
    }

    [Fact]
    public async Task What_the_spool_can_not_take_is_said_and_stands_in_the_audit_as_failed()
    {
        var item = await _bench.PutAsync(Plain, "bob@a.example");
        _bench.Bench.Spool.Spool.BeforeWrite = () => throw new IOException("full");
        var done = (await _bench.RunAsync(ControlVerb.Bounce, item))[^1].Done!;
        Assert.Equal((0, 1), (done.Recipients, done.Failed));
        Assert.Equal(RecipientStatus.New, item.Status[0]);
        Assert.Equal(["queue.bounce", "queue.bounce.failed"], _bench.Audit.Events.Select(e => e.Action));
    }

    [Fact]
    public async Task A_mail_that_is_being_delivered_is_left_alone_and_that_is_said()
    {
        var item = await _bench.PutAsync(Plain, "bob@a.example");
        var delivery = await _bench.Runner.OwnAsync(item, QueueBench.Cancel);
        var asked = _bench.RunAsync(ControlVerb.Delete, item);
        for (var i = 0; i < 200 && !asked.IsCompleted; i++)
        {
            _bench.Bench.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(10, QueueBench.Cancel);
        }
        Assert.Equal(1, (await asked)[^1].Done!.Failed);
        Assert.Equal(RecipientStatus.New, item.Status[0]);
        await delivery!.DisposeAsync();
        Assert.Equal(0, (await _bench.RunAsync(ControlVerb.Delete, item))[^1].Done!.Failed);
    }

    [Fact]
    public async Task The_summary_counts_by_domain_and_age()
    {
        await _bench.PutAsync(Plain, "a@a.example", "b@a.example");
        _bench.Bench.Time.Advance(TimeSpan.FromHours(2));
        await ControlBench.WaitForProtectionAsync(await _bench.PutAsync(Plain, "c@a.example"));
        await _bench.PutAsync(Plain, "d@b.example");
        var rows = (await _bench.RunAsync(new ControlRequest { Verb = ControlVerb.Summary })).Select(r => r.Row).OfType<SummaryRow>().ToList();
        Assert.Equal([("a.example", 3, 1), ("b.example", 1, 0)], rows.Select(r => (r.Domain, r.Total, r.Held)));
        Assert.Equal([1, 0, 0, 2, 0, 0, 0, 0], rows[0].ByAge);
    }

    private async Task FindsAsync(QueueFilter filter, params (SpooledMail Item, int Index)[] expected)
    {
        var lines = (await _bench.RunAsync(new ControlRequest { Verb = ControlVerb.List, Filter = filter })).Select(r => r.Line).OfType<QueueLine>();
        Assert.Equal(
            expected.Select(e => (e.Item.Id.ToString(), e.Item.Mail.Envelope.Recipients[e.Index].Address.ToString())).Order(),
            lines.Select(l => (l.Id, l.Recipient)).Order());
    }
}
