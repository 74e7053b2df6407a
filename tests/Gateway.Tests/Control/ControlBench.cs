using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Control;
using GatewaySecure.Gateway.Queue;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Gateway.Tests.Queue;
using GatewaySecure.KdcCore;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using Microsoft.Extensions.Logging.Abstractions;

namespace GatewaySecure.Gateway.Tests.Control;

/// <summary>Commands over a real spool and a queue runner that does not run, so that nothing happens but what is commanded.</summary>
internal sealed class ControlBench : IDisposable
{
    public static readonly Operator Ann = new("ann", 1001);
    public static readonly Operator Ben = new("ben", 1002);

    private readonly QueueRunner _runner;

    public ControlBench() => _runner = new QueueRunner(Bench.Work, Bench.Options, Bench.Time, NullLogger<QueueRunner>.Instance);

    public QueueBench Bench { get; } = new();

    public RecordedAudit Audit { get; } = new();

    /// <summary>Of the policy in force; nothing matches: normal.</summary>
    public ImmutableArray<DomainRule> Rules { get; set; } = [];

    public string RequestsFolder => Path.Combine(Bench.Spool.Root, "requests");

    public QueueRunner Runner => _runner;

    public QueueControl Control => new(new QueueParts
    {
        Items = _runner,
        Audit = Audit,
        Reporter = Bench.Reporter,
        Rules = new QueueRules(Settings()),
        Requests = new LoweringRequests(RequestsFolder, Bench.Time),
        NextHopOf = address => address.Domain.Ascii == "slow.example" ? "slow" : "relay",
        Time = Bench.Time,
    });

    public static DomainRule Rule(string name, string recipient, RuleOutcome outcome, params Condition[] more)
    {
        Assert.True(AddressPattern.TryParse(recipient, out var pattern));
        return new DomainRule(name, [new Condition.RecipientIs([pattern]), .. more], outcome);
    }

    public async Task<SpooledMail> PutAsync(Decision decision, params string[] recipients)
    {
        var item = await Bench.PutAsync(decision, [.. recipients.Select(r => QueueBench.To(r))]);
        _runner.Add(item);
        return item;
    }

    /// <summary>As ItemWork leaves what can't be protected.</summary>
    public static ValueTask WaitForProtectionAsync(SpooledMail item) => item.RecordAsync(
        [(0, item.Status[0] with { State = RecipientState.Held, NextAttempt = QueueBench.Start.AddHours(1), Reason = "no certificate" })],
        durable: true,
        QueueBench.Cancel);

    public async Task<List<ControlReply>> RunAsync(ControlRequest request, Operator? by = null)
    {
        var replies = new List<ControlReply>();
        await foreach (var reply in Control.RunAsync(request, by ?? Ann, QueueBench.Cancel))
            replies.Add(reply);
        return replies;
    }

    public Task<List<ControlReply>> RunAsync(ControlVerb verb, SpooledMail item, ProtectionMethod? method = null) =>
        RunAsync(new ControlRequest { Verb = verb, Filter = new QueueFilter { Ids = [item.Id.ToString()] }, Method = method });

    public void Dispose()
    {
        _runner.Dispose();
        Bench.Dispose();
    }

    private ReceivingSettings Settings() => new()
    {
        HostName = DomainName.Parse("mx.inside.example"),
        Policy = PolicyCompiler.Compile(new PolicySet([DomainName.Parse("inside.example")], Rules, RuleOutcome.Protect(ProtectionMethod.Normal))).Snapshot!,
        RelayNetworks = [],
        RelayEvidenceFrom = [],
        Accounts = FrozenDictionary<string, Account>.Empty,
    };
}

/// <summary>An audit that remembers, and can fail like a full disk.</summary>
internal sealed class RecordedAudit : IAuditChain
{
    public ConcurrentQueue<AuditEvent> Events { get; } = new();

    public bool IsFull { get; set; }

    public ValueTask AppendAsync(AuditEntry entry, CancellationToken cancellationToken)
    {
        if (IsFull)
            throw new IOException("The disk is full.");
        Events.Enqueue(entry.Event);
        return ValueTask.CompletedTask;
    }
}
