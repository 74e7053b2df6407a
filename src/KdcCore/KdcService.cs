using System.Collections.Immutable;
using System.Security.Cryptography;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>
/// The KDC. Each request goes the same way: decode; pre-validate (challenge, standing, MAC, replay, rate); validate
/// (who may ask for whom); execute; make it durable; answer. Safe for concurrent use. As an <see cref="IKdc"/> it serves
/// its own process; a carrier asks <see cref="For"/> its peer.
/// </summary>
public sealed class KdcService(KdcOptions options, KdcPorts ports, TimeProvider time) : IKdc, IKdcDirectory
{
    private readonly ChallengeBook _challenges = new(time);
    private readonly RequestLimiter _limiter = new(options.RequestsPerSecond, options.Burst, time);

    private static readonly Answer.Refused ForeignCertificate =
        new("A gateway comes with the TLS client certificate that the KDC has on record for it; this one did not.", null);

    // Refusals before a requester has proved its key: anybody can cause them, so only some enter the chain.
    private readonly RequestLimiter _refusalLines = new(perSecond: 1, burst: 20, time);

    public ValueTask<byte[]> ChallengeAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken) =>
        For(KdcPeer.Local).ChallengeAsync(request, cancellationToken);

    public ValueTask<byte[]> RequestTicketsAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken) =>
        For(KdcPeer.Local).RequestTicketsAsync(request, cancellationToken);

    public ValueTask<byte[]> ExchangeAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken) =>
        For(KdcPeer.Local).ExchangeAsync(request, cancellationToken);

    /// <summary>The same KDC for one peer of a carrier.</summary>
    public IKdc For(KdcPeer peer) => new Entrance(this, peer);

    public async ValueTask<string?> StandingAsync(TicketParty party, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(party);
        var now = time.GetUtcNow();
        if (await ports.Principals.FindAsync(party.Principal, cancellationToken) is not { } principal)
            return $"{party.Address} is not known to the KDC any more.";
        if (principal.Objection(now) is { } objection)
            return $"{party.Address} {objection}.";
        // As a sender a gateway speaks of somebody outside, whose address nobody here holds.
        return principal.Kind == PrincipalKind.Gateway || principal.Holds(party.Address, now) ? null : $"{party.Address} does not belong to that user any more.";
    }

    public async ValueTask<AddressPreview> PreviewAsync(MailAddress address, CancellationToken cancellationToken)
    {
        var principal = await ports.Principals.FindByAddressAsync(address, time.GetUtcNow(), cancellationToken);
        var refusal = ObjectionTo(address, principal, needsKey: true);
        return new AddressPreview(address, principal?.Id, principal is { Kvno: > 0 } ? principal.Kvno : null, refusal?.Reason);
    }

    private async ValueTask<byte[]> ChallengeAsync(ReadOnlyMemory<byte> request, KdcPeer peer, CancellationToken cancellationToken)
    {
        if (ChallengeRequest.Decode(request) is not { } asked)
            return new Answer.Refused("The challenge request is not readable.", null).Encode();
        if (asked.Realm != options.Realm)
            return new Answer.Refused($"This is the KDC of {options.Realm}.", null).Encode();
        var principal = await ports.Principals.FindAsync(asked.Principal, cancellationToken);
        if (principal is not { Kvno: > 0 })
            return new Answer.Refused("The requester is unknown, or has no key.", null).Encode();
        if (peer.MayComeAs(principal))
        {
            var challenge = _challenges.Make(options.Realm, principal.Id, principal.Kvno);
            // Costs nothing where the key is in an AES slot.
            var key = await FindKeyAsync(principal.Id, principal.Kvno, cancellationToken);
            if (key.Point is null)
                return new Answer.Challenged(challenge).Encode();
            var (kek, envelope) = await DeriveAsync(TicketPurpose.Challenge, challenge.Encode(), key, cancellationToken);
            CryptographicOperations.ZeroMemory(kek);
            return new Answer.Challenged(challenge, envelope).Encode();
        }
        await AuditStrangerAsync(principal.Id, ForeignCertificate, cancellationToken);
        return ForeignCertificate.Encode();
    }

    private async ValueTask<byte[]> AnswerAsync<T>(
        ReadOnlyMemory<byte> der, KdcPeer peer, Func<Caller, T, CancellationToken, ValueTask<Answer>> execute, CancellationToken cancellationToken)
        where T : RequestBody
    {
        if (Request.Decode(der) is not { Body: T body } request)
            return new Answer.Refused("The request is not readable.", null).Encode();
        var challenge = body.Challenge;
        // Forged or stale challenges concern no principal: they are not worth a line in the audit chain, which strangers could fill.
        if (challenge.Realm != options.Realm || !_challenges.Knows(challenge))
            return new Answer.Unavailable("The challenge is not one of this KDC, or has expired.").Encode();

        var (caller, objection) = await AuthenticateAsync(request, der, peer, cancellationToken);
        if (objection is Answer.Refused refused)
            await AuditStrangerAsync(challenge.Principal, refused, cancellationToken);
        if (objection is not null)
            return objection.Encode();
        var answer = await execute(caller!, body, cancellationToken);
        if (answer is Answer.Refused no)
            await AuditRefusalAsync(challenge.Principal, no, cancellationToken);
        return answer.Encode();
    }

    private async ValueTask<(Caller? Caller, Answer? Objection)> AuthenticateAsync(
        Request request, ReadOnlyMemory<byte> der, KdcPeer peer, CancellationToken cancellationToken)
    {
        var challenge = request.Body.Challenge;
        var principal = await ports.Principals.FindAsync(challenge.Principal, cancellationToken);
        if (principal is null || principal.Kvno != challenge.Kvno)
            return (null, new Answer.Unavailable("The requester's key was renewed meanwhile."));
        if (!peer.MayComeAs(principal))
            return (null, ForeignCertificate);
        if (principal.Objection(time.GetUtcNow()) is { } objection)
            return (null, new Answer.Refused($"The requester {objection}.", null));
        if (principal.CardHold is { } hold)
            return (null, new Answer.Refused(hold, null));

        var key = await FindKeyAsync(principal.Id, challenge.Kvno, cancellationToken);
        var (kek, _) = await DeriveAsync(TicketPurpose.Challenge, challenge.Encode(), key, cancellationToken, enveloped: false);
        var mac = HMACSHA256.HashData(kek, request.Body.Encode());
        CryptographicOperations.ZeroMemory(kek);
        if (!CryptographicOperations.FixedTimeEquals(mac, request.Mac.Span))
            return (null, new Answer.Refused("The request is not authenticated by the requester's key.", null));
        switch (_challenges.Use(challenge))
        {
            case false:
                return (null, new Answer.Refused("The challenge was used before.", null));
            case null:
                return (null, new Answer.Unavailable("The KDC is overloaded."));
        }
        var taken = _limiter.Take(principal.Id);
        if (taken == RequestLimiter.Taken.Yes)
            return (new Caller(principal, key, SHA256.HashData(der.Span)), null);
        if (taken == RequestLimiter.Taken.NoForTheFirstTime)
            await AuditAsync("limit", principal.Id, "", "requests refused until the rate falls", [], cancellationToken);
        return (null, new Answer.Unavailable("The requester asks for too many tickets; slow down."));
    }

    private async ValueTask<Answer> IssueAsync(Caller caller, RequestBody.Tickets body, CancellationToken cancellationToken)
    {
        var now = Der.WholeSeconds(time.GetUtcNow());
        if (MayAsk(caller.Principal, body, now) is { } objection)
            return objection;
        var fromOutside = body.Evidence == Evidence.Outside;
        var asked = body.Recipients.Insert(0, body.Sender);
        var found = await ports.Principals.FindByAddressesAsync(asked, time.GetUtcNow(), cancellationToken);
        if (fromOutside && (found[0] is not null || await IsInsideAsync(body.Sender.Domain, cancellationToken)))
            return new Answer.Refused($"{body.Sender} is of this realm: mail from outside can't be from there.", body.Sender);
        for (var i = fromOutside ? 1 : 0; i < asked.Length; i++)
        {
            if (ObjectionTo(asked[i], found[i], needsKey: i > 0) is { } no)
                return no;
        }
        var sender = fromOutside ? caller.Principal : found[0]!;
        var recipients = found[1..]!;
        if (recipients.DistinctBy(r => r!.Id).Count() != recipients.Length)
            return new Answer.Refused("The same recipient stands twice in the request.", null);

        var sessionKey = RandomNumberGenerator.GetBytes(TicketDerivation.KeySize);
        try
        {
            var contexts = recipients.Zip(body.Recipients, (r, address) => new TicketContext(
                options.Realm, new TicketParty(sender.Id, body.Sender), new TicketParty(r!.Id, address), r.Kvno,
                now, now + options.TicketLifetime, TicketId.New(), body.Evidence, body.Commitment)).ToArray();
            var names = contexts.Select(c => new MasterKeyName(c.Recipient.Principal, c.Kvno)).ToImmutableArray();
            var keys = await ports.Keys.FindAsync(names, cancellationToken);
            var wrapped = ImmutableArray.CreateBuilder<Ticket>(contexts.Length);
            for (var i = 0; i < contexts.Length; i++)
                wrapped.Add(await WrapAsync(contexts[i], keys[i] ?? throw NoKey(names[i]), sessionKey, cancellationToken));
            var tickets = wrapped.MoveToImmutable();
            var answer = await SealAsync(caller, body, now, sessionKey, [.. contexts.Select(c => c.Id)], tickets, cancellationToken);

            var detail = $"evidence={body.Evidence.ToString().ToLowerInvariant()} commitment={Convert.ToHexStringLower(body.Commitment.Span)} "
                + string.Join(' ', contexts.Select(c => $"ticket={c.Id} to={c.Recipient.Principal} kvno={c.Kvno}"));
            var records = tickets.Select(t => IssueRecord.Of(now, t.Context.Span)).ToImmutableArray();
            await AuditAsync("issue", caller.Principal.Id, sender.Id.ToString(), detail, records, cancellationToken);
            return answer;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(sessionKey);
        }
    }

    private static Answer.Refused? MayAsk(Principal caller, RequestBody.Tickets body, DateTimeOffset now)
    {
        switch (caller.Kind)
        {
            case PrincipalKind.User when body.Evidence != Evidence.Card:
                return new Answer.Refused("A user's request carries the evidence of his card and no other.", null);
            case PrincipalKind.User when !caller.Holds(body.Sender, now):
                return new Answer.Refused($"{body.Sender} is not an address of the requester.", body.Sender);
            case PrincipalKind.User:
                return null;
            case PrincipalKind.Gateway when body.Evidence == Evidence.Card:
                return new Answer.Refused("A gateway can't speak with the evidence of a user's card.", null);
            case PrincipalKind.Gateway when body.Evidence == Evidence.Outside:
                return null;
            case PrincipalKind.Gateway when !caller.SenderDomains.Contains(body.Sender.Domain):
                return new Answer.Refused($"{body.Sender.Domain} is not a sender domain of this gateway.", body.Sender);
            case PrincipalKind.Gateway:
                return null;
            default:
                return new Answer.Refused("An operator sends no mail.", null);
        }
    }

    private async ValueTask<bool> IsInsideAsync(DomainName domain, CancellationToken cancellationToken) =>
        domain.Ascii == options.Realm.Name || await ports.Principals.IsSenderDomainAsync(domain, cancellationToken);

    private Answer.Refused? ObjectionTo(MailAddress address, Principal? holder, bool needsKey)
    {
        var objection = holder switch
        {
            null => $"is not known to the KDC of {options.Realm}",
            { Kind: not PrincipalKind.User } => "is no user's address",
            { Kvno: 0 } when needsKey => "has no card yet",
            _ => holder.Objection(time.GetUtcNow()),
        };
        return objection is null ? null : new Answer.Refused($"{address} {objection}.", address);
    }

    private async ValueTask<Answer> SealAsync(
        Caller caller,
        RequestBody.Tickets body,
        DateTimeOffset now,
        byte[] sessionKey,
        ImmutableArray<TicketId> ids,
        ImmutableArray<Ticket> tickets,
        CancellationToken cancellationToken)
    {
        var context = new ReplyContext(options.Realm, caller.Principal.Id, caller.Key.Wrapped.Name.Kvno, now, Id128.Random(), caller.RequestHash);
        var (kek, envelope) = await DeriveAsync(TicketPurpose.Reply, context.Encode(), caller.Key, cancellationToken);
        var plain = new SealedReply(now, sessionKey, body.Nonce, body.Recipients, body.Commitment, ids).Encode();
        var box = ReplySeal.Seal(kek, plain, Answer.EncodeTickets(tickets));
        CryptographicOperations.ZeroMemory(plain);
        CryptographicOperations.ZeroMemory(kek);
        return new Answer.Issued(context, box, tickets, envelope);
    }

    private async ValueTask<Answer> ExchangeAsync(Caller caller, RequestBody.Exchange body, CancellationToken cancellationToken)
    {
        if (TicketContext.Decode(body.Ticket.Context) is not { } old)
            return new Answer.Refused("The ticket is not readable.", null);
        if (old.Realm != options.Realm || old.Recipient.Principal != caller.Principal.Id)
            return new Answer.Refused("The ticket was not issued to the requester.", null);
        if (old.Kvno >= caller.Key.Wrapped.Name.Kvno)
            return new Answer.Refused("The ticket is under the requester's current key already.", null);
        if (!await ports.Issues.HoldsAsync(IssueRecord.Of(old.IssuedAt, body.Ticket.Context.Span), cancellationToken))
            return new Answer.Refused("The KDC has not issued this ticket.", null);

        var oldKey = await FindKeyAsync(caller.Principal.Id, old.Kvno, cancellationToken);
        var (kek, _) = await DeriveAsync(TicketPurpose.Ticket, body.Ticket.Context, oldKey, cancellationToken, enveloped: false);
        var sessionKey = AesKeyWrap.Unwrap(kek, body.Ticket.WrappedKey.Span);
        CryptographicOperations.ZeroMemory(kek);
        if (sessionKey is null)
            return new Answer.Refused("The ticket does not open under the requester's old key.", null);
        try
        {
            var renewed = old with { Kvno = caller.Key.Wrapped.Name.Kvno, Id = TicketId.New() };
            var ticket = await WrapAsync(renewed, caller.Key, sessionKey, cancellationToken);
            await AuditAsync(
                "exchange", caller.Principal.Id, old.Sender.Principal.ToString(),
                $"ticket={old.Id} kvno={old.Kvno} becomes ticket={renewed.Id} kvno={renewed.Kvno}",
                [IssueRecord.Of(renewed.IssuedAt, ticket.Context.Span)], cancellationToken);
            return new Answer.Exchanged(ticket);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(sessionKey);
        }
    }

    private async ValueTask<Ticket> WrapAsync(TicketContext context, MasterKeyRecord key, byte[] sessionKey, CancellationToken cancellationToken)
    {
        var der = context.Encode();
        var (kek, envelope) = await DeriveAsync(TicketPurpose.Ticket, der, key, cancellationToken);
        var wrapped = AesKeyWrap.Wrap(kek, sessionKey);
        CryptographicOperations.ZeroMemory(kek);
        return new Ticket(der, wrapped, envelope);
    }

    /// <summary>
    /// The KEK, and for a card without an AES slot the envelope in which R goes to it. R is the same keyed function of the context for both
    /// kinds: so the KDC can open its own tickets again when a card was renewed.
    /// </summary>
    private async ValueTask<(byte[] Kek, EcdhEnvelope? Envelope)> DeriveAsync(
        TicketPurpose purpose, ReadOnlyMemory<byte> contextDer, MasterKeyRecord key, CancellationToken cancellationToken, bool enveloped = true)
    {
        if (key.Point is not { } point)
            return (await TicketDerivation.DeriveAsync(purpose, contextDer, new VaultMasterKey(ports.Vault, key.Wrapped), cancellationToken), null);
        var realm = ports.Realm ?? throw new InvalidOperationException("The KDC has no realm key for cards without an AES slot.");
        point.Demand(realm);
        var r = await ports.Vault.DecryptBlocksAsync(key.Wrapped, TicketDerivation.Input(purpose, contextDer.Span), cancellationToken);
        try
        {
            var envelope = enveloped ? EcdhEnvelope.Seal(purpose, contextDer.Span, r, point.Point, realm) : null;
            return (EcdhEnvelope.Kek(purpose, contextDer.Span, r), envelope);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(r);
        }
    }

    private async ValueTask<MasterKeyRecord> FindKeyAsync(PrincipalId principal, int kvno, CancellationToken cancellationToken)
    {
        var name = new MasterKeyName(principal, kvno);
        return (await ports.Keys.FindAsync([name], cancellationToken))[0] ?? throw NoKey(name);
    }

    private static InvalidOperationException NoKey(MasterKeyName name) => new($"The store has no key version {name.Kvno} of principal {name.Principal}.");

    /// <summary>Of somebody who has not proved the principal's key.</summary>
    private ValueTask AuditStrangerAsync(PrincipalId claimed, Answer.Refused refused, CancellationToken cancellationToken) =>
        _refusalLines.Take(claimed) == RequestLimiter.Taken.No ? default : AuditRefusalAsync(claimed, refused, cancellationToken);

    /// <summary>The address stands there under the key of its holder, or of who asked where nobody holds it.</summary>
    private async ValueTask AuditRefusalAsync(PrincipalId actor, Answer.Refused refused, CancellationToken cancellationToken)
    {
        var (subject, reason) = ("", refused.Reason);
        if (refused.About is { } about)
        {
            var owner = (await ports.Principals.FindByAddressAsync(about, time.GetUtcNow(), cancellationToken))?.Id ?? actor;
            if (await ports.Principals.FindAuditKeyAsync(owner, cancellationToken) is { } key)
                subject = SealedAddress.Seal(owner, key, about);
            reason = reason.Replace(about.ToString(), "The address", StringComparison.OrdinalIgnoreCase);
        }
        await AuditAsync("refusal", actor, subject, reason, [], cancellationToken);
    }

    private ValueTask AuditAsync(
        string action, PrincipalId actor, string subject, string detail, ImmutableArray<IssueRecord> issued, CancellationToken cancellationToken) =>
        ports.Audit.AppendAsync(
            new AuditEntry(new AuditEvent(Der.WholeSeconds(time.GetUtcNow()), action, actor.ToString(), subject, detail), issued),
            cancellationToken);

    private sealed class Entrance(KdcService kdc, KdcPeer peer) : IKdc
    {
        public ValueTask<byte[]> ChallengeAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken) =>
            kdc.ChallengeAsync(request, peer, cancellationToken);

        public ValueTask<byte[]> RequestTicketsAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken) =>
            kdc.AnswerAsync<RequestBody.Tickets>(request, peer, kdc.IssueAsync, cancellationToken);

        public ValueTask<byte[]> ExchangeAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken) =>
            kdc.AnswerAsync<RequestBody.Exchange>(request, peer, kdc.ExchangeAsync, cancellationToken);
    }

    /// <summary>Who proved to have asked.</summary>
    private sealed record Caller(Principal Principal, MasterKeyRecord Key, byte[] RequestHash);
}
