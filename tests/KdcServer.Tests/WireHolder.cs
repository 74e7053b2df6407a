using System.Formats.Asn1;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>
/// A holder of a master key as docs/formats/kdc-mail.md describes one, written from that page alone: the platform's AES, HKDF, HMAC and DER,
/// and nothing of the product. Each step of an exchange is a method, so that a test can do another one in between.
/// </summary>
internal sealed record WireHolder(string Realm, byte[] Principal, int Kvno, byte[] Key)
{
    public const string MediaType = "application/vnd.gatewaysecure.kdc";

    private static readonly Asn1Tag TicketsTag = new(TagClass.ContextSpecific, 1);
    private static readonly Asn1Tag ExchangeTag = new(TagClass.ContextSpecific, 2);

    public static byte[] Commitment(byte fill = 7) => [.. Enumerable.Repeat(fill, 32)];

    /// <summary>§2: KEK of a purpose (<c>ticket</c>, <c>reply</c>, <c>challenge</c>) for a context.</summary>
    public byte[] Kek(string purpose, ReadOnlySpan<byte> context)
    {
        var label = Encoding.ASCII.GetBytes($"GatewaySecure/kdc/{purpose}/1");
        using var aes = Aes.Create();
        aes.Key = Key;
        var r = aes.DecryptCbc(SHA256.HashData([.. label, .. context]), new byte[16], PaddingMode.None);
        return HKDF.DeriveKey(HashAlgorithmName.SHA256, r, 32, info: label);
    }

