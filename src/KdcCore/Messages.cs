using System.Collections.Immutable;
using System.Formats.Asn1;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

// The messages of docs/formats/kdc-mail.md §7, in its order.

/// <summary>Asks for a challenge; anybody may.</summary>
internal sealed record ChallengeRequest(Realm Realm, PrincipalId Principal)
{
    public byte[] Encode() => Der.Encode(w =>
    {
        using var _ = w.PushSequence();
        w.WriteInteger(1);
        w.WriteText(Realm.Name);
        w.WriteOctetString(Principal.ToOctets());
    });

    public static ChallengeRequest? Decode(ReadOnlyMemory<byte> der) => Der.Decode(
        der,
        outer =>
        {
            var r = outer.ReadSequence();
            r.ReadVersion();
            var request = new ChallengeRequest(r.ReadRealm(), r.ReadPrincipal());
            r.ThrowIfNotEmpty();
            return request;
        },
        m => m.Encode());
}

/// <summary>What the requester proves its key on. The cookie lets the KDC know its own challenges without storing them.</summary>
internal sealed record ChallengeContext(
    Realm Realm, PrincipalId Principal, int Kvno, DateTimeOffset ExpiresAt, UInt128 Id, ReadOnlyMemory<byte> Cookie)
{
    public const int CookieSize = 32;

    public byte[] Encode() => Der.Encode(Write);

    public void Write(AsnWriter w)
    {
        using var _ = w.PushSequence();
        w.WriteInteger(1);
        w.WriteText(Realm.Name);
        w.WriteOctetString(Principal.ToOctets());
        w.WriteInteger(Kvno);
        w.WriteTime(ExpiresAt);
        w.WriteOctetString(Id128.Write(Id));
        w.WriteOctetString(Cookie.Span);
    }

    public static ChallengeContext Read(AsnReader outer)
    {
        var r = outer.ReadSequence();
        r.ReadVersion();
        var context = new ChallengeContext(
            r.ReadRealm(), r.ReadPrincipal(), r.ReadKvno(), r.ReadTime(), Id128.Read(r.ReadOctets(16)), r.ReadOctets(CookieSize));
        r.ThrowIfNotEmpty();
        return context;
    }
}

/// <summary>A ticket as it travels; the context keeps the octets it came in.</summary>
internal sealed record Ticket(ReadOnlyMemory<byte> Context, ReadOnlyMemory<byte> WrappedKey, EcdhEnvelope? Envelope = null)
{
    /// <summary>Of an envelope beside what it is for.</summary>
    public static readonly Asn1Tag EnvelopeTag = new(TagClass.ContextSpecific, 0);

    public void Write(AsnWriter w)
    {
        using var _ = w.PushSequence();
        w.WriteEncodedValue(Context.Span);
        w.WriteOctetString(WrappedKey.Span);
        Envelope?.Write(w, EnvelopeTag);
    }

    public static Ticket Read(AsnReader outer)
    {
        var r = outer.ReadSequence();
        var ticket = new Ticket(
            r.ReadEncodedValue(), r.ReadOctets(TicketReader.WrappedKeySize), r.HasData ? EcdhEnvelope.Read(r, EnvelopeTag) : null);
        r.ThrowIfNotEmpty();
        return ticket;
    }
}

/// <summary>What a requester asks under a challenge.</summary>
internal abstract record RequestBody(ChallengeContext Challenge)
{
    private static readonly Asn1Tag TicketsTag = new(TagClass.ContextSpecific, 1);
    private static readonly Asn1Tag ExchangeTag = new(TagClass.ContextSpecific, 2);

    internal sealed record Tickets(
        ChallengeContext Challenge,
        UInt128 Nonce,
        MailAddress Sender,
        ImmutableArray<MailAddress> Recipients,
        ReadOnlyMemory<byte> Commitment,
        Evidence Evidence) : RequestBody(Challenge);

    internal sealed record Exchange(ChallengeContext Challenge, Ticket Ticket) : RequestBody(Challenge);

    public byte[] Encode() => Der.Encode(Write);

    public void Write(AsnWriter w)
    {
        using var tag = w.PushSequence(this is Tickets ? TicketsTag : ExchangeTag);
        using var _ = w.PushSequence();
        w.WriteInteger(1);
        Challenge.Write(w);
        switch (this)
        {
            case Tickets t:
                w.WriteOctetString(Id128.Write(t.Nonce));
                w.WriteText(t.Sender.ToString());
                w.WriteAddresses(t.Recipients);
                w.WriteOctetString(t.Commitment.Span);
                w.WriteEvidence(t.Evidence);
                break;
            case Exchange e:
                e.Ticket.Write(w);
                break;
        }
    }

