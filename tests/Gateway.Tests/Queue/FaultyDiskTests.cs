using GatewaySecure.Gateway.Queue;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Gateway.Tests.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace GatewaySecure.Gateway.Tests.Queue;

/// <summary>The disk fails under mail on its way, and mail fails under the gateway: nothing is lost, nothing stands in the way of others.</summary>
public sealed class FaultyDiskTests : IDisposable
{
    private readonly QueueBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task Poison_whose_hold_can_not_be_written_blocks_nobody_and_is_held_after_a_restart()
    {
        var poison = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), [QueueBench.To("poison@example.org", DsnNotify.Never)]);
        _bench.Protector.Throws = () => new InvalidOperationException("a bug");
        // A folder where the journal should be: it can't be written.
        Directory.CreateDirectory(_bench.Spool.LogFile(poison));
        using var runner = new QueueRunner(_bench.Work, _bench.Options with { Concurrency = 1 }, _bench.Time, NullLogger<QueueRunner>.Instance);
        using var stop = new CancellationTokenSource();
        runner.Add(poison);
        var running = runner.RunAsync(stop.Token);
        await UntilAsync(() => _bench.Protector.Asked.Count == 1);
        _bench.Protector.Throws = () => null;
        var good = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("bob@example.org")]);
        runner.Add(good);
        await UntilAsync(() => good.IsRemoved);
        // It does not go round in circles either.
        Assert.Equal(2, _bench.Protector.Asked.Count);
        Assert.Equal(["bob@example.org"], _bench.NextHop.Tried);

        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(30), QueueBench.Cancel);

        Directory.Delete(_bench.Spool.LogFile(poison));
        _bench.Protector.Throws = () => new InvalidOperationException("a bug");
        var again = _bench.Restart(poison.Id);
        await Assert.ThrowsAsync<InvalidOperationException>(() => _bench.Work.TryAsync(again, QueueBench.Cancel));
        await _bench.Work.HoldAsync(again, QueueBench.Cancel);
        Assert.Equal(RecipientState.Held, _bench.Restart(poison.Id).Status[0].State);
        Assert.Equal(["bob@example.org"], _bench.NextHop.Tried);
    }

    /// <param name="notify">A report is kept before the hold is written, and with it the hold is known.</param>
    [Theory]
    [InlineData(DsnNotify.Unspecified)]
    [InlineData(DsnNotify.Never)]
    public async Task Poison_is_not_tried_again_while_its_hold_can_not_be_written_and_is_held_once_it_can(DsnNotify notify)
    {
        var poison = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), [QueueBench.To("poison@example.org", notify)]);
        _bench.Protector.Throws = () => new InvalidOperationException("a bug");
        Directory.CreateDirectory(_bench.Spool.LogFile(poison));
        await WhileRunningAsync(async runner =>
        {
            runner.Add(poison);
            await UntilAsync(() => _bench.Protector.Asked.Count > 0);
            for (var i = 0; i < 5; i++)
            {
                _bench.Time.Advance(TimeSpan.FromMinutes(2));
                await Task.Delay(20, QueueBench.Cancel);
            }
            Directory.Delete(_bench.Spool.LogFile(poison));
            await UntilAsync(() =>
            {
                _bench.Time.Advance(TimeSpan.FromMinutes(2));
                return File.Exists(_bench.Spool.LogFile(poison)) && poison is { HasUnwritten: false } && poison.Status[0].State == RecipientState.Held;
            });
        });
        Assert.Single(_bench.Protector.Asked);
        Assert.Equal(notify == DsnNotify.Never ? 0 : 1, _bench.Reports.Count);
        var again = _bench.Restart(poison.Id);
        Assert.Equal((RecipientState.Held, null), (again.Status[0].State, again.Status[0].NextAttempt));
    }

    [Fact]
    public async Task Poison_about_which_no_report_can_be_made_is_held_without_one()
    {
        var poison = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Ca), [QueueBench.To("poison@example.org")]);
        _bench.Protector.Throws = () => new InvalidOperationException("a bug");
        _bench.Spool.Spool.BeforeWrite = () => throw new InvalidOperationException("a bug in the report");
        await WhileRunningAsync(async runner =>
        {
            runner.Add(poison);
            await UntilAsync(() => poison.Status[0].State == RecipientState.Held);
        });
        Assert.Empty(_bench.Reports);
        Assert.Equal(RecipientState.Held, _bench.Restart(poison.Id).Status[0].State);
    }

    [Fact]
    public async Task What_a_next_hop_took_is_written_down_once_the_disk_is_back_though_nothing_else_is_due()
    {
        var item = await _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("taken@example.org"), QueueBench.To("held@example.org")]);
        await item.RecordAsync([(1, item.Status[1] with { State = RecipientState.Held })], durable: true, QueueBench.Cancel);
        var aside = _bench.Spool.LogFile(item) + ".aside";
        File.Move(_bench.Spool.LogFile(item), aside);
        Directory.CreateDirectory(_bench.Spool.LogFile(item));
        await WhileRunningAsync(async runner =>
        {
            runner.Add(item);
            await UntilAsync(() => item.HasUnwritten);
            Directory.Delete(_bench.Spool.LogFile(item));
            File.Move(aside, _bench.Spool.LogFile(item));
            await UntilAsync(() =>
            {
                _bench.Time.Advance(TimeSpan.FromSeconds(20));
                return !item.HasUnwritten;
            });
        });
        Assert.Equal(RecipientState.Delivered, _bench.Restart(item.Id).Status[0].State);
    }

    [Fact]
    public async Task A_disk_that_is_full_while_a_report_is_due_keeps_the_original_until_there_is_room()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "Mounting a small disk needs root on Linux.");
        var queue = _bench.Spool.Root;
        var mounted = await Tool.RunAsync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", queue]);
        Assert.SkipUnless(mounted.ExitCode == 0, "This container may not mount a disk.");
        try
        {
            _bench.Spool.Reopen();
            _bench.NextHop.Replies["b@partner.example"] = new SmtpReply(550, "5.1.1", "no such user");
            var item = await _bench.PutAsync(
                QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("a@partner.example"), QueueBench.To("b@partner.example")]);
            var filler = Path.Combine(queue, "filler");
            Fill(filler);
            for (var i = 0; i < 3; i++)
                await Assert.ThrowsAsync<SpoolUnavailableException>(() => _bench.Work.TryAsync(item, QueueBench.Cancel));
            Assert.True(File.Exists(_bench.Spool.MailFile(item)));
            Assert.Empty(_bench.Reports);
            await Assert.ThrowsAsync<SpoolUnavailableException>(() => _bench.PutAsync(
                QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("c@partner.example")], content: new byte[100_000]));

            File.Delete(filler);
            await _bench.Work.TryAsync(item, QueueBench.Cancel);
            Assert.False(File.Exists(_bench.Spool.MailFile(item)));
            Assert.Contains("b@partner.example", _bench.ReportText(), StringComparison.Ordinal);
            // Who got it the first time never gets it again.
            Assert.Single(_bench.NextHop.Tried, t => t.Contains("a@partner.example", StringComparison.Ordinal));
            Assert.Empty(Directory.GetFiles(_bench.Spool.Incoming));
        }
        finally
        {
            await Tool.RunAsync("umount", [queue]);
        }
    }

    private async Task WhileRunningAsync(Func<QueueRunner, Task> work)
    {
        using var runner = new QueueRunner(_bench.Work, _bench.Options with { Concurrency = 2 }, _bench.Time, NullLogger<QueueRunner>.Instance);
        using var stop = new CancellationTokenSource();
        var running = runner.RunAsync(stop.Token);
        await work(runner);
        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(30), QueueBench.Cancel);
    }

    private static void Fill(string path)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        try
        {
            while (file.Length < 100 << 20)
                file.Write(new byte[4096]);
        }
        catch (IOException)
        {
            // That is the purpose.
        }
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; i < 600 && !condition(); i++)
            await Task.Delay(20, QueueBench.Cancel);
        Assert.True(condition());
    }
}
