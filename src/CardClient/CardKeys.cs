using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Recipients;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardClient;

/// <summary>What a card holds for opening mail: its KDC identity, and every decipher key with a certificate, those for old mail too.</summary>
internal sealed class CardKeys : IDisposable
{
    private readonly MailProtection.CardIdentity? _identity;
    private readonly ECDsa? _realm;
    private readonly ImmutableArray<SmimeKey> _keys;

    private CardKeys(MailProtection.CardIdentity? identity, ECDsa? realm, ImmutableArray<SmimeKey> keys)
    {
        _identity = identity;
        _realm = realm;
        _keys = keys;
    }

    /// <exception cref="CardException">The card failed.</exception>
    public static CardKeys Read(ICard card)
    {
        var held = card.ReadKeys();
        var enrolled = Enrolled(card);
        var realm = Realm(enrolled);
        var key = enrolled is null ? null : HolderKey(card, held, enrolled, realm);
        var identity = key is null ? null
            : new MailProtection.CardIdentity(enrolled!.Identity.Realm, enrolled.Identity.Principal, enrolled.Identity.Kvno, key);
        return new CardKeys(identity, realm, [.. held.Select(k => Smime(card, k)).OfType<SmimeKey>()]);
    }

    /// <summary>Null where the card was not issued for KDC mail.</summary>
    public static EnrolledCard? Enrolled(ICard card) => card.ReadIdentity() is { } identity ? EnrolledCard.Decode(identity) : null;

    public OpeningKeys ForOpening(CertificateDirectory? trust) => new() { Card = _identity, SmimeKeys = _keys, Trust = trust };

    public void Dispose()
    {
        foreach (var key in _keys)
        {
            key.Key.Dispose();
            key.Certificate.Dispose();
        }
        _realm?.Dispose();
    }

    /// <summary>A pinned realm's key makes it a card of the kind <c>ecdh</c>. Null where its key is not there: the card opens S/MIME all the same.</summary>
    private static HolderKey? HolderKey(ICard card, IReadOnlyList<CardHeldKey> held, EnrolledCard enrolled, ECDsa? realm)
    {
        if (enrolled.RealmKey.IsEmpty)
            return new SlotHolderKey(new CardMasterKey(card));
        // A card without a slot apart for tickets has them under its decipher key.
        var ticket = held.FirstOrDefault(k => k.Slot.Use == CardUse.Ticket)
            ?? held.FirstOrDefault(k => k.Slot is { Use: CardUse.Decipher, Retired: false } && k.Public.Algorithm == CardKeyAlgorithm.P256);
        return realm is null || ticket is null ? null : new AgreementHolderKey(new CardAgreement(card, ticket), realm);
    }

    private static ECDsa? Realm(EnrolledCard? enrolled)
    {
        try
        {
            return enrolled?.OpenRealmKey();
        }
        catch (CryptographicException)
        {
            // Without it nothing of the realm can be checked, so nothing is asked of the card.
            return null;
        }
    }

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

/// <summary>K_X in the card's AES slot; one card command for each operation.</summary>
internal sealed class CardMasterKey(ICard card) : IMasterKey
{
    public ValueTask<byte[]> DecryptBlocksAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(card.DecipherAes(input.Span));
    }
}

/// <summary>ECDH with a card's ticket key; one card command for each operation.</summary>
internal sealed class CardAgreement(ICard card, CardHeldKey key) : IKeyAgreement
{
    public ReadOnlyMemory<byte> Point { get; } = key.Public.Point();

    public ValueTask<byte[]> AgreeAsync(ReadOnlyMemory<byte> ephemeral, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var field = key.Public.FieldLength;
        return new(card.Agree(key, new ECPoint { X = ephemeral[1..(1 + field)].ToArray(), Y = ephemeral[(1 + field)..].ToArray() }));
    }
}
