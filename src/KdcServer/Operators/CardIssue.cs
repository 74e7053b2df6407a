using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.CertificateAuthority;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport.Operator;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>
/// The issuing of cards, as the KDC has it on record (docs/kdc.md, a card's life). Each call may be made again and then answers the same, so a station
/// that died anywhere goes on; nothing is made twice. The master key comes last: a card given up half-way opens nothing.
/// </summary>
internal sealed class CardIssue(CardWork work)
{
    public async Task<CardView> OrderAsync(OperatorSession by, CardOrderBody body, CancellationToken cancellationToken)
    {
        var order = Read(body);
        var holder = await work.Ports.Principals.FindByAddressAsync(order.Address, work.Now, cancellationToken);
        if (holder is not { Kind: PrincipalKind.User })
            throw new AdministrationException($"{order.Address} is nobody's here; put the user on record first.");
        if (holder.Objection(work.Now) is { } objection)
            throw new AdministrationException($"{holder.Name} {objection}.");
        var before = await work.Cards.OfCardAsync(order.Model, order.Serial, cancellationToken);
        if (before.LastOrDefault(c => c.IsLiving && c.Holder != holder.Id) is { } other)
            throw new AdministrationException($"Card {order.Serial} is {(await work.HolderAsync(other, cancellationToken)).Name}'s; revoke it, or give its issuing up, before it becomes another one's.");
        if (before.LastOrDefault(c => c.Standing == CardStanding.Issuing) is { } open)
        {
            return open.Order == order
                ? await work.ShowAsync(open, cancellationToken)
                : throw new AdministrationException($"Card {order.Serial} is being issued with other settings ({open.Order.Algorithm}, {open.Order.Address}); go on with those, or give that up.");
        }
        var id = CardId.New();
        var escrowed = work.Escrows ? await work.Vault.GenerateEscrowedAsync(holder.Id, EscrowAlgorithmOf(order), cancellationToken) : null;
        var card = new CardRecord(
            id, holder.Id, order, 1 + before.Select(c => c.Generation).DefaultIfEmpty().Max(), CardStep.Ordered, CardStanding.Issuing, work.Now, escrowed?.Id ?? [], 0, null, 0);
        var detail = $"kind={order.Model} algorithm={order.Algorithm} escrow={(escrowed is null ? "no" : Convert.ToHexStringLower(escrowed.Id))} until={order.Until:u}";
        card = await work.SaveAsync(by.Actor, "card.order", card, detail, cancellationToken, entry => entry with { Escrowed = escrowed });
        return await work.ShowAsync(card, cancellationToken);
    }

    public async Task<CardView> KeysAsync(OperatorSession by, string id, CardKeysBody body, CancellationToken cancellationToken)
    {
        var card = await OpenAsync(id, CardStep.Ordered, cancellationToken);
        var keys = body.Keys.Select(k => new CardKeyRecord(Enumeration<CardKeyUse>(k.Use), k.PublicKey)).OrderBy(k => k.Use).ToImmutableArray();
        CardKeyUse[] wanted =
        [
            CardKeyUse.Sign, .. card.EscrowId.IsEmpty ? new[] { CardKeyUse.Decipher } : [], CardKeyUse.Authenticate,
            // A card whose ticket key is its decipher key reports none apart.
            .. keys.Any(k => k.Use == CardKeyUse.Ticket) && !card.Order.HasAesSlot ? new[] { CardKeyUse.Ticket } : [],
        ];
        if (!keys.Select(k => k.Use).SequenceEqual(wanted))
            throw new AdministrationException($"This card makes the keys {string.Join(", ", wanted)}.");
        if (keys.Length == card.Keys.Count(k => keys.Any(n => n.Use == k.Use && n.PublicKey.Span.SequenceEqual(k.PublicKey.Span))))
            return await work.ShowAsync(card, cancellationToken);
        if (card.Step >= CardStep.Certified || card.Keys.Any(k => k.Certificate is not null))
            throw new AdministrationException("Other keys of this card are certified already; give this issuing up and begin anew.");
        var detail = string.Join(' ', keys.Select(k => $"{k.Use}={Convert.ToHexStringLower(SHA256.HashData(k.PublicKey.Span))}"));
        return await work.ShowAsync(
            await work.SaveAsync(by.Actor, "card.keys", card with { Keys = keys, Step = CardStep.KeysMade }, detail, cancellationToken), cancellationToken);
    }

