using System.Collections.Immutable;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.Gateway.Queue;
using GatewaySecure.Gateway.Reports;
using GatewaySecure.Gateway.Scanning;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Gateway.Tests.Spool;
using GatewaySecure.MailProtection;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Gateway.Tests.Queue;

/// <summary>One item's work over a real spool, with a next hop and a protector that do as they are told.</summary>
internal sealed class QueueBench : IDisposable
{
    public static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly SpoolBench _spool;

    private readonly IContentScan? _scan;

    public QueueBench(IContentScan? scan = null)
    {
        _scan = scan;
        _spool = new SpoolBench(time: Time);
        NextHop = new ScriptedNextHop();
        Protector = new ScriptedProtector(Time);
        Work = NewWork();
    }

    public FakeTimeProvider Time { get; } = new(Start);

    public ScriptedNextHop NextHop { get; }

    public ScriptedProtector Protector { get; }

    public List<SpooledMail> Reports { get; } = [];

    public QueueOptions Options { get; } = new();

    public static byte[] Message => "From: alice@inside.example\r\nSubject: marker-secret\r\n\r\nmarker-body\r\n"u8.ToArray();

    public ItemWork Work { get; private set; }

    public Task TryAsync(SpooledMail item, CancellationToken? abort = null) => Work.TryAsync(item, abort ?? Cancel);

    public ReportWriter Reporter =>
        new(_spool.Spool, AddReport, DomainName.Parse("mx.inside.example"), new QueueTimes(Options.ExpireAfter), Time);

    public SpoolBench Spool => _spool;

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static Decision Wants(params ProtectionMethod[] methods) => new()
    {
        Rule = "finance",
        PolicyVersion = "1",
        Methods = [.. methods],
        Action = DecisionAction.Protect,
        Reason = "rule finance",
    };

    public static EnvelopeRecipient To(string address, DsnNotify notify = DsnNotify.Unspecified) => new(MailAddress.Parse(address), notify);

    public async Task<SpooledMail> PutAsync(
        Decision decision,
        EnvelopeRecipient[] recipients,
        string? sender = "alice@inside.example",
        ImmutableArray<int>? blind = null,
        Func<AcceptedMail, AcceptedMail>? change = null,
        byte[]? content = null)
    {
        await using var writer = _spool.Spool.Begin();
        await writer.WriteAsync(content ?? Message, Cancel);
        var mail = new AcceptedMail
        {
            AcceptedAt = Time.GetUtcNow(),
            Envelope = new Envelope
            {
                Sender = sender is null ? null : MailAddress.Parse(sender),
                Recipients = [.. recipients],
                EnvelopeId = "envelope-7",
            },
            Decisions = [.. recipients.Select(_ => decision)],
            Blind = blind ?? [],
            Session = new SessionFacts("192.0.2.1", null, null, SenderEvidence.None, FromInside: true),
            HoldsEightBit = false,
        };
        return await writer.CommitAsync(change?.Invoke(mail) ?? mail, Cancel);
    }

    /// <summary>As after a kill: what memory knew is gone.</summary>
    public SpooledMail Restart(QueueId id)
    {
        var items = _spool.Reopen().Recover().Items;
        Work = NewWork();
        return items.Single(i => i.Id == id);
    }

    /// <summary>Several workers report at the same time.</summary>
    private void AddReport(SpooledMail report)
    {
        lock (Reports)
            Reports.Add(report);
    }

    public string ReportText() => Encoding.UTF8.GetString(SpoolBench.ReadAll(Assert.Single(Reports)));

    public void Dispose() => _spool.Dispose();

    private ItemWork NewWork() => new(
        Protector,
        new NextHopResolver([], NextHop),
        Reporter,
        Options,
        Time,
        NullLogger<ItemWork>.Instance,
        _scan);
}

internal sealed class ScriptedNextHop : INextHop
{
    public string Name { get; init; } = "relay";

    public int Connections => 20;

    /// <summary>Each recipient domain has a next hop of its own, as with MX.</summary>
    public bool GoesByDomain { get; set; }

