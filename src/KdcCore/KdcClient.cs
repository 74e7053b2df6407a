using System.Collections.Immutable;
using System.Security.Cryptography;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>
/// The requester's side (docs/formats/kdc-mail.md §7–8): asks with its own master key, and takes nothing it did not ask
/// for. Safe for concurrent use. Failures of key holder and carrier (exceptions) become <see cref="TicketOutcome.Unavailable"/>.
/// </summary>
/// <param name="self">The requester: a gateway, or the card's principal.</param>
/// <param name="directory">For standing and preview; the same KDC.</param>
/// <param name="kvno">Version of the key, where the requester knows it: another one's challenge would only end in a wrong MAC.</param>
public sealed class KdcClient(
    Realm realm, PrincipalId self, HolderKey key, IKdc kdc, IKdcDirectory directory, TimeProvider time, int? kvno = null)
    : ITicketSource
{
    /// <summary>With a key in an AES slot or a vault.</summary>
    public KdcClient(
        Realm realm, PrincipalId self, IMasterKey key, IKdc kdc, IKdcDirectory directory, TimeProvider time, int? kvno = null)
        : this(realm, self, new SlotHolderKey(key), kdc, directory, time, kvno)
    {
    }

    /// <summary>How far T_S may be from the requester's clock.</summary>
    public static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(5);

    public async ValueTask<TicketOutcome> RequestAsync(TicketOrder order, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        if (order.Commitment.Length != TicketContext.CommitmentSize)
            throw new ArgumentException("A commitment has 32 octets.", nameof(order));
        if (order.Recipients.Length is 0 or > DerLists.Maximum)
            throw new ArgumentException($"An order has 1 to {DerLists.Maximum} recipients.", nameof(order));
        try
        {
            var nonce = Id128.Random();
            var (answer, hash) = await AskAsync(
                c => new RequestBody.Tickets(c, nonce, order.Sender, order.Recipients, order.Commitment, order.Evidence),
                kdc.RequestTicketsAsync, cancellationToken);
            return answer switch
            {
                Answer.Issued issued => await AcceptAsync(order, nonce, issued, hash, cancellationToken),
                Answer.Refused refused => new TicketOutcome.Refused(refused.Reason, refused.About),
                Answer.Unavailable later => new TicketOutcome.Unavailable(later.Reason),
                _ => new TicketOutcome.Unavailable("The KDC's answer is not one to this request."),
            };
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            return new TicketOutcome.Unavailable($"The KDC or the key can't be used now: {e.Message}");
        }
    }

    public async ValueTask<string?> CheckStandingAsync(TicketGrant grant, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(grant);
        var asked = new HashSet<TicketParty>();
        foreach (var ticket in grant.Tickets)
        {
            if (TicketContext.Decode(ticket.Context) is not { } context)
                return "A kept ticket is not readable.";
            if (context.ExpiresAt <= time.GetUtcNow())
                return "The tickets have expired before the mail could be sent.";
            foreach (var party in new[] { context.Sender, context.Recipient })
            {
                if (asked.Add(party) && await directory.StandingAsync(party, cancellationToken) is { } objection)
                    return objection;
            }
        }
        return null;
    }

    public ValueTask<AddressPreview> PreviewAsync(MailAddress address, CancellationToken cancellationToken) =>
        directory.PreviewAsync(address, cancellationToken);

    /// <summary>A ticket under an older key version becomes one under the current one, which the given key must open.</summary>
    /// <remarks>An envelope of the old card is of no use to the KDC and is not sent.</remarks>
    public async ValueTask<ExchangeOutcome> ExchangeAsync(
        ReadOnlyMemory<byte> contextDer, ReadOnlyMemory<byte> wrappedKey, CancellationToken cancellationToken)
    {
        if (TicketContext.Decode(contextDer) is not { } old || wrappedKey.Length != TicketReader.WrappedKeySize)
            return new ExchangeOutcome.Refused("The ticket is not readable.");
        var (answer, _) = await AskAsync(
            c => new RequestBody.Exchange(c, new Ticket(contextDer, wrappedKey)), kdc.ExchangeAsync, cancellationToken);
        switch (answer)
        {
            case Answer.Exchanged { Ticket: var ticket }:
                if (TicketContext.Decode(ticket.Context) is not { } renewed
                    || !(old with { Kvno = renewed.Kvno, Id = renewed.Id }).Encode().AsSpan().SequenceEqual(ticket.Context.Span))
                    return new ExchangeOutcome.Refused("The KDC's answer is another ticket than the one that was sent.");
                var envelope = ticket.Envelope?.Encode() ?? [];
                var opening = await TicketReader.UnwrapAsync(ticket.Context, ticket.WrappedKey, envelope, key, cancellationToken);
                if (opening is not TicketOpening.Opened opened)
                    return new ExchangeOutcome.Refused("The exchanged ticket does not open with this card.");
                return new ExchangeOutcome.Exchanged(
                    new IssuedTicket(renewed.Recipient.Address, renewed.Id.ToOctets(), ticket.Context, ticket.WrappedKey) { Envelope = envelope }, opened);
            case Answer.Refused refused:
                return new ExchangeOutcome.Refused(refused.Reason);
            case Answer.Unavailable later:
                return new ExchangeOutcome.Unavailable(later.Reason);
            default:
                return new ExchangeOutcome.Unavailable("The KDC's answer is not one to this request.");
        }
    }

    private async ValueTask<(Answer? Answer, byte[] RequestHash)> AskAsync(
        Func<ChallengeContext, RequestBody> body,
        Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask<byte[]>> send,
        CancellationToken cancellationToken)
    {
        var first = Answer.Decode(await kdc.ChallengeAsync(new ChallengeRequest(realm, self).Encode(), cancellationToken));
        // What keeps the requester itself out is no word about a mail: somebody mends it, and the mail goes on.
        if (first is Answer.Refused { Reason: var reason })
            return (new Answer.Unavailable(reason), []);
        if (first is not Answer.Challenged { Challenge: var challenge, Envelope: var envelope })
            return (first, []);
        // The key answers challenges that are for it and nothing else.
        if (challenge.Realm != realm || challenge.Principal != self)
            return (null, []);
        if (kvno is { } own && challenge.Kvno != own)
            return (new Answer.Unavailable($"The requester's key has version {own}, and the KDC goes by version {challenge.Kvno}."), []);
        var asked = body(challenge);
        if (await key.DeriveAsync(TicketPurpose.Challenge, challenge.Encode(), envelope, cancellationToken) is not { } kek)
            return (null, []);
        var mac = HMACSHA256.HashData(kek, asked.Encode());
        CryptographicOperations.ZeroMemory(kek);
        var request = new Request(asked, mac).Encode();
        return (Answer.Decode(await send(request, cancellationToken)), SHA256.HashData(request));
    }

    private async ValueTask<TicketOutcome> AcceptAsync(
        TicketOrder order, UInt128 nonce, Answer.Issued issued, byte[] requestHash, CancellationToken cancellationToken)
    {
        var context = issued.Context;
        if (context.Realm != realm || context.Principal != self || !context.RequestHash.Span.SequenceEqual(requestHash))
            return Doubtful("it is not for this request");
        if (await key.DeriveAsync(TicketPurpose.Reply, context.Encode(), issued.Envelope, cancellationToken) is not { } kek)
            return Doubtful("it is not made for this card");
        var plain = ReplySeal.Open(kek, issued.Sealed.Span, Answer.EncodeTickets(issued.Tickets));
        CryptographicOperations.ZeroMemory(kek);
        if (plain is null)
            return Doubtful("its seal does not hold");
        var reply = SealedReply.Decode(plain);
        CryptographicOperations.ZeroMemory(plain);
        if (reply is null)
            return Doubtful("it is not readable");
        if (Flaw(order, nonce, context, reply) is { } flaw)
            return Rejected(reply, flaw);

        var tickets = ImmutableArray.CreateBuilder<IssuedTicket>(issued.Tickets.Length);
        if (issued.Tickets.Length != order.Recipients.Length || reply.TicketIds.Length != order.Recipients.Length)
            return Rejected(reply, "its tickets are not one for each recipient");
        for (var i = 0; i < issued.Tickets.Length; i++)
        {
            var ticket = issued.Tickets[i];
            if (TicketContext.Decode(ticket.Context) is not { } granted
                || granted.Realm != realm
                || granted.Id != reply.TicketIds[i]
                || granted.Evidence != order.Evidence
                || granted.IssuedAt != reply.IssuedAt
                || !granted.Sender.Address.Equals(order.Sender)
                || !granted.Recipient.Address.Equals(order.Recipients[i])
                || !granted.Commitment.Span.SequenceEqual(order.Commitment.Span))
                return Rejected(reply, "a ticket is not the one that was asked for");
            tickets.Add(new IssuedTicket(order.Recipients[i], granted.Id.ToOctets(), ticket.Context, ticket.WrappedKey)
            {
                Envelope = ticket.Envelope?.Encode() ?? [],
            });
        }
        return new TicketOutcome.Granted(new TicketGrant(reply.SessionKey, reply.IssuedAt, tickets.MoveToImmutable()));
    }

    private string? Flaw(TicketOrder order, UInt128 nonce, ReplyContext context, SealedReply reply)
    {
        if (reply.Nonce != nonce)
            return "its nonce is another one";
        if (!reply.Recipients.SequenceEqual(order.Recipients))
            return "its recipients are others";
        if (!reply.Commitment.Span.SequenceEqual(order.Commitment.Span))
            return "its commitment is another one";
        if (reply.IssuedAt != context.IssuedAt || (reply.IssuedAt - time.GetUtcNow()).Duration() > ClockTolerance)
            return "its time is too far from this host's clock";
        return null;
    }

    private static TicketOutcome.Unavailable Rejected(SealedReply reply, string flaw)
    {
        CryptographicOperations.ZeroMemory(reply.SessionKey);
        return Doubtful(flaw);
    }

    private static TicketOutcome.Unavailable Doubtful(string flaw) => new($"The KDC's reply was rejected: {flaw}.");
}

/// <summary>What came of an exchange.</summary>
public abstract record ExchangeOutcome
{
    private ExchangeOutcome() { }

    /// <param name="Ticket">To be kept locally beside the mail.</param>
    /// <param name="Opening">Opened already, with the session key; the caller clears it.</param>
    public sealed record Exchanged(IssuedTicket Ticket, TicketOpening.Opened Opening) : ExchangeOutcome;

    public sealed record Refused(string Reason) : ExchangeOutcome;

    public sealed record Unavailable(string Reason) : ExchangeOutcome;
}
