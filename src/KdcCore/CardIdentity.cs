using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>
/// What a card tells without a PIN, in its private data object 0102 (docs/formats/kdc-mail.md §9): whose it is.
/// Not proof of anything; the key on the card is.
/// </summary>
/// <param name="Address">At the time of issuance; the principal counts.</param>
public sealed record CardIdentity(Realm Realm, PrincipalId Principal, int Kvno, MailAddress Address)
{
    public byte[] Encode() => Der.Encode(w =>
    {
        using var _ = w.PushSequence();
        w.WriteInteger(1);
        w.WriteText(Realm.Name);
        w.WriteOctetString(Principal.ToOctets());
        w.WriteInteger(Kvno);
        w.WriteText(Address.ToString());
    });

    /// <returns>Null where the octets are no identity of version 1.</returns>
    public static CardIdentity? Decode(ReadOnlyMemory<byte> der) => Der.Decode(
        der,
        outer =>
        {
            var r = outer.ReadSequence();
            r.ReadVersion();
            var identity = new CardIdentity(r.ReadRealm(), r.ReadPrincipal(), r.ReadKvno(), r.ReadAddress());
            r.ThrowIfNotEmpty();
            return identity;
        },
        i => i.Encode());
}
