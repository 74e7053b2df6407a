using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Gateway.Queue;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;
using Microsoft.Extensions.Logging.Abstractions;

namespace GatewaySecure.Gateway.Tests.Queue;

public sealed class QueueRunnerTests : IDisposable
{
    private readonly QueueBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task A_mail_that_makes_the_work_fail_is_held_and_the_others_go_on()
    {
        var poison = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), [QueueBench.To("poison@example.org")]);
        var good = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("bob@example.org")]);
        var first = true;
        _bench.Protector.Throws = () => first && !(first = false) ? new InvalidOperationException("a bug") : null;
        await RunAsync(1, runner =>
        {
            runner.Add(poison);
            runner.Add(good);
        }, () => poison.Status[0].State == RecipientState.Held && good.Status[0].State == RecipientState.Delivered);
        Assert.Equal(["bob@example.org"], _bench.NextHop.Tried);
        Assert.Null(poison.Status[0].NextAttempt);
        Assert.Equal(RecipientState.Held, _bench.Restart(poison.Id).Status[0].State);
        // And the sender is told that it waits.
        Assert.Single(_bench.Reports);
    }

    [Fact]
    public async Task Whatever_a_next_hop_answers_short_of_is_held_and_not_tried_in_circles()
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("bob@example.org")]);
        _bench.NextHop.Throws = new InvalidOperationException("answered for 0 of 1 recipients");
        await RunAsync(1, runner => runner.Add(item), () => item.Status[0].State == RecipientState.Held);
        Assert.Single(_bench.NextHop.Tried);
    }

    [Fact]
    public async Task What_was_finished_but_not_removed_goes_at_the_next_start_without_being_sent_again()
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("bob@example.org")]);
        await item.RecordAsync([(0, RecipientStatus.New with { State = RecipientState.Delivered })], durable: true, QueueBench.Cancel);
        var again = _bench.Restart(item.Id);
        await RunAsync(1, runner => runner.Add(again), () => !File.Exists(_bench.Spool.MailFile(again)));
        Assert.Empty(_bench.NextHop.Tried);
    }

    [Fact]
    public async Task Deliveries_under_way_may_end_when_the_runner_stops_and_nothing_new_begins()
    {
        var slow = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("slow@example.org")]);
        var later = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("later@example.org")]);
        using var stop = new CancellationTokenSource();
        using var runner = Runner(1);
        _bench.NextHop.OnDelivery = stop.Cancel;
        runner.Add(slow);
        runner.Add(later);
        await runner.RunAsync(stop.Token).WaitAsync(TimeSpan.FromSeconds(30), QueueBench.Cancel);
        Assert.Equal(RecipientState.Delivered, slow.Status[0].State);
        Assert.Equal(RecipientState.Queued, later.Status[0].State);
        Assert.Equal(["slow@example.org"], _bench.NextHop.Tried);
    }

    [Fact]
    public async Task A_destination_that_hangs_takes_a_few_workers_and_the_others_get_their_mail()
    {
        _bench.NextHop.GoesByDomain = true;
        _bench.NextHop.HangsOn = d => d == "stuck.example";
        var items = new List<SpooledMail>();
        for (var i = 0; i < 60; i++)
            items.Add(await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To($"u{i}@{(i < 50 ? "stuck" : "good")}.example")]));
        await RunAsync(10, runner => items.ForEach(runner.Add), () => items[50..].TrueForAll(i => i.IsRemoved));
        Assert.True(_bench.NextHop.Tried.Count(t => t.EndsWith("@stuck.example", StringComparison.Ordinal)) <= 5);
        Assert.All(items[..50], i => Assert.Equal(RecipientState.Queued, i.Status[0].State));
    }

    [Fact]
    public async Task A_mail_for_two_destinations_reaches_the_one_that_answers_while_the_other_hangs()
    {
        _bench.NextHop.GoesByDomain = true;
        _bench.NextHop.HangsOn = d => d == "stuck.example";
        var item = await _bench.PutAsync(
            QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("a@stuck.example"), QueueBench.To("b@good.example")]);
        await RunAsync(4, runner => runner.Add(item), () => item.Status[1].State == RecipientState.Delivered);
        Assert.Equal([RecipientState.Queued, RecipientState.Delivered], _bench.Restart(item.Id).Status.Select(s => s.State));
    }

    [Fact]
    public async Task What_waits_for_a_destination_that_rests_costs_no_attempt_and_goes_when_it_answers_again()
    {
        _bench.NextHop.Throws = new DeliveryException("unreachable");
        var items = new List<SpooledMail>();
        for (var i = 0; i < 100; i++)
            items.Add(await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To($"u{i}@partner.example")]));
        using var stop = new CancellationTokenSource();
        using var runner = Runner(8);
        items.ForEach(runner.Add);
        var running = runner.RunAsync(stop.Token);
        await UntilAsync(() => items.Sum(i => i.Status[0].Attempts) >= 5);
        // Five were under way when the first failed; the rest of them were let begin before.
        Assert.InRange(items.Sum(i => i.Status[0].Attempts), 1, 10);
        for (var i = 0; i < 5; i++)
        {
            _bench.Time.Advance(TimeSpan.FromSeconds(20));
            await Task.Delay(20, QueueBench.Cancel);
        }
        Assert.InRange(_bench.NextHop.Tried.Count, 2, 20);
        _bench.NextHop.Throws = null;
        await UntilAsync(() =>
        {
            _bench.Time.Advance(TimeSpan.FromSeconds(20));
            return items.TrueForAll(i => i.IsRemoved);
        });
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task What_waits_for_a_destination_that_rests_is_reported_and_given_up_in_its_time()
    {
        _bench.NextHop.Throws = new DeliveryException("unreachable");
        var items = new List<SpooledMail>();
        for (var i = 0; i < 40; i++)
            items.Add(await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To($"u{i}@partner.example")]));
        using var stop = new CancellationTokenSource();
        using var runner = Runner(8);
        items.ForEach(runner.Add);
        var running = runner.RunAsync(stop.Token);
        await UntilAsync(() =>
        {
            _bench.Time.Advance(TimeSpan.FromMinutes(11));
            return items.TrueForAll(i => i.Status[0].DelayReported);
        });
        Assert.Equal(40, _bench.Reports.Count);
        _bench.Time.Advance(TimeSpan.FromDays(5));
        await UntilAsync(() =>
        {
            _bench.Time.Advance(TimeSpan.FromMinutes(11));
            return items.TrueForAll(i => i.IsRemoved);
        });
        Assert.Equal(80, _bench.Reports.Count);
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task A_person_has_a_mail_alone_and_gives_it_back_to_the_queue()
    {
        _bench.NextHop.HangsOn = _ => true;
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("a@partner.example")]);
        using var stop = new CancellationTokenSource();
        using var runner = Runner(2);
        await using (var owned = await runner.OwnAsync(item, QueueBench.Cancel))
            Assert.Null(owned);
        runner.Add(item);
        await using (var owned = await runner.OwnAsync(item, QueueBench.Cancel))
        {
            Assert.Same(item, owned!.Item);
            var running = runner.RunAsync(stop.Token);
            await Task.Delay(100, QueueBench.Cancel);
            Assert.Empty(_bench.NextHop.Tried);
            await owned.DisposeAsync();
            await UntilAsync(() => _bench.NextHop.Tried.Count == 1);
            // Now it is under way, and does not end soon.
            var waiting = runner.OwnAsync(item, QueueBench.Cancel).AsTask();
            await UntilAsync(() =>
            {
                _bench.Time.Advance(TimeSpan.FromSeconds(1));
                return waiting.IsCompleted;
            });
            Assert.Null(await waiting);
            await stop.CancelAsync();
            _bench.Time.Advance(_bench.Options.DrainTime);
            await running;
        }
        Assert.Equal(RecipientState.Queued, item.Status[0].State);
    }

    private QueueRunner Runner(int workers) =>
        new(_bench.Work, _bench.Options with { Concurrency = workers }, _bench.Time, NullLogger<QueueRunner>.Instance);

    private async Task RunAsync(int workers, Action<QueueRunner> add, Func<bool> until)
    {
        using var stop = new CancellationTokenSource();
        using var runner = Runner(workers);
        add(runner);
        var running = runner.RunAsync(stop.Token);
        await UntilAsync(until);
        await stop.CancelAsync();
        // What hangs has its time to end, and is cut off.
        for (var i = 0; i < 100 && !running.IsCompleted; i++)
        {
            _bench.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(20, QueueBench.Cancel);
        }
        await running.WaitAsync(TimeSpan.FromSeconds(30), QueueBench.Cancel);
        Assert.True(until());
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; i < 1500; i++)
        {
            if (condition())
                return;
            await Task.Delay(20, QueueBench.Cancel);
        }
        Assert.Fail("It did not come to that.");
    }
}