    public static RequestBody Read(AsnReader outer)
    {
        var tag = outer.PeekTag();
        var isTickets = tag.HasSameClassAndValue(TicketsTag);
        var wrapper = outer.ReadSequence(isTickets ? TicketsTag : ExchangeTag);
        var r = wrapper.ReadSequence();
        wrapper.ThrowIfNotEmpty();
        r.ReadVersion();
        var challenge = ChallengeContext.Read(r);
        RequestBody body = isTickets
            ? new Tickets(
                challenge, Id128.Read(r.ReadOctets(16)), r.ReadAddress(), r.ReadAddresses(),
                r.ReadOctets(TicketContext.CommitmentSize), r.ReadEvidence())
            : new Exchange(challenge, Ticket.Read(r));
        r.ThrowIfNotEmpty();
        return body;
    }
}

/// <summary>A body with the proof that its challenge's principal made it.</summary>
internal sealed record Request(RequestBody Body, ReadOnlyMemory<byte> Mac)
{
    public const int MacSize = 32;

    public byte[] Encode() => Der.Encode(w =>
    {
        using var _ = w.PushSequence();
        Body.Write(w);
        w.WriteOctetString(Mac.Span);
    });

    public static Request? Decode(ReadOnlyMemory<byte> der) => Der.Decode(
        der,
        outer =>
        {
            var r = outer.ReadSequence();
            var request = new Request(RequestBody.Read(r), r.ReadOctets(MacSize));
            r.ThrowIfNotEmpty();
            return request;
        },
        m => m.Encode());
}

/// <summary>What the key of a sealed reply is derived from.</summary>
internal sealed record ReplyContext(
    Realm Realm, PrincipalId Principal, int Kvno, DateTimeOffset IssuedAt, UInt128 Id, ReadOnlyMemory<byte> RequestHash)
{
    public byte[] Encode() => Der.Encode(Write);

    public void Write(AsnWriter w)
    {
        using var _ = w.PushSequence();
        w.WriteInteger(1);
        w.WriteText(Realm.Name);
        w.WriteOctetString(Principal.ToOctets());
        w.WriteInteger(Kvno);
        w.WriteTime(IssuedAt);
        w.WriteOctetString(Id128.Write(Id));
        w.WriteOctetString(RequestHash.Span);
    }

    public static ReplyContext Read(AsnReader outer)
    {
        var r = outer.ReadSequence();
        r.ReadVersion();
        var context = new ReplyContext(
            r.ReadRealm(), r.ReadPrincipal(), r.ReadKvno(), r.ReadTime(), Id128.Read(r.ReadOctets(16)), r.ReadOctets(32));
        r.ThrowIfNotEmpty();
        return context;
    }
}

/// <summary>The requester's half in clear: what it checks before it uses anything.</summary>
internal sealed record SealedReply(
    DateTimeOffset IssuedAt,
    byte[] SessionKey,
    UInt128 Nonce,
    ImmutableArray<MailAddress> Recipients,
    ReadOnlyMemory<byte> Commitment,
    ImmutableArray<TicketId> TicketIds)
{
    public byte[] Encode() => Der.Encode(w =>
    {
        using var _ = w.PushSequence();
        w.WriteInteger(1);
        w.WriteTime(IssuedAt);
        w.WriteOctetString(SessionKey);
        w.WriteOctetString(Id128.Write(Nonce));
        w.WriteAddresses(Recipients);
        w.WriteOctetString(Commitment.Span);
        using var ids = w.PushSequence();
        foreach (var id in TicketIds)
            w.WriteOctetString(id.ToOctets());
    });

    public static SealedReply? Decode(ReadOnlyMemory<byte> der) => Der.Decode(
        der,
        outer =>
        {
            var r = outer.ReadSequence();
            r.ReadVersion();
            var reply = new SealedReply(
                r.ReadTime(), r.ReadOctets(TicketDerivation.KeySize), Id128.Read(r.ReadOctets(16)), r.ReadAddresses(),
                r.ReadOctets(TicketContext.CommitmentSize), r.ReadMany(i => i.ReadTicketId()));
            r.ThrowIfNotEmpty();
            return reply;
        },
        m => m.Encode());
}

/// <summary>Everything the KDC answers.</summary>
internal abstract record Answer
{
    /// <param name="Envelope">For a requester whose card has no AES slot.</param>
    internal sealed record Challenged(ChallengeContext Challenge, EcdhEnvelope? Envelope = null) : Answer;

    /// <param name="Envelope">For a requester whose card has no AES slot.</param>
    internal sealed record Issued(
        ReplyContext Context, ReadOnlyMemory<byte> Sealed, ImmutableArray<Ticket> Tickets, EcdhEnvelope? Envelope = null) : Answer;

    internal sealed record Exchanged(Ticket Ticket) : Answer;