    public static async Task<WireAnswer> PostAsync(HttpClient client, string operation, byte[] body)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue(MediaType);
        using var response = await client.PostAsync(new Uri("/kdc/v1/" + operation, UriKind.Relative), content, RunningKdc.Cancel);
        response.EnsureSuccessStatusCode();
        return WireAnswer.Read(await response.Content.ReadAsByteArrayAsync(RunningKdc.Cancel));
    }

    public Task<WireAnswer> AskChallengeAsync(HttpClient client) => AskChallengeAsync(client, Realm, Principal);

    public static Task<WireAnswer> AskChallengeAsync(HttpClient client, string realm, byte[] principal) => PostAsync(client, "challenge", Der(w =>
    {
        w.WriteInteger(1);
        w.WriteCharacterString(UniversalTagNumber.UTF8String, realm);
        w.WriteOctetString(principal);
    }));

    /// <summary>DER of a <c>Request</c> of tickets under a challenge.</summary>
    public byte[] TicketRequest(byte[] challenge, string sender, string[] recipients, int evidence, byte[] commitment, byte[]? nonce = null) =>
        TicketRequest(Kek("challenge", challenge), challenge, sender, recipients, evidence, commitment, nonce);

    /// <param name="kek">Of the challenge.</param>
    public static byte[] TicketRequest(
        byte[] kek, byte[] challenge, string sender, string[] recipients, int evidence, byte[] commitment, byte[]? nonce = null) =>
        Authenticated(kek, Tagged(TicketsTag, w =>
        {
            w.WriteInteger(1);
            w.WriteEncodedValue(challenge);
            w.WriteOctetString(nonce ?? RandomNumberGenerator.GetBytes(16));
            w.WriteCharacterString(UniversalTagNumber.UTF8String, sender);
            using (w.PushSequence())
            {
                foreach (var recipient in recipients)
                    w.WriteCharacterString(UniversalTagNumber.UTF8String, recipient);
            }
            w.WriteOctetString(commitment);
            w.WriteEncodedValue([0x0A, 0x01, (byte)evidence]);
        }));

    /// <summary>DER of a <c>Request</c> to exchange a ticket.</summary>
    public byte[] ExchangeRequest(byte[] challenge, WireTicket ticket) => ExchangeRequest(Kek("challenge", challenge), challenge, ticket);

    /// <param name="kek">Of the challenge.</param>
    public static byte[] ExchangeRequest(byte[] kek, byte[] challenge, WireTicket ticket) => Authenticated(kek, Tagged(ExchangeTag, w =>
    {
        w.WriteInteger(1);
        w.WriteEncodedValue(challenge);
        w.WriteEncodedValue(ticket.Encode());
    }));

    /// <summary>The whole way: a challenge, and tickets under it.</summary>
    public async Task<WireAnswer> RequestAsync(HttpClient client, string sender, int evidence, params string[] recipients)
    {
        var challenge = await AskChallengeAsync(client);
        if (challenge.Tag != 0)
            return challenge;
        return await PostAsync(client, "tickets", TicketRequest(challenge.Content, sender, recipients, evidence, Commitment()));
    }

    /// <summary>K_S out of the sealed half of a reply; null where the seal does not hold.</summary>
    public SealedHalf? OpenReply(WireAnswer answer)
    {
        var (context, box, tickets) = answer.Reply();
        var plain = new byte[box.Length - 16];
        using var gcm = new AesGcm(Kek("reply", context), 16);
        try
        {
            gcm.Decrypt(new byte[12], box[..^16], box[^16..], plain, tickets);
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
        var r = new AsnReader(plain, AsnEncodingRules.DER).ReadSequence();
        r.ReadInteger();
        var issued = r.ReadGeneralizedTime();
        return new SealedHalf(issued, r.ReadOctetString(), r.ReadOctetString());
    }

    /// <summary>K_S out of a ticket (RFC 3394); null where it does not unwrap.</summary>
    public byte[]? OpenTicket(WireTicket ticket) => Unwrap(Kek("ticket", ticket.Context), ticket.WrappedKey);

    private static byte[] Authenticated(byte[] kek, byte[] body) => Der(w =>
    {
        w.WriteEncodedValue(body);
        w.WriteOctetString(HMACSHA256.HashData(kek, body));
    });

    private static byte[] Tagged(Asn1Tag tag, Action<AsnWriter> fields)
    {
        var w = new AsnWriter(AsnEncodingRules.DER);
        using (w.PushSequence(tag))
            w.WriteEncodedValue(Der(fields));
        return w.Encode();
    }

    public static byte[] Der(Action<AsnWriter> fields)
    {
        var w = new AsnWriter(AsnEncodingRules.DER);
        using (w.PushSequence())
            fields(w);
        return w.Encode();
    }

    /// <summary>RFC 3394 §2.2.2.</summary>
    public static byte[]? Unwrap(byte[] kek, byte[] wrapped)
    {
        using var aes = Aes.Create();
        aes.Key = kek;
        var a = wrapped[..8];
        var r = wrapped[8..];
        for (var j = 5; j >= 0; j--)
        {
            for (var i = r.Length / 8; i >= 1; i--)
            {
                a[7] ^= (byte)((j * r.Length / 8) + i);
                var block = aes.DecryptEcb([.. a, .. r[((i - 1) * 8)..(i * 8)]], PaddingMode.None);
                a = block[..8];
                block[8..].CopyTo(r, (i - 1) * 8);
            }
        }
        return a.All(o => o == 0xA6) ? r : null;
    }
}

/// <summary>
/// A holder of a card without an AES slot, §12: the platform's ECDH and ECDSA. Asks for its own half in the same way, with keys that come in envelopes.
/// </summary>
/// <param name="Card">The card's key; clears itself with the test.</param>
/// <param name="Realm">The realm's public key, pinned at enrolment.</param>
internal sealed record WireAgreementHolder(byte[] Principal, ECDiffieHellman Card, ECDsa Realm)
{
    public byte[] Point => PointOf(Card);

    public static byte[] PointOf(ECAlgorithm key)
    {
        var q = key.ExportParameters(false).Q;
        return [4, .. q.X!, .. q.Y!];
    }

