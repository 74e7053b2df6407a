using System.Collections.Immutable;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>
/// Where a sender gets tickets: the client's side of the exchange, after every check of the reply
/// (nonce, recipients, commitment, time) was passed. Implemented by <c>KdcClient</c>.
/// </summary>
public interface ITicketSource
{
    ValueTask<TicketOutcome> RequestAsync(TicketOrder order, CancellationToken cancellationToken);

    /// <summary>
    /// Says whether tickets that were granted before may still be sent: null, or the reason why not
    /// (sender or a recipient suspended, expired or revoked since). Asked before each delivery attempt.
    /// </summary>
    ValueTask<string?> CheckStandingAsync(TicketGrant grant, CancellationToken cancellationToken);
}

/// <summary>One request: a ticket for each recipient, bound to one message.</summary>
/// <param name="Sender">The mailbox that the message is from.</param>
/// <param name="Recipients">Every recipient of this copy; a Bcc copy is an order of its own.</param>
/// <param name="Commitment">SHA-256 of exactly the octets that will be encrypted, 32 octets.</param>
/// <param name="Evidence">How the sender's identity was established.</param>
public sealed record TicketOrder(
    MailAddress Sender,
    ImmutableArray<MailAddress> Recipients,
    ReadOnlyMemory<byte> Commitment,
    Evidence Evidence);

/// <summary>What stands behind the sender's name; readers see it in plain words.</summary>
public enum Evidence
{
    /// <summary>Proved with the sender's card.</summary>
    Card = 1,

    /// <summary>The gateway authenticated this mailbox.</summary>
    Auth = 2,

    /// <summary>Claimed by a listed mail server, not proved.</summary>
    Relay = 3,

    /// <summary>It came from outside the realm. The ticket's sender is the gateway that says so; the address is what the mail says (docs/adr/0006).</summary>
    Outside = 4,
}

/// <summary>What a request for tickets led to: one for each recipient, or none at all.</summary>
public abstract record TicketOutcome
{
    private TicketOutcome() { }

    public sealed record Granted(TicketGrant Grant) : TicketOutcome;

    /// <summary>A person has to change something first; asking again now gives the same answer.</summary>
    /// <param name="Reason">One plain sentence.</param>
    /// <param name="About">The address it is about, where it is about one.</param>
    public sealed record Refused(string Reason, MailAddress? About) : TicketOutcome;

    /// <summary>The KDC or the key vault can't be reached, or asks to slow down: try again later.</summary>
    public sealed record Unavailable(string Reason) : TicketOutcome;
}

/// <summary>The session key and the tickets that wrap it. Kept in the encrypted spool item between attempts.</summary>
/// <param name="SessionKey">K_S, 32 octets.</param>
/// <param name="IssuedAt">T_S of the KDC.</param>
public sealed record TicketGrant(
    ReadOnlyMemory<byte> SessionKey,
    DateTimeOffset IssuedAt,
    ImmutableArray<IssuedTicket> Tickets);

/// <summary>The half for one recipient, as it stands in a <c>KEKRecipientInfo</c> (docs/formats/kdc-mail.md).</summary>
/// <param name="Id">Ticket id, 16 octets: <c>kekid.keyIdentifier</c>.</param>
/// <param name="Context">DER of the context: <c>kekid.other</c>.</param>
/// <param name="WrappedKey">K_S under AES key wrap (RFC 3394), 40 octets: <c>encryptedKey</c>.</param>
public sealed record IssuedTicket(
    MailAddress Recipient,
    ReadOnlyMemory<byte> Id,
    ReadOnlyMemory<byte> Context,
    ReadOnlyMemory<byte> WrappedKey)
{
    /// <summary>DER of the <see cref="EcdhEnvelope"/>, for a recipient whose card has no AES slot; else empty.</summary>
    public ReadOnlyMemory<byte> Envelope { get; init; }
}
