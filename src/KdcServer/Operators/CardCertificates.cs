using System.Collections.Frozen;
using GatewaySecure.CertificateAuthority;
using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>What is certified for a card, whoever does it.</summary>
internal static class CardCertificates
{
    private static readonly FrozenDictionary<CardKeyUse, CertificateUse> Uses = new Dictionary<CardKeyUse, CertificateUse>
    {
        [CardKeyUse.Sign] = CertificateUse.MailSigning,
        [CardKeyUse.Decipher] = CertificateUse.MailEncryption,
        [CardKeyUse.Authenticate] = CertificateUse.CardLogOn,
    }.ToFrozenDictionary();

    public static CertificateUse UseOf(CardKeyRecord key) => Uses[key.Use];

    /// <summary>For one key; the card's record is to be changed together with the certificate.</summary>
    public static CertificateOrder OrderFor(CardRecord card, CardKeyRecord key, Principal holder, string actor, DateTimeOffset now) => new(
        UseOf(key), holder.Name, holder.Id, [.. holder.Addresses.Where(a => a.IsHeldAt(now)).Select(a => a.Address)], [], actor)
    {
        Until = card.Order.Until,
        Card = serial => card with { Keys = card.Keys.Replace(key, key with { Certificate = serial }) },
    };
}
