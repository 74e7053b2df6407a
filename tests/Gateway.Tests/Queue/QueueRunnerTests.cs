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

    private QueueRunner Runner(int workers) =>
        new(_bench.Work, _bench.Options with { Concurrency = workers }, _bench.Time, NullLogger<QueueRunner>.Instance);

    private async Task RunAsync(int workers, Action<QueueRunner> add, Func<bool> until)
    {
        using var stop = new CancellationTokenSource();
        using var runner = Runner(workers);
        add(runner);
        var running = runner.RunAsync(stop.Token);
        for (var i = 0; i < 600 && !until(); i++)
            await Task.Delay(50, QueueBench.Cancel);
        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(30), QueueBench.Cancel);
        Assert.True(until());
    }
}
