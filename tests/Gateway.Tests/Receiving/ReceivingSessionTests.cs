using System.Collections.Frozen;
using System.Net;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Gateway.Tests.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Server;
using Microsoft.Extensions.Logging.Abstractions;

namespace GatewaySecure.Gateway.Tests.Receiving;

/// <summary>What a receiving session decides, from RCPT to the answer behind the content, over a real spool.</summary>
public sealed class ReceivingSessionTests : IDisposable
{
    private const string Plain = "From: alice@example.org\r\nTo: bob@example.org, carol@partner.example\r\nSubject: hello\r\n\r\nbody\r\n";

    private static readonly SmtpPeer Inside = Peer("10.0.0.1");
    private static readonly SmtpPeer Outside = Peer("192.0.2.1");

    private readonly SpoolBench _bench = new();
    private readonly List<SpooledMail> _queued = [];

    public void Dispose() => _bench.Dispose();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_accepted_is_in_the_spool_with_its_decisions_before_the_answer()
    {
        var reply = await ReceiveAsync(Inside, Plain, "bob@example.org", "carol@partner.example", "blind@example.org");
        Assert.Equal(250, reply.Code);
        var item = Assert.Single(_queued);
        Assert.Contains(item.Id.ToString(), reply.Lines[0], StringComparison.Ordinal);
        var mail = Assert.Single(_bench.Reopen().Recover().Items).Mail;
        Assert.Equal(["(default)", "partners", "(default)"], mail.Decisions.Select(d => d.Rule));
        Assert.Equal([2], mail.Blind);
        Assert.True(mail.Session.FromInside);
        Assert.False(mail.HoldsEightBit);
        var text = Encoding.ASCII.GetString(SpoolBench.ReadAll(item));
        Assert.StartsWith("Received: from client.example ([10.0.0.1])\r\n", text, StringComparison.Ordinal);
        Assert.EndsWith(Plain, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mail_that_passed_too_many_hops_goes_round_in_circles()
    {
        var hops = string.Concat(Enumerable.Repeat("Received: from a by b; Sun, 01 Mar 2026 12:00:00 +0000\r\n", 51));
        Assert.Equal("5.4.6", (await ReceiveAsync(Inside, hops + Plain, "bob@example.org")).Status.ToString());
        // Also where no empty line ends the header.
        Assert.Equal("5.4.6", (await ReceiveAsync(Inside, hops, "bob@example.org")).Status.ToString());
        Assert.Equal(250, (await ReceiveAsync(Inside, hops[..(hops.Length / 51 * 50)] + Plain, "bob@example.org")).Code);
    }

    [Fact]
    public async Task Mail_that_came_through_us_four_times_goes_round_in_circles()
    {
        const string own = "Received: from a ([192.0.2.9])\r\n\tby gateway.example.org with ESMTP id 1;\r\n\tSun, 01 Mar 2026 12:00:00 +0000\r\n";
        const string others = "Received: from a by mx.example.net; Sun, 01 Mar 2026 12:00:00 +0000\r\n";
        Assert.Equal(250, (await ReceiveAsync(Inside, own + others + own + own + Plain, "bob@example.org")).Code);
        Assert.Equal("554 5.4.6 Too many hops: this mail goes round in circles", (await ReceiveAsync(Inside, own + own + others + own + own + Plain, "bob@example.org")).ToString());
    }

    [Fact]
    public async Task A_login_that_a_proxy_names_must_have_an_account()
    {
        Assert.Null(await Session().OnConnectAsync(Outside with { AuthenticatedAs = "alice" }, Cancel));
        Assert.Equal(554, (await Session().OnConnectAsync(Outside with { AuthenticatedAs = "mallory" }, Cancel))!.Code);
    }

    [Fact]
    public async Task A_large_header_waits_with_its_sender_while_memory_is_taken()
    {
        var header = string.Concat(Enumerable.Repeat("X-Trace: " + new string('x', 60) + "\r\n", 1000));
        var all = _bench.Options.MemoryBudget;
        Assert.True(_bench.Spool.TryReserveMemory(all));
        Assert.Equal("452 4.3.1 Too many large headers at once, try again later", (await ReceiveAsync(Inside, header + Plain, "bob@example.org")).ToString());
        Assert.Equal(250, (await ReceiveAsync(Inside, Plain, "bob@example.org")).Code);
        Assert.Equal(all, _bench.Spool.InMemory);

        _bench.Spool.FreeMemory(all);
        Assert.Equal(250, (await ReceiveAsync(Inside, header + Plain, "bob@example.org")).Code);
        // Only what was accepted for its first attempt is still held.
        Assert.Equal(_queued[^1].Content.Length, _bench.Spool.InMemory);
    }

    [Fact]
    public async Task A_header_that_rules_could_not_see_whole_is_refused()
    {
        var reply = await ReceiveAsync(Inside, "X-Filler: " + string.Concat(Enumerable.Repeat("x\r\n ", 80_000)) + "\r\n" + Plain, "bob@example.org");
        Assert.Equal(552, reply.Code);
        Assert.Empty(_queued);
    }

    [Fact]
    public async Task Refused_for_one_means_refused_for_all_from_outside_and_a_report_from_inside()
    {
        var trigger = Plain.Replace("hello", "forbidden", StringComparison.Ordinal);
        var outside = await ReceiveAsync(Outside, trigger, "bob@example.org", "carol@example.org");
        Assert.Equal((550, "Refused by policy"), (outside.Code, outside.Lines[0]));
        Assert.Empty(_queued);

        var inside = await ReceiveAsync(Inside, trigger, "bob@example.org", "dave@other.example");
        Assert.Equal(250, inside.Code);
        Assert.Equal([DecisionAction.Reject, DecisionAction.Protect], Assert.Single(_queued).Mail.Decisions.Select(d => d.Action));

        var all = await ReceiveAsync(Inside, trigger, "bob@example.org");
        Assert.Equal(550, all.Code);
        Assert.Contains("rule 'forbidden words'", all.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_postmaster_gets_what_a_rule_refuses_for_everybody()
    {
        var trigger = Plain.Replace("hello", "forbidden", StringComparison.Ordinal);
        Assert.Equal(250, (await ReceiveAsync(Outside, trigger, "postmaster@example.org")).Code);
        Assert.Equal([ProtectionMethod.Normal], Assert.Single(_queued).Mail.Decisions[0].Methods);
    }

    [Fact]
    public async Task A_refusal_that_no_content_can_change_is_said_at_rcpt()
    {
        var session = Session();
        var envelope = new Envelope { Sender = MailAddress.Parse("alice@example.org"), Recipients = [] };
        var reply = await session.OnRecipientAsync(Inside, envelope, new EnvelopeRecipient(MailAddress.Parse("x@competitor.example")), Cancel);
        Assert.Equal(550, reply.Code);
        reply = await session.OnRecipientAsync(Inside, envelope, new EnvelopeRecipient(MailAddress.Parse("bob@example.org")), Cancel);
        Assert.Equal(250, reply.Code);
    }

    [Fact]
    public async Task A_disk_that_fails_is_temporary_and_leaves_nothing()
    {
        _bench.Spool.BeforeWrite = () => throw new IOException("no space left");
        var reply = await ReceiveAsync(Inside, Plain, "bob@example.org");
        Assert.Equal((452, "4.3.1"), (reply.Code, reply.Status.ToString()));
        Assert.Empty(_queued);
        Assert.Empty(_bench.Reopen().Recover().Items);
    }

    [Fact]
    public async Task A_password_lets_in_its_own_user_only()
    {
        var session = Session();
        Assert.Equal(new AuthenticationResult.Proved("alice"), await session.AuthenticateAsync(Outside, "alice", "wonderland", Cancel));
        Assert.IsType<AuthenticationResult.Wrong>(await session.AuthenticateAsync(Outside, "alice", "Wonderland", Cancel));
        Assert.IsType<AuthenticationResult.Wrong>(await session.AuthenticateAsync(Outside, "nobody", "wonderland", Cancel));
    }

    [Fact]
    public async Task Octets_above_127_anywhere_are_noticed()
    {
        await ReceiveAsync(Inside, Plain + "Grüße\r\n", "bob@example.org");
        Assert.True(Assert.Single(_queued).Mail.HoldsEightBit);
    }

    private ReceivingSession Session()
    {
        var rules = new PolicySet(
            [DomainName.Parse("example.org")],
            [
                new DomainRule("competition", [To("competitor.example")], new RuleOutcome(DecisionAction.Reject, [])),
                new DomainRule("forbidden words", [To("bob@example.org", "postmaster@example.org"), Subject("forbidden")], new RuleOutcome(DecisionAction.Reject, [])),
                new DomainRule("partners", [To("partner.example")], RuleOutcome.Protect(ProtectionMethod.Ca)),
            ],
            RuleOutcome.Protect(ProtectionMethod.Normal));
        var settings = new ReceivingSettings
        {
            HostName = DomainName.Parse("gateway.example.org"),
            Policy = PolicyCompiler.Compile(rules).Snapshot!,
            RelayNetworks = [IPNetwork.Parse("10.0.0.0/8")],
            RelayEvidenceFrom = [],
            Accounts = new Dictionary<string, Account>
            {
                ["alice"] = new("alice", PasswordHash.Create("wonderland"), [MailAddress.Parse("alice@example.org")]),
            }.ToFrozenDictionary(),
        };
        var traffic = new TrafficBench(TimeProvider.System, exempt: IPNetwork.Parse("192.0.2.0/24"));
        var admission = traffic.Admit();
        admission.Enter(IPAddress.Parse("192.0.2.1"));
        return new ReceivingSession(new Intake(settings, _bench.Spool, _queued.Add, traffic.Control, TimeProvider.System, NullLogger<Intake>.Instance), admission);
    }

    /// <summary>The content in pieces of 1,000 octets, as a session gives it; the reply that it would send.</summary>
    private async Task<SmtpReply> ReceiveAsync(SmtpPeer peer, string message, params string[] recipients)
    {
        _queued.Clear();
        var envelope = new Envelope
        {
            Sender = MailAddress.Parse("alice@example.org"),
            Recipients = [.. recipients.Select(r => new EnvelopeRecipient(MailAddress.Parse(r)))],
        };
        var start = await Session().OnMessageAsync(peer, envelope, "ESMTP", Cancel);
        if (start.Refusal is { } refusal)
            return refusal;
        await using var sink = start.Sink!;
        foreach (var piece in Encoding.UTF8.GetBytes(message).Chunk(1000))
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

    private static Condition.RecipientIs To(params string[] patterns) =>
        new([.. patterns.Select(p => AddressPattern.TryParse(p, out var parsed) ? parsed : throw new FormatException(p))]);

    private static Condition.HeaderIs Subject(string pattern) =>
        new("Subject", [TextPattern.TryParse(pattern, out var parsed, out _) ? parsed : throw new FormatException(pattern)]);
}
