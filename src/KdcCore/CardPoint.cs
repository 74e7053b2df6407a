using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>
/// The public key of a card without an AES slot, for one key version. The realm's signature binds it to its principal: a row that somebody
/// wrote into the database would otherwise turn every ticket to him.
/// </summary>
/// <param name="Point">On P-256, uncompressed, 65 octets.</param>
/// <param name="Binding">The realm's signature, 64 octets.</param>
public sealed record CardPoint(MasterKeyName Name, ReadOnlyMemory<byte> Point, ReadOnlyMemory<byte> Binding)
{
    /// <exception cref="CryptographicException">Not a point of P-256.</exception>
    public static CardPoint Bind(MasterKeyName name, ReadOnlyMemory<byte> point, RealmKey realm)
    {
        ArgumentNullException.ThrowIfNull(realm);
        P256.Key(point.Span).Dispose();
        return new CardPoint(name, point, realm.Sign(Bound(name, point)));
    }

    /// <exception cref="CryptographicException">The realm never bound this point to this principal and version.</exception>
    public void Demand(RealmKey realm)
    {
        ArgumentNullException.ThrowIfNull(realm);
        if (!realm.Verify(Bound(Name, Point), Binding.Span))
            throw new CryptographicException($"The card's public key on record for {Name.Principal}, version {Name.Kvno}, is not the one that was registered.");
    }

    private static byte[] Bound(MasterKeyName name, ReadOnlyMemory<byte> point) =>
        [.. "GatewaySecure/kdc/card/1"u8, .. Der.Encode(w =>
        {
            using var _ = w.PushSequence();
            w.WriteOctetString(name.Principal.ToOctets());
            w.WriteInteger(name.Kvno);
            w.WriteOctetString(point.Span);
        })];
}