    public async Task<SealedKeyAnswer> EncryptionKeyAsync(OperatorSession by, string id, CancellationToken cancellationToken)
    {
        var card = await OpenAsync(id, CardStep.KeysMade, cancellationToken);
        if (card.EscrowId.IsEmpty || await work.Escrow.FindAsync(card.EscrowId, cancellationToken) is not { } key)
            throw new AdministrationException("This card makes its encryption key itself.");
        // Before the key leaves: a release that nobody recorded must not exist.
        await work.AuditAsync(by.Actor, "escrow.release", card, $"key={Convert.ToHexStringLower(key.Id)} station={StationOf(by)}", cancellationToken);
        return new SealedKeyAnswer(await work.Vault.SendEscrowedAsync(key, by.TransportKey, cancellationToken));
    }

    public Task<CardView> ImportedAsync(OperatorSession by, string id, CancellationToken cancellationToken) =>
        StepAsync(by, id, CardStep.KeyImported, "card.imported", cancellationToken);

    public async Task<CardView> CertifyAsync(OperatorSession by, string id, CardRequestsBody body, CancellationToken cancellationToken)
    {
        var card = await OpenAsync(id, CardStep.KeyImported, cancellationToken);
        if (card.Step >= CardStep.Certified)
            return await work.ShowAsync(card, cancellationToken);
        var holder = await GoodHolderAsync(card, cancellationToken);
        if (!card.EscrowId.IsEmpty && card.Keys.All(k => k.Use != CardKeyUse.Decipher))
            card = card with { Keys = card.Keys.Add(new CardKeyRecord(CardKeyUse.Decipher, (await work.Escrow.FindAsync(card.EscrowId, cancellationToken))!.PublicKey)) };
        card = work.ExternalCa is null
            ? await CertifyAsync(by, card, holder, body, cancellationToken)
            : await RequestAsync(by, card, body, cancellationToken);
        return await work.ShowAsync(await work.SaveAsync(by.Actor, "card.certified", card with { Step = CardStep.Certified }, "", cancellationToken), cancellationToken);
    }

    private async Task<CardRecord> CertifyAsync(OperatorSession by, CardRecord card, Principal holder, CardRequestsBody body, CancellationToken cancellationToken)
    {
        var authority = work.DemandCa();
        foreach (var key in card.Keys.Where(k => k.Use != CardKeyUse.Ticket && k.Certificate is null).ToList())
        {
            // In one transaction: a certificate that no card has on record must not exist.
            var order = CardCertificates.OrderFor(card, key, holder, by.Actor, work.Now);
            using var certificate = key.Use == CardKeyUse.Decipher
                ? await authority.IssueForKeyAsync(key.PublicKey, order, cancellationToken)
                : await authority.IssueAsync(RequestFor(key, body), order, cancellationToken);
            card = order.Card!(certificate.SerialNumber) with { Revision = card.Revision + 1 };
        }
        return card;
    }

    /// <summary>For the CA elsewhere the requests are kept; who asks again after its certificates came goes on.</summary>
    /// <exception cref="AdministrationException">Not all came yet.</exception>
    private async Task<CardRecord> RequestAsync(OperatorSession by, CardRecord card, CardRequestsBody body, CancellationToken cancellationToken)
    {
        var open = card.Keys.Where(k => k.Use != CardKeyUse.Ticket && k.Certificate is null).ToList();
        if (open.Any(k => k.Request.IsEmpty))
        {
            foreach (var key in open.Where(k => k.Request.IsEmpty))
            {
                var request = RequestFor(key, body);
                ExternalAuthority.Check(request);
                card = card with { Keys = card.Keys.Replace(key, key with { Request = request }) };
            }
            card = await work.SaveAsync(by.Actor, "card.requested", card, $"requests={open.Count}", cancellationToken);
        }
        return open.Count == 0 ? card : throw new AdministrationException(
            $"The CA elsewhere has to certify {open.Count} keys of this card: at the KDC, 'kdc ca requests --out FOLDER' writes the requests to files and 'kdc ca take FILE' takes what comes back. Then the same command goes on.");
    }

    public Task<CardView> CodesBegunAsync(OperatorSession by, string id, CancellationToken cancellationToken) =>
        StepAsync(by, id, CardStep.CodesBegun, "card.codes-begun", cancellationToken);

    public Task<CardView> CodesSetAsync(OperatorSession by, string id, CancellationToken cancellationToken) =>
        StepAsync(by, id, CardStep.CodesSet, "card.codes-set", cancellationToken);

