using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Tests.Queue;

public sealed class ItemWorkTests
{
    private static readonly SmtpReply Later = new(451, "4.3.0", "later");
    private static readonly SmtpReply No = new(550, "5.1.1", "no such user");

    [Fact]
    public async Task Delivered_deferred_and_refused_make_one_report_one_retry_and_no_second_delivery_after_a_restart()
    {
        using var bench = new QueueBench();
        bench.NextHop.Replies["b@partner.example"] = Later;
        bench.NextHop.Replies["c@partner.example"] = No;
        var item = await bench.PutAsync(
            QueueBench.Wants(ProtectionMethod.Normal),
            [QueueBench.To("a@partner.example"), QueueBench.To("b@partner.example"), QueueBench.To("c@partner.example")]);
        await bench.TryAsync(item);
        Assert.Contains("Action: failed\r\nStatus: 5.1.1\r\n", bench.ReportText(), StringComparison.Ordinal);

        item = bench.Restart(item.Id);
        await bench.TryAsync(item);
        Assert.Single(bench.NextHop.Tried);
        bench.NextHop.Replies.Clear();
        bench.Time.Advance(TimeSpan.FromMinutes(2));
        await bench.TryAsync(item);
        Assert.Equal("b@partner.example", bench.NextHop.Tried[1]);
        Assert.Equal(2, bench.NextHop.Tried.Count);
        Assert.Single(bench.Reports);
        Assert.False(File.Exists(bench.Spool.MailFile(item)));
    }

    [Fact]
    public async Task A_group_that_fails_in_an_unforeseen_way_does_not_undo_an_earlier_delivery()
    {
        using var bench = new QueueBench();
        var item = await bench.PutAsync(
            QueueBench.Wants(ProtectionMethod.Ca), [QueueBench.To("a@partner.example"), QueueBench.To("b@partner.example")], blind: [1]);
        bench.Protector.Throws = () => bench.Protector.Asked.Count > 1 ? new InvalidOperationException("fault") : null;
        await Assert.ThrowsAsync<InvalidOperationException>(() => bench.TryAsync(item));
        item = bench.Restart(item.Id);
        Assert.Equal([RecipientState.Delivered, RecipientState.Queued], item.Status.Select(s => s.State));
    }

