using System.Collections.Frozen;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Exchange;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Gateway.Tests.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Server;
using Microsoft.Extensions.Logging.Abstractions;

namespace GatewaySecure.Gateway.Tests.Receiving;

/// <summary>What a listed Exchange may bring and nobody else: its own fields, journal reports, mail that was dealt with before.</summary>
public sealed class ExchangeIntakeTests : IDisposable
{
    private const string Plain = "From: alice@example.org\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nbody\r\n";
    private const string Journal = "X-MS-Journal-Report: \r\n" + Plain;

    private static readonly SmtpPeer Exchange = Peer("10.0.0.1");
    private static readonly SmtpPeer Inside = Peer("10.0.0.99");
    private static readonly SmtpPeer Outside = Peer("192.0.2.1");

    private readonly SpoolBench _bench = new();
    private readonly List<SpooledMail> _queued = [];
    private readonly ProcessedMark _mark = new(data => HMACSHA256.HashData(new byte[32], data));
    private ReceivingSettings _settings = new()
    {
        HostName = DomainName.Parse("gateway.example.org"),
        Policy = PolicyCompiler.Compile(new PolicySet([DomainName.Parse("example.org")], [], RuleOutcome.Protect(ProtectionMethod.Normal))).Snapshot!,
        RelayNetworks = [IPNetwork.Parse("10.0.0.0/8")],
        RelayEvidenceFrom = [],
        ExchangePeers = new ExchangePeers([IPNetwork.Parse("10.0.0.1/32")], ["exchange"]),
        Accounts = FrozenDictionary<string, Account>.Empty,
    };

    public ExchangeIntakeTests() => _settings = _settings with { Mark = _mark, Journal = (MailAddress.Parse("journal@archive.example"), ProtectionMethod.Normal) };

