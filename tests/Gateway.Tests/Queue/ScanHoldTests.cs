using System.Text;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.Gateway.Queue;
using GatewaySecure.Gateway.Scanning;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Gateway.Tests.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Tests.Queue;

/// <summary>What waits for a scanner is held, and is given up in time like all that waits.</summary>
public sealed class ScanHoldTests : IDisposable
{
    private readonly ScriptedScan _scan = new() { Outcome = new ScanOutcome.Unknown("held until scanner virus can look at it: no connection") };
    private readonly QueueBench _bench;

    public ScanHoldTests() => _bench = new QueueBench(_scan);

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task It_is_held_reported_as_late_as_a_delay_and_given_up_as_late_as_a_dead_host()
    {
        var item = await PutAsync();
        await WaitAsync(item, TimeSpan.FromHours(3));
        Assert.Equal(RecipientState.Held, item.Status[0].State);
        Assert.Empty(_bench.Reports);

        await WaitAsync(item, TimeSpan.FromHours(8));
        Assert.Equal(RecipientState.Held, item.Status[0].State);
        var delayed = Assert.Single(_bench.Reports);
        Assert.Contains("Action: delayed\r\nStatus: 4.4.7\r\nWill-Retry-Until: Fri, 06 Mar 2026 12:00:00 +0000\r\n", Text(delayed), StringComparison.Ordinal);

        item = _bench.Restart(item.Id);
        await WaitAsync(item, TimeSpan.FromHours(107));
        Assert.Equal(RecipientState.Held, item.Status[0].State);
        await WaitAsync(item, TimeSpan.FromHours(8));
        Assert.Equal(RecipientState.Failed, item.Status[0].State);
        Assert.Equal(2, _bench.Reports.Count);
        Assert.Contains("Action: failed\r\nStatus: 5.4.7\r\n", Text(_bench.Reports[1]), StringComparison.Ordinal);
        Assert.Contains("given up after 120 hours: held until scanner virus", Text(_bench.Reports[1]), StringComparison.Ordinal);
        Assert.Empty(_bench.NextHop.Tried);
        Assert.False(File.Exists(_bench.Spool.MailFile(item)));
    }

    [Fact]
    public async Task One_that_is_never_asked_because_it_is_busy_is_given_up_too()
    {
        _scan.Outcome = new ScanOutcome.NotAsked("scanner virus is busy", TimeSpan.FromHours(1));
        var item = await PutAsync();
        await WaitAsync(item, TimeSpan.FromHours(119));
        Assert.Equal((RecipientState.Queued, 0), (item.Status[0].State, item.Status[0].Attempts));
        await WaitAsync(item, TimeSpan.FromHours(3));
        Assert.Equal(RecipientState.Failed, item.Status[0].State);
    }

    [Fact]
    public async Task What_is_held_for_its_protection_does_not_expire_over_a_scanner_that_goes_down()
    {
        _scan.Outcome = new ScanOutcome.Clean();
        _bench.Protector.Missing[ProtectionMethod.Normal] = "no certificate";
        var item = await PutAsync();
        await _bench.TryAsync(item);
        _scan.Outcome = new ScanOutcome.Unknown("held until scanner virus can look at it");
        await WaitAsync(item, TimeSpan.FromDays(30));
        Assert.Equal(RecipientState.Held, item.Status[0].State);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Once_it_passed_and_its_next_hop_defers_it_it_is_held_no_more_and_expires(bool waitedForScanner)
    {
        if (!waitedForScanner)
        {
            _scan.Outcome = new ScanOutcome.Clean();
            _bench.Protector.Missing[ProtectionMethod.Normal] = "no certificate";
        }
        var item = await PutAsync();
        await WaitAsync(item, TimeSpan.FromHours(100));
        Assert.Equal(RecipientState.Held, item.Status[0].State);
        _scan.Outcome = new ScanOutcome.Clean();
        _bench.Protector.Missing.Clear();
        _bench.NextHop.Replies["a@partner.example"] = new SmtpReply(451, "4.3.0", "later");
        // What did not expire while it was held has its full time from now on.
        await WaitAsync(item, TimeSpan.FromHours(waitedForScanner ? 10 : 110));
        Assert.Equal(RecipientState.Queued, item.Status[0].State);
        await WaitAsync(item, TimeSpan.FromHours(18));
        Assert.Equal(RecipientState.Failed, item.Status[0].State);
    }

    [Fact]
    public async Task While_its_destination_rests_it_is_overdue_all_the_same()
    {
        var item = await PutAsync();
        await _bench.TryAsync(item);
        var entry = new QueueEntry(item);
        Assert.False(entry.IsOverdue(_bench.Options));
        _bench.Time.Advance(TimeSpan.FromDays(6));
        Assert.True(entry.IsOverdue(_bench.Options));
        foreach (var lane in _bench.Work.DueLanes(item).ToList())
            await _bench.Work.PutOffAsync(item, lane, "away", QueueBench.Cancel);
        Assert.Equal(RecipientState.Failed, item.Status[0].State);
    }

    private Task<SpooledMail> PutAsync() => _bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("a@partner.example")]);

    /// <summary>Tries it every 20 minutes, as the queue would or more often.</summary>
    private async Task WaitAsync(SpooledMail item, TimeSpan time)
    {
        for (var passed = TimeSpan.Zero; passed < time && !item.IsRemoved; passed += TimeSpan.FromMinutes(20))
        {
            await _bench.TryAsync(item);
            _bench.Time.Advance(TimeSpan.FromMinutes(20));
        }
        if (!item.IsRemoved)
            await _bench.TryAsync(item);
    }

    private static string Text(SpooledMail report) => Encoding.UTF8.GetString(SpoolBench.ReadAll(report));
}

/// <summary>Says what it is told to.</summary>
internal sealed class ScriptedScan : IContentScan
{
    public ScanOutcome Outcome { get; set; } = new ScanOutcome.Clean();

    public Task<ScanOutcome> ExamineAsync(SpooledMail item, MailForm form, CancellationToken cancellationToken) => Task.FromResult(Outcome);

    public MailForm WithFields(SpooledMail item, MailForm form) => form;
}