    [Fact]
    public async Task A_shutdown_right_after_the_delivery_does_not_lose_the_outcome()
    {
        using var bench = new QueueBench();
        using var abort = new CancellationTokenSource();
        bench.NextHop.OnDelivery = abort.Cancel;
        bench.NextHop.Replies["b@partner.example"] = Later;
        var item = await bench.PutAsync(
            QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("a@partner.example"), QueueBench.To("b@partner.example")]);
        await bench.TryAsync(item, abort.Token);
        Assert.Equal(RecipientState.Delivered, bench.Restart(item.Id).Status[0].State);
    }

    [Fact]
    public async Task A_disk_that_fails_under_the_report_does_not_make_a_second_delivery()
    {
        using var bench = new QueueBench();
        bench.NextHop.Replies["b@partner.example"] = No;
        var item = await bench.PutAsync(
            QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("a@partner.example"), QueueBench.To("b@partner.example")]);
        bench.Spool.Spool.BeforeWrite = () => throw new IOException("full");
        await Assert.ThrowsAsync<SpoolUnavailableException>(() => bench.TryAsync(item));
        bench.Spool.Spool.BeforeWrite = null;
        await bench.TryAsync(item);
        Assert.Equal(["a@partner.example b@partner.example", "b@partner.example"], bench.NextHop.Tried);
        Assert.Single(bench.Reports);
    }

    [Fact]
    public async Task What_is_held_never_leaves_and_leaves_once_protection_can_be_had()
    {
        using var bench = new QueueBench();
        bench.Protector.Missing[ProtectionMethod.Ca] = "no certificate";
        bench.Protector.Missing[ProtectionMethod.Kdc] = "unknown principal";
        var item = await bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca, ProtectionMethod.Kdc), [QueueBench.To("a@partner.example")]);
        for (var hour = 0; hour < 24 * 6; hour++)
        {
            await bench.TryAsync(item);
            bench.Time.Advance(bench.Options.RetryHeldAfter);
        }
        Assert.Empty(bench.NextHop.Tried);
        Assert.Equal((RecipientState.Held, 24 * 6), (item.Status[0].State, item.Status[0].Attempts));
        Assert.Equal([ProtectionMethod.Ca, ProtectionMethod.Kdc], bench.Protector.Asked.Take(2).Select(a => a.Method));
        var report = bench.ReportText();
        Assert.Contains("Action: delayed\r\nStatus: 4.7.1\r\n", report, StringComparison.Ordinal);
        Assert.DoesNotContain("Will-Retry-Until", report, StringComparison.Ordinal);
        Assert.DoesNotContain("marker", report, StringComparison.Ordinal);

        bench.Protector.Missing.Remove(ProtectionMethod.Kdc);
        await bench.TryAsync(item);
        Assert.Single(bench.NextHop.Tried);
        Assert.Equal(RecipientState.Delivered, item.Status[0].State);
    }

    [Theory]
    [InlineData(DecisionAction.Reject)]
    [InlineData(DecisionAction.Protect)]
    public async Task Refusal_by_rule_or_for_want_of_protection_is_reported_and_never_sent(DecisionAction action)
    {
        using var bench = new QueueBench();
        bench.Protector.Missing[ProtectionMethod.Ca] = "no certificate";
        var decision = QueueBench.Wants(ProtectionMethod.Ca) with { Action = action, WhenUnavailable = WhenUnavailable.Reject };
        await bench.TryAsync(await bench.PutAsync(decision, [QueueBench.To("a@partner.example")]));
        Assert.Empty(bench.NextHop.Tried);
        Assert.Contains("Action: failed\r\nStatus: 5.7.1\r\n", bench.ReportText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hold_for_a_person_is_never_tried_again()
    {
        using var bench = new QueueBench();
        var item = await bench.PutAsync(QueueBench.Wants() with { Action = DecisionAction.Hold }, [QueueBench.To("a@partner.example")]);
        await bench.TryAsync(item);
        bench.Time.Advance(TimeSpan.FromDays(30));
        await bench.TryAsync(item);
        Assert.Empty(bench.NextHop.Tried);
        Assert.Equal((RecipientState.Held, 1, null), (item.Status[0].State, item.Status[0].Attempts, item.Status[0].NextAttempt));
    }

    [Fact]
    public async Task State_is_durable_before_the_first_octet_and_given_back_after_a_restart()
    {
        using var bench = new QueueBench();
        bench.Protector.State = [1, 2, 3];
        bench.NextHop.Throws = new DeliveryException("broke off");
        var item = await bench.PutAsync(QueueBench.Wants(ProtectionMethod.Kdc), [QueueBench.To("a@partner.example")]);
        var logAtDelivery = false;
        bench.NextHop.OnDelivery = () => logAtDelivery = File.Exists(bench.Spool.LogFile(item));
        await bench.TryAsync(item);
        Assert.True(logAtDelivery);
        item = bench.Restart(item.Id);
        bench.Time.Advance(TimeSpan.FromMinutes(2));
        await bench.TryAsync(item);
        Assert.Null(bench.Protector.Asked[0].Kept);
        Assert.Equal([1, 2, 3], bench.Protector.Asked[1].Kept);
    }

    [Fact]
    public async Task A_blind_recipient_travels_alone_in_protected_mail()
    {
        using var bench = new QueueBench();
        var item = await bench.PutAsync(
            QueueBench.Wants(ProtectionMethod.Ca),
            [QueueBench.To("a@partner.example"), QueueBench.To("b@partner.example"), QueueBench.To("c@partner.example")],
            blind: [1]);
        await bench.TryAsync(item);
        Assert.Equal(["a@partner.example c@partner.example", "b@partner.example"], bench.NextHop.Tried);
    }

    [Fact]
    public async Task An_unreachable_host_is_tried_on_schedule_reported_once_and_given_up_after_five_days()
    {
        using var bench = new QueueBench();
        bench.NextHop.Throws = new DeliveryException("unreachable");
        var item = await bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("a@partner.example")]);
        await bench.TryAsync(item);
        Assert.InRange(item.Status[0].NextAttempt!.Value - QueueBench.Start, TimeSpan.FromSeconds(54), TimeSpan.FromSeconds(66));
        while (!item.Status[0].IsFinal)
        {
            bench.Time.SetUtcNow(item.Status[0].NextAttempt!.Value);
            await bench.TryAsync(item);
        }
        Assert.InRange(bench.Time.GetUtcNow() - QueueBench.Start, TimeSpan.FromDays(5), TimeSpan.FromDays(5.2));
        Assert.Equal(2, bench.Reports.Count);
        Assert.Contains("Will-Retry-Until:", Text(bench.Reports[0]), StringComparison.Ordinal);
        Assert.Contains("Action: failed\r\nStatus: 5.4.7\r\n", Text(bench.Reports[1]), StringComparison.Ordinal);
    }

    private static string Text(SpooledMail item) => System.Text.Encoding.UTF8.GetString(Spool.SpoolBench.ReadAll(item));
}
