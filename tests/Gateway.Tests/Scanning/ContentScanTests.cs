using System.Net;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.Gateway.Scanning;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Gateway.Tests.Control;
using GatewaySecure.Gateway.Tests.Queue;
using GatewaySecure.Gateway.Tests.Receiving;
using GatewaySecure.Gateway.Tests.Spool;
using GatewaySecure.MailProtection;
using GatewaySecure.Policies;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Tests.Scanning;

/// <summary>A mail passes a real filter once, whoever delivers it.</summary>
public sealed class ContentScanTests : IAsyncLifetime
{
    private readonly QueueBench _bench = new();
    private readonly RecordedAudit _audit = new();
    private readonly TrafficBench.KeptLog _log = new();
    private OddFilter _filter = null!;
    private ContentScan _scan = null!;

    private static CancellationToken Cancel => QueueBench.Cancel;

    public async ValueTask InitializeAsync()
    {
        _filter = await OddFilter.StartAsync();
        var scanner = new Scanner(
            "virus", new IPEndPoint(IPAddress.Loopback, _filter.Port), [Direction.Outbound], TimeSpan.FromSeconds(30), 4, InfectedHandling.Hold);
        var rules = PolicyCompiler.Compile(new PolicySet([DomainName.Parse("inside.example")], [], RuleOutcome.Protect(ProtectionMethod.Normal)));
        _scan = new ContentScan(
            [new MilterScanner(scanner, "gateway.example", TimeProvider.System)], rules.Snapshot!, _audit, TimeProvider.System, new Logger<ContentScan>(new OneLog(_log)));
    }

    public async ValueTask DisposeAsync()
    {
        _scan.Dispose();
        _bench.Dispose();
        await _filter.DisposeAsync();
    }

    [Fact]
    public async Task Two_lanes_at_once_share_one_look_and_its_fields()
    {
        var item = await PutAsync("slow-describe");
        var form = new MailForm(item.Content);
        var looks = Enumerable.Range(0, 5).Select(_ => _scan.ExamineAsync(item, form, Cancel)).ToList();
        Assert.All(await Task.WhenAll(looks), o => Assert.IsType<ScanOutcome.Clean>(o));
        Assert.IsType<ScanOutcome.Clean>(await _scan.ExamineAsync(item, form, Cancel));
        Assert.Single(_log.Lines, l => l.Contains("passed scanner", StringComparison.Ordinal));
        Assert.Contains("X-Seen: ", Text(_scan.WithFields(item, form).Content), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusal_holds_for_lanes_that_come_later_until_a_person_lets_it_go_on()
    {
        var item = await PutAsync("slow-reject");
        var form = new MailForm(item.Content);
        var both = await Task.WhenAll(_scan.ExamineAsync(item, form, Cancel), _scan.ExamineAsync(item, form, Cancel));
        Assert.All(both, o => Assert.IsType<ScanOutcome.Hold>(o));
        Assert.IsType<ScanOutcome.Hold>(await _scan.ExamineAsync(item, form, Cancel));
        Assert.Single(_audit.Events);

        await item.RecordAsync([(0, item.Status[0] with { ReleasedAt = TimeSpan.FromMinutes(1) })], durable: true, Cancel);
        Assert.IsType<ScanOutcome.Hold>(await _scan.ExamineAsync(item, form, Cancel));
        Assert.Equal(2, _audit.Events.Count);
    }

    [Fact]
    public async Task Each_form_of_a_mail_is_looked_at_for_itself()
    {
        var item = await PutAsync("describe");
        var accepted = new MailForm(item.Content);
        var opened = new MailForm(new ContentWithTop("X-Test: describe\r\nX-Opened: yes\r\n"u8.ToArray(), item.Content), Kind: " opened");
        await _scan.ExamineAsync(item, accepted, Cancel);
        Assert.Same(opened, _scan.WithFields(item, opened));
        await _scan.ExamineAsync(item, opened, Cancel);
        Assert.StartsWith("X-", Text(_scan.WithFields(item, opened).Content), StringComparison.Ordinal);
        Assert.Equal(2, _log.Lines.Count(l => l.Contains("passed scanner", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_filter_that_is_down_is_no_verdict_and_nothing_is_remembered_of_it()
    {
        var item = await PutAsync("describe");
        await _filter.StopAsync();
        var form = new MailForm(item.Content);
        Assert.IsType<ScanOutcome.Unknown>(await _scan.ExamineAsync(item, form, Cancel));
        Assert.IsType<ScanOutcome.NotAsked>(await _scan.ExamineAsync(item, form, Cancel));
        Assert.Empty(_audit.Events);
    }

    private async Task<SpooledMail> PutAsync(string wish) => await _bench.PutAsync(
        QueueBench.Wants(ProtectionMethod.Normal),
        [QueueBench.To("a@partner.example")],
        content: Encoding.ASCII.GetBytes($"X-Test: {wish}\r\nFrom: alice@inside.example\r\n\r\nText\r\n"));

    private static string Text(IMailContent content)
    {
        using var reader = new StreamReader(content.OpenRead());
        return reader.ReadToEnd();
    }

    private sealed class OneLog(ILogger log) : ILoggerFactory
    {
        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public ILogger CreateLogger(string categoryName) => log;

        public void Dispose()
        {
        }
    }
}
