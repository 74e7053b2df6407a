using System.Collections.Frozen;
using System.Net;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Gateway.Tests.Receiving;

public sealed class RecipientGateTests
{
    private static readonly MailAddress Alice = MailAddress.Parse("alice@example.org");
    private static readonly MailAddress Bob = MailAddress.Parse("bob@example.org");
    private static readonly MailAddress Carol = MailAddress.Parse("carol@partner.example");

    private readonly RecipientGate _gate = new(new ReceivingSettings
    {
        HostName = DomainName.Parse("gateway.example.org"),
        Policy = PolicyCompiler.Compile(new PolicySet([DomainName.Parse("example.org")], [], RuleOutcome.Protect(ProtectionMethod.Normal))).Snapshot!,
        RelayNetworks = [IPNetwork.Parse("10.0.0.0/8")],
        RelayEvidenceFrom = [IPNetwork.Parse("10.1.0.0/16")],
        Certificates = new RelayCertificates(
            [new("exchange", [new string('0', 64)], [], [], [], GivesEvidence: true), new("branch", [new string('1', 64)], [], [], [], GivesEvidence: false)],
            TimeProvider.System),
        Accounts = new Dictionary<string, Account> { ["alice"] = new("alice", "", [Alice]) }.ToFrozenDictionary(),
    });

    [Fact]
    public void A_stranger_reaches_our_own_people_and_nobody_else()
    {
        Assert.Equal(250, _gate.CheckRecipient(Peer("192.0.2.1"), Bob).Code);
        Assert.Equal(550, _gate.CheckRecipient(Peer("192.0.2.1"), Carol).Code);
    }

    [Fact]
    public void A_relay_network_and_an_account_reach_everybody()
    {
        Assert.Equal(250, _gate.CheckRecipient(Peer("10.0.0.1"), Carol).Code);
        Assert.Equal(250, _gate.CheckRecipient(Peer("::ffff:10.0.0.1"), Carol).Code);
        Assert.Equal(250, _gate.CheckRecipient(Peer("192.0.2.1", "alice"), Carol).Code);
    }

    [Fact]
    public void A_certified_peer_reaches_everybody_and_is_believed_where_told_so()
    {
        var peer = Peer("192.0.2.1") with { CertifiedAs = "exchange" };
        Assert.Equal(250, _gate.CheckRecipient(peer, Carol).Code);
        Assert.Equal(Direction.Outbound, _gate.DirectionOf(peer, Alice, Carol));
        Assert.Equal(SenderEvidence.Relay, _gate.EvidenceFor(peer, Alice));
        Assert.Equal(SenderEvidence.None, _gate.EvidenceFor(peer with { CertifiedAs = "branch" }, Alice));
    }

    [Fact]
    public void The_postmaster_is_reached_by_anybody()
    {
        Assert.Equal(250, _gate.CheckRecipient(Peer("192.0.2.1"), MailAddress.Parse("Postmaster@gateway.example.org")).Code);
        Assert.Equal(550, _gate.CheckRecipient(Peer("192.0.2.1"), MailAddress.Parse("postmaster@partner.example")).Code);
    }

    [Fact]
    public void An_account_sends_from_its_own_mailboxes_only()
    {
        Assert.Equal(250, _gate.CheckSender(Peer("192.0.2.1", "alice"), Alice).Code);
        Assert.Equal(250, _gate.CheckSender(Peer("192.0.2.1", "alice"), null).Code);
        Assert.Equal(553, _gate.CheckSender(Peer("192.0.2.1", "alice"), Bob).Code);
    }

    [Fact]
    public void A_stranger_who_claims_our_address_is_inbound_all_the_same()
    {
        Assert.Equal(Direction.Inbound, _gate.DirectionOf(Peer("192.0.2.1"), Alice, Bob));
        Assert.Equal(Direction.Internal, _gate.DirectionOf(Peer("10.0.0.1"), Alice, Bob));
        Assert.Equal(Direction.Outbound, _gate.DirectionOf(Peer("10.0.0.1"), Alice, Carol));
    }

    [Fact]
    public void Evidence_is_what_was_proved_and_never_more()
    {
        Assert.Equal(SenderEvidence.Authenticated, _gate.EvidenceFor(Peer("192.0.2.1", "alice"), Alice));
        Assert.Equal(SenderEvidence.None, _gate.EvidenceFor(Peer("10.1.0.1", "alice"), Bob));
        Assert.Equal(SenderEvidence.Relay, _gate.EvidenceFor(Peer("10.1.0.1"), Alice));
        Assert.Equal(SenderEvidence.None, _gate.EvidenceFor(Peer("10.2.0.1"), Alice));
        Assert.Equal(SenderEvidence.None, _gate.EvidenceFor(Peer("10.1.0.1"), null));
    }

    private static SmtpPeer Peer(string address, string? account = null) => new()
    {
        RemoteEndPoint = new IPEndPoint(IPAddress.Parse(address), 1000),
        LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 25),
        AuthenticatedAs = account,
    };
}
