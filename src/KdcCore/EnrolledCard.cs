using System.Formats.Asn1;
using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>
/// All that a card tells without a PIN (docs/formats/kdc-mail.md §9): whose it is and, on a card without an AES slot, the realm's key that was
/// pinned at its enrolment. Only the card's issuer can write it.
/// </summary>
/// <param name="RealmKey">SubjectPublicKeyInfo of a key on P-256; empty on a card with an AES slot.</param>
public sealed record EnrolledCard(CardIdentity Identity, ReadOnlyMemory<byte> RealmKey = default)
{
    public byte[] Encode() => [.. Identity.Encode(), .. RealmKey.Span];

    /// <returns>Null where the octets are no identity of version 1.</returns>
    public static EnrolledCard? Decode(ReadOnlyMemory<byte> octets)
    {
        if (!AsnDecoder.TryReadEncodedValue(octets.Span, AsnEncodingRules.DER, out _, out _, out _, out var first))
            return null;
        return CardIdentity.Decode(octets[..first]) is { } identity ? new EnrolledCard(identity, octets[first..]) : null;
    }

    /// <summary>The pinned key; null where there is none. The caller disposes it.</summary>
    /// <exception cref="CryptographicException">What stands there is no key on P-256.</exception>
    public ECDsa? OpenRealmKey()
    {
        if (RealmKey.IsEmpty)
            return null;
        var key = ECDsa.Create();
        try
        {
            key.ImportSubjectPublicKeyInfo(RealmKey.Span, out var read);
            return read == RealmKey.Length && key.KeySize == 256 ? key : throw new CryptographicException("The realm's key on the card is not one.");
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }
}