    public INextHop For(DomainName domain) => GoesByDomain ? new OneDomain(this, $"{Name} ({domain})") : this;

    public Dictionary<string, SmtpReply> Replies { get; } = [];

    public Exception? Throws { get; set; }

    /// <summary>By the recipients' domain.</summary>
    public Func<string, Exception?> ThrowsTo { get; set; } = _ => null;

    /// <summary>By the recipients' domain: it never answers.</summary>
    public Func<string, bool> HangsOn { get; set; } = _ => false;

    public Action? OnDelivery { get; set; }

    /// <summary>The recipients of each delivery that was tried.</summary>
    public List<string> Tried { get; } = [];

    public async ValueTask<ImmutableArray<RecipientResult>> DeliverAsync(Envelope envelope, SendableMessage message, CancellationToken cancellationToken)
    {
        lock (Tried)
            Tried.Add(string.Join(' ', envelope.Recipients.Select(r => r.Address.ToString())));
        OnDelivery?.Invoke();
        if (Throws is not null)
            throw Throws;
        if (ThrowsTo(envelope.Recipients[0].Address.Domain.Ascii) is { } problem)
            throw problem;
        if (HangsOn(envelope.Recipients[0].Address.Domain.Ascii))
            await Task.Delay(Timeout.Infinite, cancellationToken);
        return [.. envelope.Recipients.Select(r => new RecipientResult(r, Replies.GetValueOrDefault(r.Address.ToString(), new SmtpReply(250, "2.0.0", "ok")), false))];
    }
}

internal sealed record OneDomain(ScriptedNextHop All, string Name) : INextHop
{
    public int Connections => All.Connections;

    public ValueTask<ImmutableArray<RecipientResult>> DeliverAsync(Envelope envelope, SendableMessage message, CancellationToken cancellationToken) =>
        All.DeliverAsync(envelope, message, cancellationToken);
}

internal sealed class ScriptedProtector(TimeProvider time) : IItemProtector
{
    private readonly MailProtector _pass = new(time);

    public Dictionary<ProtectionMethod, string> Missing { get; } = [];

    public Func<Exception?> Throws { get; set; } = () => null;

    public byte[]? State { get; set; }

    public List<(ProtectionMethod Method, byte[]? Kept)> Asked { get; } = [];

    public ValueTask<MailForm> OpenAsync(SpooledMail item, Decision decision, CancellationToken cancellationToken) => ValueTask.FromResult(new MailForm(item.Content));

    public ValueTask<ProtectionOutcome> ProtectAsync(
        SpooledMail item, MailForm form, ImmutableArray<EnvelopeRecipient> recipients, ProtectionMethod method, ReadOnlyMemory<byte>? keptState, CancellationToken cancellationToken)
    {
        Asked.Add((method, keptState?.ToArray()));
        if (Throws() is { } e)
            throw e;
        if (Missing.TryGetValue(method, out var why))
            return ValueTask.FromResult<ProtectionOutcome>(new ProtectionOutcome.Failed(why));
        var ready = (ProtectionOutcome.Ready)_pass.PassThrough(form.Content, item.Mail.HoldsEightBit);
        return ValueTask.FromResult<ProtectionOutcome>(new ProtectionOutcome.Ready(ready.Message, State is { } state ? state : (ReadOnlyMemory<byte>?)null));
    }
}

internal static class ItemWorkExtensions
{
    /// <summary>One try of all that is due, lane by lane.</summary>
    public static async Task TryAsync(this ItemWork work, SpooledMail item, CancellationToken cancellationToken)
    {
        foreach (var lane in work.DueLanes(item).ToList())
            await work.TryAsync(item, lane, cancellationToken);
    }

    /// <summary>As the runner does with a mail that made the work fail.</summary>
    public static async Task HoldAsync(this ItemWork work, SpooledMail item, CancellationToken cancellationToken)
    {
        foreach (var lane in work.DueLanes(item).ToList())
            await work.HoldAsync(item, lane, isReported: true, cancellationToken);
    }
}