    public async Task<MasterKeyAnswer> MasterKeyAsync(OperatorSession by, string id, CancellationToken cancellationToken)
    {
        var card = await OpenAsync(id, CardStep.CodesSet, cancellationToken);
        var holder = await GoodHolderAsync(card, cancellationToken);
        if (card.Kvno == 0)
        {
            var fresh = await work.Vault.GenerateAsync(new MasterKeyName(holder.Id, holder.Kvno + 1), cancellationToken);
            var point = card.Order.HasAesSlot ? null : CardPoint.Bind(fresh.Name, PointOf(card), work.RealmKey);
            holder = holder with { Kvno = fresh.Name.Kvno, CardHold = null };
            card = await work.SaveAsync(
                by.Actor, "key.renew", card with { Kvno = fresh.Name.Kvno }, $"kvno={fresh.Name.Kvno} kind={(point is null ? "aes" : "ecdh")} vault={work.Vault.Description}",
                cancellationToken, entry => entry with { Saved = holder, Key = fresh, Point = point });
        }
        if (holder.Kvno != card.Kvno)
            throw new AdministrationException("The holder's key was renewed meanwhile; give this issuing up and begin anew.");
        var identity = new CardIdentity(work.Realm, holder.Id, card.Kvno, card.Order.Address);
        if (!card.Order.HasAesSlot)
            return new MasterKeyAnswer([], new EnrolledCard(identity, work.RealmKey.PublicKey).Encode());
        var name = new MasterKeyName(holder.Id, card.Kvno);
        var key = await work.Ports.Keys.FindAsync(name, cancellationToken) ?? throw new InvalidOperationException("The key that was stored is not there.");
        await work.AuditAsync(by.Actor, "key.release", card, $"kvno={card.Kvno} station={StationOf(by)}", cancellationToken);
        return new MasterKeyAnswer(await work.Vault.SendAsync(key, by.TransportKey, cancellationToken), new EnrolledCard(identity).Encode());
    }

    public async Task<CardView> MasterKeyWrittenAsync(OperatorSession by, string id, CancellationToken cancellationToken)
    {
        if ((await work.GetAsync(id, cancellationToken)).Kvno == 0)
            throw new AdministrationException("No master key was made for this card yet.");
        return await StepAsync(by, id, CardStep.MasterKeyWritten, "card.master-key-written", cancellationToken);
    }

    /// <summary>The card is active now, and every earlier one of its holder replaced.</summary>
    public async Task<CardView> FinishAsync(OperatorSession by, string id, CardReceiptBody body, CancellationToken cancellationToken)
    {
        var card = await work.GetAsync(id, cancellationToken);
        if (card.Standing == CardStanding.Issuing)
        {
            card = await OpenAsync(id, CardStep.MasterKeyWritten, cancellationToken);
            await GoodHolderAsync(card, cancellationToken);
            var key = card.Keys.Single(k => k.Use == CardKeyUse.Sign);
            if (!body.Text.Contains(id, StringComparison.Ordinal) || !CardSignature.Holds(key.PublicKey, Encoding.UTF8.GetBytes(body.Text), body.Signature))
                throw new AdministrationException("The receipt does not name this issuing, or its signature is not one of the card's signing key.");
            var active = card with { Step = CardStep.Done, Standing = CardStanding.Active, Since = work.Now, Receipt = new CardReceipt(body.Text, body.Signature) };
            var replaced = (await work.Cards.OfHolderAsync(card.Holder, cancellationToken))
                .Where(c => c.Id != card.Id && c.Standing is CardStanding.Active or CardStanding.Suspended)
                .Select(c => c with { Standing = CardStanding.Replaced, Since = work.Now, Reason = $"replaced by card {card.Order.Serial}" });
            card = await work.SaveAsync(
                by.Actor, "card.issue", active, $"kvno={card.Kvno} receipt={Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body.Text)))}", cancellationToken,
                entry => entry with { Cards = [active, .. replaced] });
        }
        // Also when asked again: what broke off between is done now.
        foreach (var old in (await work.Cards.OfHolderAsync(card.Holder, cancellationToken)).Where(c => c.Standing == CardStanding.Replaced))
            await work.FollowAsync(by.Actor, old, cancellationToken);
        return await work.ShowAsync(card, cancellationToken);
    }

    /// <summary>Who was suspended or revoked while his card was being issued gets nothing more.</summary>
    private async Task<Principal> GoodHolderAsync(CardRecord card, CancellationToken cancellationToken)
    {
        var holder = await work.HolderAsync(card, cancellationToken);
        return holder.Objection(work.Now) is { } objection ? throw new AdministrationException($"{holder.Name} {objection}.") : holder;
    }

    private async Task<CardView> StepAsync(OperatorSession by, string id, CardStep step, string action, CancellationToken cancellationToken)
    {
        var card = await OpenAsync(id, step - 1, cancellationToken);
        return await work.ShowAsync(card.Step >= step ? card : await work.SaveAsync(by.Actor, action, card with { Step = step }, "", cancellationToken), cancellationToken);
    }