    public void Dispose() => _bench.Dispose();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Removed_fields_are_named_in_the_record_and_gone_from_the_spool()
    {
        const string forged = "X-MS-Exchange-Organization-AuthAs: Internal\r\nAuthentication-Results: gateway.example.org; dkim=pass\r\n";
        Assert.Equal(250, (await ReceiveAsync(Outside, forged + Plain, "alice@example.org", "bob@example.org")).Code);
        var mail = Assert.Single(_bench.Reopen().Recover().Items);
        Assert.Equal(["X-MS-Exchange-Organization-AuthAs", "Authentication-Results"], mail.Mail.RemovedFields);
        Assert.EndsWith("+0000\r\n" + Plain, Encoding.ASCII.GetString(SpoolBench.ReadAll(_queued[0])), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_listed_Exchange_keeps_its_fields()
    {
        const string own = "X-MS-Exchange-Organization-AuthAs: Internal\r\n";
        await ReceiveAsync(Exchange, own + Plain, "alice@example.org", "bob@example.org");
        Assert.Empty(Assert.Single(_queued).Mail.RemovedFields);
        Assert.EndsWith(own + Plain, Encoding.ASCII.GetString(SpoolBench.ReadAll(_queued[0])), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mail_that_was_dealt_with_for_the_same_recipient_is_refused_as_a_loop()
    {
        var marked = Encoding.ASCII.GetString(_mark.Write([MailAddress.Parse("carol@partner.example")], DateTimeOffset.UnixEpoch)) + Plain;
        var reply = await ReceiveAsync(Exchange, marked, "alice@example.org", "Carol@PARTNER.example");
        Assert.Equal((554, "5.4.6"), (reply.Code, reply.Status.ToString()));
        Assert.Empty(_queued);
        // For somebody else it is another mail: a forward. The mark goes.
        Assert.Equal(250, (await ReceiveAsync(Exchange, marked, "alice@example.org", "dave@partner.example")).Code);
        Assert.Equal([ProcessedMark.Name], Assert.Single(_queued).Mail.RemovedFields);
        Assert.DoesNotContain(ProcessedMark.Name, Encoding.ASCII.GetString(SpoolBench.ReadAll(_queued[0])), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mark_from_elsewhere_or_a_forged_one_says_nothing_and_goes()
    {
        var real = Encoding.ASCII.GetString(_mark.Write([MailAddress.Parse("bob@example.org")], DateTimeOffset.UnixEpoch));
        Assert.Equal(250, (await ReceiveAsync(Outside, real + Plain, "alice@example.org", "bob@example.org")).Code);
        Assert.Equal(250, (await ReceiveAsync(Inside, real + Plain, "alice@example.org", "bob@example.org")).Code);
        foreach (var forged in (string[])["v1; t=0; to=AAAAAAAAAAAA", "v1; t=1; to=", "v2", "", ";;;;", "v1; t=; to=;"])
            Assert.Equal(250, (await ReceiveAsync(Exchange, $"{ProcessedMark.Name}: {forged}\r\n{Plain}", "alice@example.org", "bob@example.org")).Code);
        Assert.DoesNotContain(ProcessedMark.Name, Encoding.ASCII.GetString(SpoolBench.ReadAll(_queued[0])), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mark_speaks_for_each_of_its_recipients_and_under_its_own_key_only()
    {
        var recipients = Enumerable.Range(0, 1000).Select(i => MailAddress.Parse($"user{i}@partner.example")).ToList();
        var field = Encoding.ASCII.GetString(_mark.Write(recipients, DateTimeOffset.UnixEpoch));
        var value = field[(field.IndexOf(':', StringComparison.Ordinal) + 1)..];
        Assert.All(field.Split("\r\n"), line => Assert.InRange(line.Length, 0, 78));
        Assert.Equal(recipients.Skip(990), _mark.Known(value, recipients.Skip(990)));
        Assert.Empty(new ProcessedMark(data => HMACSHA256.HashData("another key"u8, data)).Known(value, recipients));
        Assert.Empty(_mark.Known(value.Replace("t=0", "t=1", StringComparison.Ordinal), recipients));
        Assert.Equal(250, (await ReceiveAsync(Exchange, field + Plain, "alice@example.org", "other@partner.example")).Code);
    }

    [Fact]
    public async Task A_journal_report_goes_to_its_one_address_and_nobody_is_told_of_it()
    {
        Assert.Equal(250, (await ReceiveAsync(Exchange, Journal, "someone@stranger.example", "journal@archive.example")).Code);
        var mail = Assert.Single(_queued).Mail;
        Assert.Equal(("(journal)", MailKind.Journal), (mail.Decisions[0].Rule, mail.Kind));
        Assert.Equal(DsnNotify.Never, mail.Envelope.Recipients[0].Notify);

        Assert.Equal(250, (await ReceiveAsync(Exchange, Journal, "MicrosoftExchange@example.org", "journal@archive.example")).Code);
        Assert.Equal(DsnNotify.Unspecified, Assert.Single(_queued).Mail.Envelope.Recipients[0].Notify);
    }

    [Fact]
    public async Task A_journal_report_that_goes_astray_is_refused()
    {
        foreach (var recipients in (string[][])[["bob@example.org"], ["journal@archive.example", "bob@example.org"], ["eve@stranger.example"]])
            Assert.Equal(550, (await ReceiveAsync(Exchange, Journal, null, recipients)).Code);
        _settings = _settings with { Journal = null };
        Assert.Equal(550, (await ReceiveAsync(Exchange, Journal, null, "journal@archive.example")).Code);
    }

    [Fact]
    public async Task Nobody_else_brings_journal_reports_and_nothing_else_goes_there()
    {
        var journal = MailAddress.Parse("journal@archive.example");
        var gate = new RecipientGate(_settings);
        Assert.Equal(550, gate.CheckRecipient(Inside, journal).Code);
        Assert.Equal(550, gate.CheckRecipient(Outside, journal).Code);
        Assert.Equal(250, gate.CheckRecipient(Exchange, journal).Code);
        Assert.Equal(250, gate.CheckRecipient(Outside with { CertifiedAs = "exchange" }, journal).Code);
        Assert.Equal(550, gate.CheckRecipient(Outside with { CertifiedAs = "branch" }, journal).Code);
        Assert.Equal(550, (await ReceiveAsync(Exchange, Plain, null, "journal@archive.example")).Code);
        // From elsewhere the field means nothing: an ordinary mail without it.
        Assert.Equal(250, (await ReceiveAsync(Inside, Journal, null, "bob@example.org")).Code);
        Assert.Equal((MailKind.Ordinary, "X-MS-Journal-Report"), (_queued[0].Mail.Kind, _queued[0].Mail.RemovedFields[0]));
    }

    [Fact]
    public async Task Another_tenant_of_Exchange_Online_is_a_stranger()
    {
        _settings = _settings with { ExchangeTenants = [DomainName.Parse("example.org")] };
        const string internals = "X-MS-Exchange-Organization-AuthAs: Internal\r\n";
        const string ours = "X-OriginatorOrg: Example.org\r\n";
        const string theirs = "X-OriginatorOrg: stranger.example\r\n";

        Assert.Equal(250, (await ReceiveAsync(Exchange, internals + ours + Plain, "alice@example.org", "carol@partner.example")).Code);
        Assert.True(Assert.Single(_queued).Mail.Session.FromInside);
        Assert.Empty(_queued[0].Mail.RemovedFields);

        foreach (var org in (string[])[theirs, "", ours + theirs])
        {
            Assert.Equal("No relay: this mail comes from a tenant that is not ours", (await ReceiveAsync(Exchange, internals + org + Plain, "alice@example.org", "carol@partner.example")).Lines[0]);
            Assert.Equal(250, (await ReceiveAsync(Exchange, internals + org + Plain, "alice@example.org", "bob@example.org")).Code);
            Assert.False(Assert.Single(_queued).Mail.Session.FromInside);
            Assert.Contains("X-MS-Exchange-Organization-AuthAs", _queued[0].Mail.RemovedFields);
        }
        // Without an empty line too.
        Assert.Equal(550, (await ReceiveAsync(Exchange, theirs, "alice@example.org", "carol@partner.example")).Code);
    }

    [Fact]
    public async Task The_kind_of_a_mail_is_known_when_rules_are_asked_and_stays_in_the_record()
    {
        var meetings = new DomainRule("meetings", [new Condition.KindIs([MailKind.Calendar])], RuleOutcome.Protect(ProtectionMethod.Normal)) { IsExemption = true };
        var set = new PolicySet([DomainName.Parse("example.org")], [meetings], RuleOutcome.Protect(ProtectionMethod.Ca));
        _settings = _settings with { Policy = PolicyCompiler.Compile(set).Snapshot! };
        const string meeting = "From: alice@example.org\r\nContent-Type: text/calendar; method=REPLY\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\n"
            + "UID:1\r\nORGANIZER:mailto:carol@partner.example\r\nATTENDEE:mailto:alice@example.org\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        Assert.Equal(250, (await ReceiveAsync(Inside, meeting, "alice@example.org", "carol@partner.example")).Code);
        // What was kept to be looked at is let go of.
        Assert.Equal(_queued[0].Content.Length, _bench.Spool.InMemory);
        var mail = Assert.Single(_bench.Reopen().Recover().Items).Mail;
        Assert.Equal((MailKind.Calendar, "meetings"), (mail.Kind, mail.Decisions[0].Rule));

        Assert.Equal(250, (await ReceiveAsync(Inside, meeting + new string('x', 200_000) + "\r\n", "alice@example.org", "carol@partner.example")).Code);
        Assert.Equal((MailKind.Ordinary, PolicyEngine.DefaultRule), (_queued[0].Mail.Kind, _queued[0].Mail.Decisions[0].Rule));
        Assert.Equal(250, (await ReceiveAsync(Inside, Plain, "alice@example.org", "carol@partner.example")).Code);
        Assert.Equal(MailKind.Ordinary, _queued[0].Mail.Kind);
    }

    private async Task<SmtpReply> ReceiveAsync(SmtpPeer peer, string message, string? sender, params string[] recipients)
    {
        _queued.Clear();
        var envelope = new Envelope
        {
            Sender = sender is null ? null : MailAddress.Parse(sender),
            Recipients = [.. recipients.Select(r => new EnvelopeRecipient(MailAddress.Parse(r)))],
        };
        var traffic = new TrafficBench(TimeProvider.System);
        var admission = traffic.Admit();
        admission.Enter(peer.RemoteEndPoint.Address);
        var session = new ReceivingSession(
            new Intake(_settings, _bench.Spool, _queued.Add, traffic.Control, TimeProvider.System, NullLogger<Intake>.Instance), admission);
        var start = await session.OnMessageAsync(peer, envelope, "ESMTP", Cancel);
        await using var sink = start.Sink!;
        foreach (var piece in Encoding.UTF8.GetBytes(message).Chunk(50))
        {
            if (await sink.WriteAsync(piece, Cancel) is { } early)
                return early;
        }
        return await sink.CommitAsync(Cancel);
    }

    private static SmtpPeer Peer(string address) => new()
    {
        RemoteEndPoint = new IPEndPoint(IPAddress.Parse(address), 1000),
        LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 25),
        HeloName = "client.example",
    };
}
