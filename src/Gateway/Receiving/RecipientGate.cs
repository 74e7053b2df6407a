using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>
/// May this peer send from this address, and relay to that one? And which way does the mail go? Pure: it looks at the settings
/// and at what is known of the peer, and answers with a reply.
/// </summary>
internal sealed class RecipientGate(ReceivingSettings settings)
{
    private static readonly SmtpReply SenderAccepted = new(250, "2.1.0", "Sender accepted");
    private static readonly SmtpReply NotForYou = new(550, "5.7.1", "This address takes journal reports of our own mail servers only");
    private static readonly SmtpReply RecipientAccepted = new(250, "2.1.5", "Recipient accepted");

    /// <summary>Inside: an account under AUTH, a peer that its certificate names, or one of a relay network. Only these may send beyond our own domains.</summary>
    public bool IsInside(SmtpPeer peer) =>
        peer.AuthenticatedAs is not null || peer.CertifiedAs is not null || settings.IsRelayNetwork(peer.RemoteEndPoint.Address);

    public SmtpReply CheckSender(SmtpPeer peer, MailAddress? sender)
    {
        if (peer.AuthenticatedAs is not { } name || sender is null || OwnsMailbox(name, sender))
            return SenderAccepted;
        return new SmtpReply(553, "5.7.1", $"<{sender}> is not a mailbox of {name}");
    }

    /// <summary>Whether mail may be relayed there at all; rules come after it.</summary>
    public SmtpReply CheckRecipient(SmtpPeer peer, MailAddress recipient)
    {
        if (settings.Journal is { } journal && journal.Recipient.Equals(recipient) && !settings.IsExchangePeer(peer))
            return NotForYou;
        // The postmaster of our own domains is reachable whatever else holds (RFC 5321 §4.5.1).
        if (IsInside(peer) || IsOurs(recipient.Domain) || IsOurPostmaster(recipient))
            return RecipientAccepted;
        return new SmtpReply(550, "5.7.1", $"No relay to {recipient.Domain} from your address; authenticate first");
    }

    /// <summary>Our own people are told which rule refuses; strangers learn nothing about rules.</summary>
    public SmtpReply Refusal(SmtpPeer peer, string reason) =>
        new(550, "5.7.1", IsInside(peer) ? $"Refused by {reason}" : "Refused by policy");

    public bool IsOurPostmaster(MailAddress address) =>
        address.LocalPart.Equals("postmaster", StringComparison.OrdinalIgnoreCase)
        && (IsOurs(address.Domain) || address.Domain.Equals(settings.HostName));

    /// <summary>
    /// Seen from the organisation. What comes from outside is inbound whatever its sender claims, so that a forged address of
    /// ours never meets the rules for our own people.
    /// </summary>
    public Direction DirectionOf(SmtpPeer peer, MailAddress? sender, MailAddress recipient) =>
        DirectionOf(IsInside(peer), sender, recipient);

    /// <summary>What the rules say of a whole mail for one recipient: asked when it is accepted, and when it is decided again.</summary>
    /// <param name="inside">It came from inside.</param>
    /// <param name="policy">Null: the one in force.</param>
    public Decision Decide(
        bool inside,
        MailAddress? sender,
        MailAddress recipient,
        ContentFacts content,
        PolicySnapshot? policy = null)
    {
        if (content.Kind == MailKind.Journal)
            return JournalDecision(policy ?? settings.Policy);
        var decision = PolicyEngine.Decide(policy ?? settings.Policy, new MailFacts
        {
            Direction = DirectionOf(inside, sender, recipient),
            Sender = sender,
            Recipient = recipient,
            Headers = content.Headers,
            Kind = content.Kind,
            Authentication = content.Authentication,
        });
        if (decision.Action != DecisionAction.Reject || !IsOurPostmaster(recipient))
            return decision;
        return decision with
        {
            Action = DecisionAction.Protect,
            Methods = [ProtectionMethod.Normal],
            Reason = $"mail to the postmaster is always accepted (RFC 5321 §4.5.1), though refused by {decision.Reason}",
        };
    }

    /// <summary>Rules are not asked about journal reports: where they go, and how, is settled.</summary>
    private Decision JournalDecision(PolicySnapshot policy) => new()
    {
        Rule = "(journal)",
        PolicyVersion = policy.Version,
        // It was accepted under a configuration that took journal reports; where there is none now, a person has to look.
        Action = settings.Journal is null ? DecisionAction.Hold : DecisionAction.Protect,
        Methods = settings.Journal is { } journal ? [journal.Method] : [],
        Reason = "it is a journal report of our own mail server",
    };

    /// <summary>What stands behind the sender's name; null: nothing (docs/formats/kdc-mail.md §3).</summary>
    public SenderEvidence EvidenceFor(SmtpPeer peer, MailAddress? sender)
    {
        if (sender is null)
            return SenderEvidence.None;
        if (peer.AuthenticatedAs is { } name)
            return OwnsMailbox(name, sender) ? SenderEvidence.Authenticated : SenderEvidence.None;
        var isBelieved = settings.GivesRelayEvidence(peer.RemoteEndPoint.Address)
            || (peer.CertifiedAs is { } certified && settings.Certificates.GivesEvidence(certified));
        return isBelieved ? SenderEvidence.Relay : SenderEvidence.None;
    }

    private Direction DirectionOf(bool inside, MailAddress? sender, MailAddress recipient) =>
        inside ? settings.Policy.DirectionOf(sender, recipient) : Direction.Inbound;

    private bool OwnsMailbox(string account, MailAddress sender) =>
        settings.Accounts.TryGetValue(account, out var found) && found.Mailboxes.Contains(sender);

    /// <summary>To our own domains, or to our postmaster.</summary>
    public bool IsOurs(MailAddress address) => IsOurs(address.Domain) || IsOurPostmaster(address);

    private bool IsOurs(DomainName domain) => settings.Policy.OwnDomains.Contains(domain);
}

/// <summary>What is known once the content of a mail was seen.</summary>
/// <param name="Headers">Without our own trace field.</param>
/// <param name="Kind">What its structure proves it to be.</param>
/// <param name="Authentication">What its examination came to; empty: it was not examined.</param>
internal sealed record ContentFacts(ImmutableArray<HeaderFact> Headers, MailKind Kind, ImmutableArray<AuthenticationVerdict> Authentication);
