using System.Formats.Asn1;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>
/// Everything a ticket is good for (docs/formats/kdc-mail.md §3). It travels in clear, and the key that opens the
/// ticket is derived from its octets: with one bit changed the ticket does not open. Times have whole seconds.
/// </summary>
/// <param name="Kvno">Version of the recipient's master key.</param>
/// <param name="IssuedAt">T_S, by the KDC's clock.</param>
/// <param name="ExpiresAt">Last moment to send; it never blocks opening.</param>
/// <param name="Commitment">SHA-256 of exactly the octets that are encrypted, 32 octets.</param>
public sealed record TicketContext(
    Realm Realm,
    TicketParty Sender,
    TicketParty Recipient,
    int Kvno,
    DateTimeOffset IssuedAt,
    DateTimeOffset ExpiresAt,
    TicketId Id,
    Evidence Evidence,
    ReadOnlyMemory<byte> Commitment)
{
    /// <summary>id-aes256-wrap (RFC 3565 §2.3.2), the one key wrap of version 1.</summary>
    public const string KeyWrapOid = "2.16.840.1.101.3.4.1.45";

    /// <summary>id-aes256-GCM (RFC 5084 §3.2), the one content encryption of version 1.</summary>
    public const string ContentEncryptionOid = "2.16.840.1.101.3.4.1.46";

    /// <summary><c>keyAttrId</c> of a <c>KEKRecipientInfo</c> whose <c>keyAttr</c> is a ticket context.</summary>
    public const string AttributeOid = "2.25.119605444157642042894633482878024604795.1";

    /// <summary><c>keyAttrId</c> where <c>keyAttr</c> is SEQUENCE { context, envelope }: for a card without an AES slot.</summary>
    public const string EnvelopedAttributeOid = "2.25.119605444157642042894633482878024604795.2";

    public const int CommitmentSize = 32;

    // DER: they stand in every ticket, and composing them anew costs more than all the rest of it.
    private static readonly byte[] KeyWrap = Der.Encode(w => w.WriteObjectIdentifier(KeyWrapOid));
    private static readonly byte[] ContentEncryption = Der.Encode(w => w.WriteObjectIdentifier(ContentEncryptionOid));

    /// <summary>DER, the octets that are hashed and sent.</summary>
    public byte[] Encode() => Der.Encode(Write);

    /// <returns>Null where the octets are not the DER of a context of version 1.</returns>
    public static TicketContext? Decode(ReadOnlyMemory<byte> der) => Der.Decode(der, Read, c => c.Encode());

    internal void Write(AsnWriter writer)
    {
        using var _ = writer.PushSequence();
        writer.WriteInteger(1);
        writer.WriteText(Realm.Name);
        WriteParty(writer, Sender);
        WriteParty(writer, Recipient);
        writer.WriteInteger(Kvno);
        writer.WriteTime(IssuedAt);
        writer.WriteTime(ExpiresAt);
        writer.WriteOctetString(Id.ToOctets());
        writer.WriteEvidence(Evidence);
        writer.WriteEncodedValue(KeyWrap);
        writer.WriteEncodedValue(ContentEncryption);
        writer.WriteOctetString(Commitment.Span);
    }

    internal static TicketContext Read(AsnReader outer)
    {
        var reader = outer.ReadSequence();
        reader.ReadVersion();
        var realm = reader.ReadRealm();
        var sender = ReadParty(reader);
        var recipient = ReadParty(reader);
        var kvno = reader.ReadKvno();
        var issued = reader.ReadTime();
        var expires = reader.ReadTime();
        var id = reader.ReadTicketId();
        var evidence = reader.ReadEvidence();
        reader.ReadThisOid(KeyWrap);
        reader.ReadThisOid(ContentEncryption);
        var commitment = reader.ReadOctets(CommitmentSize);
        reader.ThrowIfNotEmpty();
        return new TicketContext(realm, sender, recipient, kvno, issued, expires, id, evidence, commitment);
    }

    private static void WriteParty(AsnWriter writer, TicketParty party)
    {
        using var _ = writer.PushSequence();
        writer.WriteOctetString(party.Principal.ToOctets());
        writer.WriteText(party.Address.ToString());
    }

    private static TicketParty ReadParty(AsnReader outer)
    {
        var reader = outer.ReadSequence();
        var party = new TicketParty(reader.ReadPrincipal(), reader.ReadAddress());
        reader.ThrowIfNotEmpty();
        return party;
    }
}

/// <summary>A principal, and the address under which it takes part in this message.</summary>
public sealed record TicketParty(PrincipalId Principal, MailAddress Address);
