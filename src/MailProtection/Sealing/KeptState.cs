using System.Collections.Immutable;
using System.Formats.Asn1;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;

namespace GatewaySecure.MailProtection.Sealing;

/// <summary>
/// What a KDC message keeps between attempts, so that each encrypts the identical octets under the same tickets. Holds K_S: lives only in
/// the encrypted spool item. DER: SEQUENCE { version INTEGER (1), innerHeader OCTET STRING, commitment OCTET STRING,
/// sessionKey OCTET STRING, issuedAt GeneralizedTime, tickets SEQUENCE OF { recipient UTF8String, id, context, wrappedKey, envelope OCTET STRING (only where there is one) } }.
/// </summary>
internal sealed record KeptState(ReadOnlyMemory<byte> InnerHeader, ReadOnlyMemory<byte> Commitment, TicketGrant Grant)
{
    public byte[] Encode()
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteInteger(1);
            writer.WriteOctetString(InnerHeader.Span);
            writer.WriteOctetString(Commitment.Span);
            writer.WriteOctetString(Grant.SessionKey.Span);
            writer.WriteGeneralizedTime(Grant.IssuedAt.ToUniversalTime());
            using (writer.PushSequence())
            {
                foreach (var ticket in Grant.Tickets)
                {
                    using (writer.PushSequence())
                    {
                        writer.WriteCharacterString(UniversalTagNumber.UTF8String, ticket.Recipient.ToString());
                        writer.WriteOctetString(ticket.Id.Span);
                        writer.WriteOctetString(ticket.Context.Span);
                        writer.WriteOctetString(ticket.WrappedKey.Span);
                        if (!ticket.Envelope.IsEmpty)
                            writer.WriteOctetString(ticket.Envelope.Span);
                    }
                }
            }
        }
        return writer.Encode();
    }

    /// <returns>Null: not a state of this version.</returns>
    public static KeptState? TryDecode(ReadOnlyMemory<byte> der)
    {
        try
        {
            var outer = new AsnReader(der, AsnEncodingRules.DER);
            var reader = outer.ReadSequence();
            outer.ThrowIfNotEmpty();
            if (!reader.TryReadInt32(out var version) || version != 1)
                return null;
            var innerHeader = reader.ReadOctetString();
            var commitment = reader.ReadOctetString();
            var sessionKey = reader.ReadOctetString();
            var issuedAt = reader.ReadGeneralizedTime();
            var list = reader.ReadSequence();
            reader.ThrowIfNotEmpty();
            var tickets = ImmutableArray.CreateBuilder<IssuedTicket>();
            while (list.HasData)
            {
                var ticket = list.ReadSequence();
                if (!MailAddress.TryParse(ticket.ReadCharacterString(UniversalTagNumber.UTF8String), out var recipient))
                    return null;
                tickets.Add(new IssuedTicket(recipient, ticket.ReadOctetString(), ticket.ReadOctetString(), ticket.ReadOctetString())
                {
                    Envelope = ticket.HasData ? ticket.ReadOctetString() : [],
                });
                ticket.ThrowIfNotEmpty();
            }
            return commitment.Length == 32 && sessionKey.Length == 32
                ? new KeptState(innerHeader, commitment, new TicketGrant(sessionKey, issuedAt, tickets.ToImmutable()))
                : null;
        }
        catch (AsnContentException)
        {
            return null;
        }
    }
}