    internal sealed record Refused(string Reason, MailAddress? About) : Answer;

    internal sealed record Unavailable(string Reason) : Answer;

    public byte[] Encode() => Der.Encode(w =>
    {
        var number = this switch { Challenged { Envelope: not null } => 5, Challenged => 0, Issued => 1, Exchanged => 2, Refused => 3, _ => 4 };
        using var tag = w.PushSequence(new Asn1Tag(TagClass.ContextSpecific, number));
        switch (this)
        {
            case Challenged { Envelope: { } envelope } c:
                using (w.PushSequence())
                {
                    c.Challenge.Write(w);
                    envelope.Write(w);
                }
                break;
            case Challenged c:
                c.Challenge.Write(w);
                break;
            case Issued i:
                using (w.PushSequence())
                {
                    w.WriteInteger(1);
                    i.Context.Write(w);
                    w.WriteOctetString(i.Sealed.Span);
                    WriteTickets(w, i.Tickets);
                    i.Envelope?.Write(w, Ticket.EnvelopeTag);
                }
                break;
            case Exchanged e:
                e.Ticket.Write(w);
                break;
            case Refused r:
                WriteRefusal(w, r.Reason, r.About);
                break;
            case Unavailable u:
                WriteRefusal(w, u.Reason, null);
                break;
        }
    });

    public static Answer? Decode(ReadOnlyMemory<byte> der) => Der.Decode(der, Read, m => m.Encode());

    /// <summary>DER of the tickets field, which the seal covers as additional data.</summary>
    public static byte[] EncodeTickets(ImmutableArray<Ticket> tickets) => Der.Encode(w => WriteTickets(w, tickets));

    private static Answer Read(AsnReader outer)
    {
        var tag = outer.PeekTag();
        if (tag.TagClass != TagClass.ContextSpecific)
            throw new AsnContentException("Unknown answer.");
        var r = outer.ReadSequence(tag);
        Answer answer = tag.TagValue switch
        {
            0 => new Challenged(ChallengeContext.Read(r)),
            1 => ReadIssued(r),
            2 => new Exchanged(Ticket.Read(r)),
            3 => ReadRefusal(r),
            4 => new Unavailable(ReadRefusal(r).Reason),
            5 => ReadEnveloped(r),
            _ => throw new AsnContentException("Unknown answer."),
        };
        r.ThrowIfNotEmpty();
        return answer;
    }

    private static Challenged ReadEnveloped(AsnReader outer)
    {
        var r = outer.ReadSequence();
        var challenged = new Challenged(ChallengeContext.Read(r), EcdhEnvelope.Read(r));
        r.ThrowIfNotEmpty();
        return challenged;
    }

    private static Issued ReadIssued(AsnReader outer)
    {
        var r = outer.ReadSequence();
        r.ReadVersion();
        var issued = new Issued(
            ReplyContext.Read(r), r.ReadOctetString(), r.ReadMany(Ticket.Read), r.HasData ? EcdhEnvelope.Read(r, Ticket.EnvelopeTag) : null);
        r.ThrowIfNotEmpty();
        return issued;
    }

    private static Refused ReadRefusal(AsnReader outer)
    {
        var r = outer.ReadSequence();
        var refused = new Refused(r.ReadText(), r.HasData ? r.ReadAddress() : null);
        r.ThrowIfNotEmpty();
        return refused;
    }

    private static void WriteRefusal(AsnWriter w, string reason, MailAddress? about)
    {
        using var _ = w.PushSequence();
        w.WriteText(reason);
        if (about is not null)
            w.WriteText(about.ToString());
    }

    private static void WriteTickets(AsnWriter w, ImmutableArray<Ticket> tickets)
    {
        using var _ = w.PushSequence();
        foreach (var ticket in tickets)
            ticket.Write(w);
    }
}

/// <summary>Lists of 1 to 1000.</summary>
internal static class DerLists
{
    public const int Maximum = 1000;

    public static void WriteAddresses(this AsnWriter w, ImmutableArray<MailAddress> addresses)
    {
        using var _ = w.PushSequence();
        foreach (var address in addresses)
            w.WriteText(address.ToString());
    }

    public static ImmutableArray<MailAddress> ReadAddresses(this AsnReader reader) => reader.ReadMany(r => r.ReadAddress());

    public static ImmutableArray<T> ReadMany<T>(this AsnReader reader, Func<AsnReader, T> read)
    {
        var r = reader.ReadSequence();
        var items = ImmutableArray.CreateBuilder<T>();
        while (r.HasData)
        {
            if (items.Count == Maximum)
                throw new AsnContentException("Too many items.");
            items.Add(read(r));
        }
        return items.Count > 0 ? items.ToImmutable() : throw new AsnContentException("An empty list.");
    }
}
