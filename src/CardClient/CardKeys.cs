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

    public OpeningKeys ForOpening(CertificateDirectory? trust) => new()
    {
        Card = _holder is null ? null
            : new MailProtection.CardIdentity(_holder.Realm, _holder.Principal, _holder.Kvno, new CardMasterKey(_card)),
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