    private async Task<CardRecord> OpenAsync(string id, CardStep atLeast, CancellationToken cancellationToken)
    {
        var card = await work.GetAsync(id, cancellationToken);
        if (card.Standing != CardStanding.Issuing)
            throw new AdministrationException($"Card {card.Order.Serial} is not being issued: it is {card.Standing.ToString().ToLowerInvariant()}.");
        return card.Step >= atLeast ? card : throw new AdministrationException($"The issuing of card {card.Order.Serial} is at '{card.Step}'; '{atLeast}' comes first.");
    }

    private static byte[] RequestFor(CardKeyRecord key, CardRequestsBody body)
    {
        var request = body.Requests.FirstOrDefault(r => r.Use == key.Use.ToString())?.Pkcs10
            ?? throw new AdministrationException($"The request for the key of the use {key.Use} is missing.");
        return PublicKeyOf(request).AsSpan().SequenceEqual(key.PublicKey.Span)
            ? request
            : throw new AdministrationException($"The request for the use {key.Use} is for another key than the card's.");
    }

    /// <summary>The CA looks at the request itself; this only at whose it is.</summary>
    private static byte[] PublicKeyOf(byte[] pkcs10)
    {
        try
        {
            return CertificateRequest.LoadSigningRequest(pkcs10, HashAlgorithmName.SHA256).PublicKey.ExportSubjectPublicKeyInfo();
        }
        catch (CryptographicException e)
        {
            throw new AdministrationException($"A request is not readable, or its signature is bad: {e.Message}");
        }
    }

    /// <summary>Of the ticket key, or of the decipher key on a card where one does both.</summary>
    private static byte[] PointOf(CardRecord card)
    {
        var key = card.Keys.FirstOrDefault(k => k.Use == CardKeyUse.Ticket) ?? card.Keys.First(k => k.Use == CardKeyUse.Decipher);
        using var curve = PublicKey.CreateFromSubjectPublicKeyInfo(key.PublicKey.Span, out _).GetECDiffieHellmanPublicKey();
        return curve is { KeySize: 256 } && curve.ExportParameters(false).Q is { X: { } x, Y: { } y }
            ? [0x04, .. x, .. y]
            : throw new AdministrationException("A card without an AES slot needs a ticket key on P-256.");
    }

    /// <summary>An OpenPGP card without an AES slot has one key for mail and tickets, on the tickets' curve.</summary>
    private static EscrowAlgorithm EscrowAlgorithmOf(CardOrder order) => order switch
    {
        { HasAesSlot: false, Model: CardModel.OpenPgp } => EscrowAlgorithm.EcP256,
        { Algorithm: CardAlgorithm.Rsa2048 } => EscrowAlgorithm.Rsa2048,
        { Algorithm: CardAlgorithm.Rsa3072 } => EscrowAlgorithm.Rsa3072,
        { Algorithm: CardAlgorithm.Rsa4096 } => EscrowAlgorithm.Rsa4096,
        { Algorithm: CardAlgorithm.P256 } => EscrowAlgorithm.EcP256,
        _ => EscrowAlgorithm.EcP384,
    };

    private CardOrder Read(CardOrderBody body)
    {
        if (!MailAddress.TryParse(body.Address, out var address))
            throw new AdministrationException($"'{body.Address}' is not a mail address.");
        // It stands in the audit beside other words.
        if (body.Serial.Length is 0 or > 64 || body.Serial.Any(c => char.IsControl(c) || char.IsWhiteSpace(c)))
            throw new AdministrationException("A card needs a serial number of at most 64 characters, without spaces.");
        if (body.Until <= work.Now)
            throw new AdministrationException("The end of the temporary card lies in the past.");
        DateTimeOffset? until = body.Until is { } end ? DateTimeOffset.FromUnixTimeSeconds(end.ToUnixTimeSeconds()) : null;
        return new CardOrder(address, Enumeration<CardModel>(body.Kind), body.Serial, body.HasAesSlot, Enumeration<CardAlgorithm>(body.Algorithm), until);
    }

    private static T Enumeration<T>(string word)
        where T : struct, Enum =>
        Enum.GetNames<T>().Contains(word) ? Enum.Parse<T>(word) : throw new AdministrationException($"'{word}' is none of {string.Join(", ", Enum.GetNames<T>())}.");

    private static string StationOf(OperatorSession by) => Convert.ToHexStringLower(SHA256.HashData(by.TransportKey.Span));
}
