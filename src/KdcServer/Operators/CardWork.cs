using System.Collections.Immutable;
using GatewaySecure.CertificateAuthority;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.KdcServer.Hosting;
using GatewaySecure.KdcTransport.Operator;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>What all work on cards stands on: reading and writing their records, each change with its line in the audit.</summary>
internal sealed class CardWork(KdcKeys keys, CardAuthority authority, KdcServerConfiguration configuration, TimeProvider time)
{
    public KdcPorts Ports { get; } = keys.Ports;

    public IKeyVault Vault => keys.Vault;

    public ICardStore Cards => keys.Database.Cards;

    public IEscrowedKeyStore Escrow => keys.Database.EscrowedKeys;

    public ICertificateStore Certificates => keys.Database.Certificates;

    public RealmKey RealmKey => keys.Realm;

    public Realm Realm => configuration.Realm;

    public bool Escrows => configuration.EscrowsEncryptionKeys;

    public DateTimeOffset Now => DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds());

    public ExternalAuthority? ExternalCa => authority.External;

    /// <exception cref="AdministrationException">There is none.</exception>
    public IssuingAuthority DemandCa() => authority.Own ?? throw new AdministrationException("This KDC has no CA that could certify a card: 'kdc ca init' or 'kdc ca install' makes one, with a section 'ca' in the configuration.");

    public async Task<CardRecord> GetAsync(string id, CancellationToken cancellationToken) =>
        CardId.TryParse(id, out var card) && await Cards.FindAsync(card, cancellationToken) is { } record
            ? record
            : throw new AdministrationException("There is no such card.");

    public async Task<Principal> HolderAsync(CardRecord card, CancellationToken cancellationToken) =>
        await Ports.Principals.FindAsync(card.Holder, cancellationToken) ?? throw new AdministrationException("The card's holder is gone.");

    /// <summary>Durable when it returns.</summary>
    public async Task<CardRecord> SaveAsync(
        string actor, string action, CardRecord card, string detail, CancellationToken cancellationToken, Func<AuditEntry, AuditEntry>? with = null)
    {
        var entry = new AuditEntry(Event(actor, action, card.Holder, $"card={card.Id} serial={card.Order.Serial} {detail}".TrimEnd())) { Cards = [card] };
        await Ports.Audit.AppendAsync(with?.Invoke(entry) ?? entry, cancellationToken);
        return card with { Revision = card.Revision + 1 };
    }

    public ValueTask AuditAsync(string actor, string action, CardRecord card, string detail, CancellationToken cancellationToken) =>
        Ports.Audit.AppendAsync(new AuditEntry(Event(actor, action, card.Holder, $"card={card.Id} serial={card.Order.Serial} {detail}".TrimEnd())), cancellationToken);

    public AuditEvent Event(string actor, string action, PrincipalId subject, string detail) => new(Now, action, actor, subject.ToString(), detail);

    /// <summary>
    /// The certificates of a card follow it: none counts for a card that is no more, and those of a suspended one are on hold. Done again, it does what
    /// is missing.
    /// </summary>
    public async Task FollowAsync(string actor, CardRecord card, CancellationToken cancellationToken)
    {
        foreach (var serial in card.Keys.Select(k => k.Certificate).OfType<string>())
        {
            if (authority.Standing is not { } standing || await Certificates.FindAsync(serial, cancellationToken) is not { } record || record.Reason is not (null or RevocationReason.CertificateHold))
                continue;
            switch (card.Standing)
            {
                case CardStanding.Suspended when record.Reason is null:
                    await standing.RevokeAsync(serial, RevocationReason.CertificateHold, actor, cancellationToken);
                    break;
                case CardStanding.Active when record.Reason is not null:
                    await standing.ReleaseAsync(serial, actor, cancellationToken);
                    break;
                case CardStanding.Replaced or CardStanding.Expired:
                    await standing.RevokeAsync(serial, RevocationReason.Superseded, actor, cancellationToken);
                    break;
                case CardStanding.Revoked:
                    await standing.RevokeAsync(serial, RevocationReason.KeyCompromise, actor, cancellationToken);
                    break;
            }
        }
    }

    /// <summary>A new version of the holder's key that no card has, where the present one is this card's: nobody asks by it any more, and mail goes on.</summary>
    public async Task<Func<AuditEntry, AuditEntry>?> OutdateAsync(CardRecord card, CancellationToken cancellationToken)
    {
        var holder = await HolderAsync(card, cancellationToken);
        if (card.Kvno == 0 || holder.Kvno != card.Kvno)
            return null;
        var key = await Vault.GenerateAsync(new MasterKeyName(holder.Id, holder.Kvno + 1), cancellationToken);
        return entry => entry with { Saved = holder with { Kvno = key.Name.Kvno, CardHold = null }, Key = key };
    }

    public async Task<CardView> ShowAsync(CardRecord card, CancellationToken cancellationToken)
    {
        var holder = await HolderAsync(card, cancellationToken);
        var order = card.Order;
        var keyViews = ImmutableArray.CreateBuilder<CardKeyView>();
        foreach (var key in card.Keys.OrderBy(k => k.Use))
        {
            var certificate = key.Certificate is { } serial ? await Certificates.FindAsync(serial, cancellationToken) : null;
            keyViews.Add(new CardKeyView(key.Use.ToString(), key.PublicKey.ToArray(), certificate?.Der.ToArray()));
        }
        var escrowed = card.EscrowId.IsEmpty ? null : await Escrow.FindAsync(card.EscrowId, cancellationToken);
        var isOpen = card.Standing == CardStanding.Issuing;
        return new CardView(
            card.Id.ToString(), card.Holder.ToString(), holder.Name,
            new CardOrderBody(order.Address.ToString(), order.Serial, order.Model.ToString(), order.HasAesSlot, order.Algorithm.ToString(), order.Until),
            card.Step.ToString(), card.Standing.ToString(), card.Since, card.Reason, card.Kvno, escrowed?.PublicKey.ToArray() ?? [], [.. keyViews],
            [.. authority.RequestsWanted(card).Select(u => u.ToString())],
            isOpen ? CodesOf(card) : null, isOpen && await EarlierAsync(card, cancellationToken) is { } earlier ? CodesOf(earlier) : null);
    }

    public CardCodesView CodesOf(CardRecord card) => CardCodes.Of(Vault.Marks, card.Order.Model, card.Order.Serial, card.Generation);

    /// <summary>The last issuing of the same card that came to its codes.</summary>
    private async Task<CardRecord?> EarlierAsync(CardRecord card, CancellationToken cancellationToken) =>
        (await Cards.OfCardAsync(card.Order.Model, card.Order.Serial, cancellationToken)).LastOrDefault(c => c.Generation < card.Generation && c.Step >= CardStep.CodesSet);
}