    /// <summary>KEK out of an envelope, DER; null where the realm did not sign it for this purpose and context.</summary>
    public byte[]? Kek(string purpose, byte[] context, byte[] envelope)
    {
        var label = Encoding.ASCII.GetBytes($"GatewaySecure/kdc/{purpose}/1");
        var r = new AsnReader(envelope, AsnEncodingRules.DER).ReadSequence();
        var (ephemeral, wrapped, signature) = (r.ReadOctetString(), r.ReadOctetString(), r.ReadOctetString());
        byte[] signed = [.. label, .. context, .. ephemeral, .. wrapped];
        if (!Realm.VerifyData(signed, signature, HashAlgorithmName.SHA256))
            return null;
        using var other = ECDiffieHellman.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new ECPoint { X = ephemeral[1..33], Y = ephemeral[33..] },
        });
        var key = HKDF.DeriveKey(
            HashAlgorithmName.SHA256, Card.DeriveRawSecretAgreement(other.PublicKey), 32,
            info: [.. Encoding.ASCII.GetBytes("GatewaySecure/kdc/ecdh/1"), .. ephemeral, .. Point]);
        return HKDF.DeriveKey(HashAlgorithmName.SHA256, WireHolder.Unwrap(key, wrapped)!, 32, info: [.. label, .. context]);
    }

    /// <summary>K_S out of a ticket; null where it is not signed, or does not unwrap.</summary>
    public byte[]? OpenTicket(WireTicket ticket) =>
        ticket.Envelope is not null && Kek("ticket", ticket.Context, ticket.Envelope) is { } kek ? WireHolder.Unwrap(kek, ticket.WrappedKey) : null;
}

/// <summary>What the sealed half of a reply holds first.</summary>
internal sealed record SealedHalf(DateTimeOffset IssuedAt, byte[] SessionKey, byte[] Nonce);

/// <summary>A ticket's octets.</summary>
/// <param name="Envelope">For a card without an AES slot.</param>
internal sealed record WireTicket(byte[] Context, byte[] WrappedKey, byte[]? Envelope = null)
{
    public byte[] Encode() => WireHolder.Der(w =>
    {
        w.WriteEncodedValue(Context);
        w.WriteOctetString(WrappedKey);
    });

    public static WireTicket Read(AsnReader outer)
    {
        var r = outer.ReadSequence();
        var (context, wrapped) = (r.ReadEncodedValue().ToArray(), r.ReadOctetString());
        return new WireTicket(context, wrapped, r.HasData ? r.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 0)).ReadEncodedValue().ToArray() : null);
    }
}

/// <summary>An <c>Answer</c>: its alternative, and what stands in it.</summary>
internal sealed record WireAnswer(int Tag, byte[] Content)
{
    public const int Challenge = 0;
    public const int Issued = 1;
    public const int Exchanged = 2;
    public const int Refused = 3;
    public const int Unavailable = 4;
    public const int Enveloped = 5;

    /// <summary>Of a refusal, or of "later".</summary>
    public string Reason => new AsnReader(Content, AsnEncodingRules.DER).ReadSequence().ReadCharacterString(UniversalTagNumber.UTF8String);

    public WireTicket[] Tickets
    {
        get
        {
            var list = new AsnReader(Reply().Tickets, AsnEncodingRules.DER).ReadSequence();
            var tickets = new List<WireTicket>();
            while (list.HasData)
                tickets.Add(WireTicket.Read(list));
            return [.. tickets];
        }
    }

    public static WireAnswer Read(byte[] der)
    {
        var reader = new AsnReader(der, AsnEncodingRules.DER);
        var tag = reader.PeekTag();
        var inside = reader.ReadSequence(tag);
        return new WireAnswer(tag.TagValue, inside.ReadEncodedValue().ToArray());
    }

    /// <summary>Context, sealed half and the tickets' DER of a reply.</summary>
    public (byte[] Context, byte[] Sealed, byte[] Tickets) Reply()
    {
        var r = new AsnReader(Content, AsnEncodingRules.DER).ReadSequence();
        r.ReadInteger();
        return (r.ReadEncodedValue().ToArray(), r.ReadOctetString(), r.ReadEncodedValue().ToArray());
    }

    /// <summary>A challenge, and the envelope beside it.</summary>
    public (byte[] Challenge, byte[] Envelope) EnvelopedChallenge()
    {
        var r = new AsnReader(Content, AsnEncodingRules.DER).ReadSequence();
        return (r.ReadEncodedValue().ToArray(), r.ReadEncodedValue().ToArray());
    }

    public WireTicket Ticket() => WireTicket.Read(new AsnReader(Content, AsnEncodingRules.DER));
}
