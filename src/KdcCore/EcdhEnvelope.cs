using System.Formats.Asn1;
using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>
/// How R comes to a card without an AES slot (docs/formats/kdc-mail.md §12): wrapped by ephemeral-static ECDH on P-256, and signed by the
/// realm, since anybody can encrypt to a public key.
/// </summary>
/// <param name="Ephemeral">The KDC's ephemeral point, uncompressed, 65 octets.</param>
/// <param name="Wrapped">R under AES key wrap, 40 octets.</param>
/// <param name="Signature">The realm key's ECDSA over label ‖ DER(context) ‖ point ‖ wrapped R, r ‖ s, 64 octets.</param>
public sealed record EcdhEnvelope(ReadOnlyMemory<byte> Ephemeral, ReadOnlyMemory<byte> Wrapped, ReadOnlyMemory<byte> Signature)
{
    public const int PointSize = 65;
    public const int WrappedSize = 40;
    public const int SignatureSize = 64;

    private static ReadOnlySpan<byte> Label => "GatewaySecure/kdc/ecdh/1"u8;

    public byte[] Encode() => Der.Encode(w => Write(w));

    /// <returns>Null where the octets are no envelope.</returns>
    public static EcdhEnvelope? Decode(ReadOnlyMemory<byte> der) => Der.Decode(der, r => Read(r), e => e.Encode());

    /// <summary>KEK = HKDF-SHA-256(R, no salt, info = label ‖ DER(context)).</summary>
    public static byte[] Kek(TicketPurpose purpose, ReadOnlySpan<byte> contextDer, ReadOnlySpan<byte> r)
    {
        var kek = new byte[TicketDerivation.KeySize];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, r, kek, salt: [], info: [.. TicketDerivation.Label(purpose), .. contextDer]);
        return kek;
    }

    internal static EcdhEnvelope Seal(TicketPurpose purpose, ReadOnlySpan<byte> contextDer, ReadOnlySpan<byte> r, ReadOnlyMemory<byte> holder, RealmKey realm)
    {
        using var theirs = P256.Key(holder.Span);
        using var theirPublic = theirs.PublicKey;
        using var ephemeral = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        var point = P256.Point(ephemeral.ExportParameters(false).Q);
        var shared = ephemeral.DeriveRawSecretAgreement(theirPublic);
        var key = WrappingKey(shared, point, holder.Span);
        var wrapped = AesKeyWrap.Wrap(key, r);
        CryptographicOperations.ZeroMemory(key);
        return new EcdhEnvelope(point, wrapped, realm.Sign(Signed(purpose, contextDer, point, wrapped)));
    }

    /// <summary>Whether the realm made it for this purpose and context.</summary>
    public bool IsFrom(ECDsa realm, TicketPurpose purpose, ReadOnlySpan<byte> contextDer)
    {
        ArgumentNullException.ThrowIfNull(realm);
        return realm.VerifyData(
            Signed(purpose, contextDer, Ephemeral.Span, Wrapped.Span), Signature.Span, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    /// <returns>R, or null where it does not unwrap. The caller clears it, and <paramref name="shared"/> is cleared here.</returns>
    internal byte[]? Open(byte[] shared, ReadOnlySpan<byte> holder)
    {
        var key = WrappingKey(shared, Ephemeral.Span, holder);
        var r = AesKeyWrap.Unwrap(key, Wrapped.Span);
        CryptographicOperations.ZeroMemory(key);
        return r;
    }

    internal void Write(AsnWriter w, Asn1Tag? tag = null)
    {
        using var explicitTag = tag is { } outer ? w.PushSequence(outer) : default(AsnWriter.Scope?);
        using var _ = w.PushSequence();
        w.WriteOctetString(Ephemeral.Span);
        w.WriteOctetString(Wrapped.Span);
        w.WriteOctetString(Signature.Span);
    }

    internal static EcdhEnvelope Read(AsnReader outer, Asn1Tag? tag = null)
    {
        var around = tag is { } t ? outer.ReadSequence(t) : outer;
        var r = around.ReadSequence();
        var envelope = new EcdhEnvelope(r.ReadOctets(PointSize), r.ReadOctets(WrappedSize), r.ReadOctets(SignatureSize));
        r.ThrowIfNotEmpty();
        if (tag is not null)
            around.ThrowIfNotEmpty();
        return envelope;
    }

    /// <summary>Of this pair of points and of nothing else. Clears <paramref name="shared"/>.</summary>
    private static byte[] WrappingKey(byte[] shared, ReadOnlySpan<byte> ephemeral, ReadOnlySpan<byte> holder)
    {
        var key = new byte[TicketDerivation.KeySize];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, shared, key, salt: [], info: [.. Label, .. ephemeral, .. holder]);
        CryptographicOperations.ZeroMemory(shared);
        return key;
    }

    private static byte[] Signed(TicketPurpose purpose, ReadOnlySpan<byte> contextDer, ReadOnlySpan<byte> ephemeral, ReadOnlySpan<byte> wrapped) =>
        [.. TicketDerivation.Label(purpose), .. contextDer, .. ephemeral, .. wrapped];
}

/// <summary>Points of P-256, uncompressed (SEC 1 §2.3.3).</summary>
internal static class P256
{
    /// <exception cref="CryptographicException">Not a point of the curve.</exception>
    public static ECDiffieHellman Key(ReadOnlySpan<byte> point)
    {
        if (point.Length != EcdhEnvelope.PointSize || point[0] != 4)
            throw new CryptographicException("Not an uncompressed point of P-256.");
        // Importing checks that it lies on the curve.
        return ECDiffieHellman.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new ECPoint { X = point[1..33].ToArray(), Y = point[33..].ToArray() },
        });
    }

    public static byte[] Point(ECPoint q) => [4, .. q.X!, .. q.Y!];
}
