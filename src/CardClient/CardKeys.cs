using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Trust;
using GatewaySecure.SmartCard;
using CardHolder = GatewaySecure.KdcCore.CardIdentity;

namespace GatewaySecure.CardClient;

/// <summary>What a card holds for opening mail: its KDC identity, and every decipher key with a certificate, those for old mail too.</summary>
internal sealed class CardKeys : IDisposable
{
    private readonly ICard _card;
    private readonly CardHolder? _holder;
    private readonly ImmutableArray<SmimeKey> _keys;

    private CardKeys(ICard card, CardHolder? holder, ImmutableArray<SmimeKey> keys)
    {
        _card = card;
        _holder = holder;
        _keys = keys;
    }

    public static CardKeys Read(ICard card) => new(card, Holder(card), [.. card.ReadKeys().Select(key => Smime(card, key)).OfType<SmimeKey>()]);

    /// <summary>Null where the card was not issued for KDC mail.</summary>
    public static CardHolder? Holder(ICard card) => card.ReadIdentity() is { } identity ? CardHolder.Decode(identity) : null;

    /// <summary>KDC mail is for this card, and would open with the realm's certificate beside it.</summary>
    public bool NeedsRealm => _holder is not null && !_card.Describe().HasAesSlot && TicketKey is not null;

    private CardHeldKey? TicketKey => _card.ReadKeys().FirstOrDefault(k => k is { Slot.Use: CardUse.Ticket, Public.Algorithm: CardKeyAlgorithm.P256 });

    /// <param name="realm">The realm's public key, for a card without an AES slot; null: none was pinned.</param>
    public OpeningKeys ForOpening(CertificateDirectory? trust, ECDsa? realm) => new()
    {
        Card = _holder is not null && KdcKey(realm) is { } key
            ? new MailProtection.CardIdentity(_holder.Realm, _holder.Principal, _holder.Kvno, key)
            : null,
        SmimeKeys = _keys,
        Trust = trust,
    };

    public void Dispose()
    {
        foreach (var key in _keys)
        {
            key.Key.Dispose();
            key.Certificate.Dispose();
        }
    }

    private HolderKey? KdcKey(ECDsa? realm) =>
        _card.Describe().HasAesSlot ? new SlotHolderKey(new CardMasterKey(_card))
        : realm is not null && TicketKey is { } ticket ? new AgreementHolderKey(new CardAgreement(_card, ticket), realm)
        : null;

    /// <summary>Null for a key of another use, or without a certificate that fits it.</summary>
    private static SmimeKey? Smime(ICard card, CardHeldKey key)
    {
        if (key.Slot.Use != CardUse.Decipher || key.Certificate.IsEmpty)
            return null;
        X509Certificate2 certificate;
        try
        {
            certificate = X509CertificateLoader.LoadCertificate(key.Certificate.Span);
        }
        catch (CryptographicException)
        {
            // Not a certificate: the card opens other mail all the same.
            return null;
        }
        if (CardPublicKey.Of(certificate) is { } certified && certified.IsSameAs(key.Public))
            return new SmimeKey(certificate, key.Public.Rsa is null ? new CardEcdh(card, key) : new CardRsa(card, key));
        certificate.Dispose();
        return null;
    }
}

/// <summary>ECDH with the card's key for KDC tickets; one card command for each operation.</summary>
internal sealed class CardAgreement(ICard card, CardHeldKey key) : IKeyAgreement
{
    public ReadOnlyMemory<byte> Point { get; } = key.Public.Ec is { Q: { X: { } x, Y: { } y } } ? (byte[])[4, .. x, .. y] : [];

    public ValueTask<byte[]> AgreeAsync(ReadOnlyMemory<byte> ephemeral, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        // The realm's signature covers the point, so it is the KDC's and lies on the curve.
        return new(card.Agree(key, new ECPoint { X = ephemeral[1..33].ToArray(), Y = ephemeral[33..].ToArray() }));
    }
}

/// <summary>K_X in the card's AES slot; one card command for each operation.</summary>
internal sealed class CardMasterKey(ICard card) : IMasterKey
{
    public ValueTask<byte[]> DecryptBlocksAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(card.DecipherAes(input.Span));
    }
}
