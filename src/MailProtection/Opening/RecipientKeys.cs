using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection.Cms;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Engines;
using Org.BouncyCastle.Crypto.Parameters;

namespace GatewaySecure.MailProtection.Opening;

/// <summary>One KEKRecipientInfo as it stands.</summary>
/// <param name="Envelope">Beside the context, for a card without an AES slot; else empty.</param>
internal sealed record KekRecipient(byte[] KeyIdentifier, ReadOnlyMemory<byte> Context, byte[] WrappedKey, ReadOnlyMemory<byte> Envelope);

/// <summary>
/// Finds the RecipientInfo values that are ours and gets content keys out of them. A key that can't be had is replaced by a random one
/// (RFC 3218 §2.3.2), so that what follows fails in the same way whatever was wrong.
/// </summary>
internal static class RecipientKeys
{
    /// <summary>Each costs an operation of a private key, maybe a card's, and up to one look through the whole content.</summary>
    private const int MaximumCandidates = 32;

    /// <exception cref="AsnContentException">Malformed.</exception>
    public static List<KekRecipient> KekRecipients(CmsObject cms)
    {
        var found = new List<KekRecipient>();
        foreach (var info in Infos(cms))
        {
            if (!info.PeekTag().HasSameClassAndValue(CmsWriter.Context(2)))
                continue;
            var kek = info.ReadSequence(CmsWriter.Context(2));
            kek.ReadInteger();
            var id = kek.ReadSequence();
            var keyIdentifier = id.ReadOctetString();
            if (id.HasData && id.PeekTag().HasSameClassAndValue(Asn1Tag.GeneralizedTime))
                id.ReadEncodedValue();
            if (!id.HasData)
                continue;
            var other = id.ReadSequence();
            var attribute = other.ReadObjectIdentifier();
            var isEnveloped = attribute == TicketContext.EnvelopedAttributeOid;
            if ((attribute != TicketContext.AttributeOid && !isEnveloped) || !other.HasData)
                continue;
            var pair = isEnveloped ? other.ReadSequence() : null;
            var context = (pair ?? other).ReadEncodedValue();
            var envelope = pair is { HasData: true } ? pair.ReadEncodedValue() : default;
            if (kek.ReadSequence().ReadObjectIdentifier() != Oids.Aes256Wrap)
                continue;
            found.Add(new KekRecipient(keyIdentifier, context, kek.ReadOctetString(), envelope));
        }
        return found;
    }

    /// <summary>A content key for every RecipientInfo that names one of our certificates; some may be random.</summary>
    /// <exception cref="AsnContentException">Malformed, or it names them more often than a mail has reason to.</exception>
    public static List<byte[]> ContentKeys(CmsObject cms, IEnumerable<SmimeKey> keys, int keyLength)
    {
        var found = new List<byte[]>();
        var ours = keys.ToArray();
        foreach (var info in Infos(cms))
        {
            if (info.PeekTag() == Asn1Tag.Sequence)
                AddTransported(info.ReadSequence(), ours, keyLength, found);
            else if (info.PeekTag().HasSameClassAndValue(CmsWriter.Context(1)))
                AddAgreed(info.ReadSequence(CmsWriter.Context(1)), ours, keyLength, found);
        }
        return found;
    }

    private static IEnumerable<AsnReader> Infos(CmsObject cms)
    {
        var set = new AsnReader(cms.RecipientInfos, AsnEncodingRules.BER).ReadSetOf(skipSortOrderValidation: true);
        while (set.HasData)
            yield return new AsnReader(set.ReadEncodedValue(), AsnEncodingRules.BER);
    }

    private static void AddTransported(AsnReader info, SmimeKey[] keys, int keyLength, List<byte[]> found)
    {
        info.ReadInteger();
        var matches = Matching(info, Asn1Tag.Sequence, CmsWriter.Context(0), keys);
        var algorithm = info.ReadSequence();
        var padding = ReadPadding(algorithm);
        var encrypted = info.ReadOctetString();
        foreach (var key in matches)
        {
            if (key.Key is RSA rsa && padding is not null)
                Try(() => rsa.Decrypt(encrypted, padding), keyLength, found);
        }
    }

    private static RSAEncryptionPadding? ReadPadding(AsnReader algorithm)
    {
        var oid = algorithm.ReadObjectIdentifier();
        if (oid == Oids.Rsa)
            return RSAEncryptionPadding.Pkcs1;
        if (oid != Oids.RsaOaep)
            return null;
        // RFC 4055 §4.1: absent is SHA-1, for the hash and for MGF1. The platform takes the same hash for both.
        var hash = Oids.Sha1;
        var mask = Oids.Sha1;
        var parameters = algorithm.HasData ? algorithm.ReadSequence() : null;
        while (parameters is { HasData: true })
        {
            var tag = parameters.PeekTag();
            var field = parameters.ReadSequence(CmsWriter.Context(tag.TagValue)).ReadSequence();
            if (tag.TagValue == 0)
            {
                hash = field.ReadObjectIdentifier();
            }
            else if (tag.TagValue == 1)
            {
                field.ReadObjectIdentifier();
                mask = field.ReadSequence().ReadObjectIdentifier();
            }
            else if (field.ReadObjectIdentifier() != Oids.PSpecified || field.ReadOctetString().Length > 0)
            {
                return null;
            }
        }
        return hash != mask ? null : SignatureAlgorithms.HashName(hash) is { } name ? RSAEncryptionPadding.CreateOaep(name) : null;
    }

    private static void AddAgreed(AsnReader info, SmimeKey[] keys, int keyLength, List<byte[]> found)
    {
        info.ReadInteger();
        var originator = info.ReadSequence(CmsWriter.Context(0));
        // Static originator keys (issuerAndSerial, SKI) are not in use with ECDH: RFC 5753 §3.1.1 wants an ephemeral one.
        if (!originator.PeekTag().HasSameClassAndValue(CmsWriter.Context(1)))
            return;
        var ephemeral = originator.ReadSequence(CmsWriter.Context(1));
        ephemeral.ReadSequence();
        var point = ephemeral.ReadBitString(out _);
        byte[]? ukm = null;
        if (info.PeekTag().HasSameClassAndValue(CmsWriter.Context(1)))
            ukm = info.ReadSequence(CmsWriter.Context(1)).ReadOctetString();
        var algorithm = info.ReadSequence();
        var kdf = SignatureAlgorithms.KdfHash(algorithm.ReadObjectIdentifier());
        var wrap = algorithm.ReadSequence();
        var wrapOid = wrap.ReadObjectIdentifier();
        var wrapHasNull = wrap.HasData;
        var wrapLength = wrapOid switch { Oids.Aes128Wrap => 16, Oids.Aes192Wrap => 24, Oids.Aes256Wrap => 32, _ => 0 };
        var list = info.ReadSequence();
        while (list.HasData)
        {
            var entry = list.ReadSequence();
            var matches = Matching(entry, Asn1Tag.Sequence, CmsWriter.Context(0), keys);
            var wrapped = entry.ReadOctetString();
            if (kdf is not { } hash || wrapLength == 0)
                continue;
            foreach (var key in matches)
                Try(() => Agree(key.Key, point, hash, wrapOid, wrapLength, wrapHasNull, ukm, wrapped), keyLength, found);
        }
    }

    private static byte[] Agree(
        AsymmetricAlgorithm key, byte[] point, HashAlgorithmName hash, string wrapOid, int wrapLength, bool wrapHasNull, byte[]? ukm, byte[] wrapped)
    {
        using var converted = key is ECDsa ecdsa ? ECDiffieHellman.Create(ecdsa.ExportParameters(true)) : null;
        var ours = converted ?? key as ECDiffieHellman ?? throw new CryptographicException("Not a key for ECDH.");
        var size = (ours.KeySize + 7) / 8;
        if (point.Length != 1 + 2 * size || point[0] != 4)
            throw new CryptographicException("Not an uncompressed point of the curve.");
        // Importing the point checks that it lies on the curve.
        using var theirs = ECDiffieHellman.Create(new ECParameters
        {
            Curve = ours.ExportParameters(false).Curve,
            Q = new ECPoint { X = point[1..(1 + size)], Y = point[(1 + size)..] },
        });
        using var publicKey = theirs.PublicKey;
        byte[] Unwrap(bool coversNull)
        {
            byte[] Round(byte counter) =>
                ours.DeriveKeyFromHash(publicKey, hash, null, KeyAgreement.KdfSuffix(wrapOid, wrapLength, ukm, coversNull, counter));
            // SHA-1 needs two rounds for more than 160 bits.
            var kek = Round(1);
            if (kek.Length < wrapLength)
                kek = [.. kek, .. Round(2)];
            kek = kek[..wrapLength];
            var engine = new AesWrapEngine();
            engine.Init(false, new KeyParameter(kek));
            CryptographicOperations.ZeroMemory(kek);
            return engine.Unwrap(wrapped, 0, wrapped.Length);
        }
        try
        {
            return Unwrap(wrapHasNull);
        }
        catch (InvalidCipherTextException)
        {
            // The derivation covers the wrap's identifier as it stands in the object (RFC 5753 §7.2). BouncyCastle's .NET library covers one with a
            // NULL though it writes none; the wrap's own check tells which of the two it was.
            return Unwrap(!wrapHasNull);
        }
    }

    /// <summary>Reads a RecipientIdentifier or KeyAgreeRecipientIdentifier.</summary>
    private static List<SmimeKey> Matching(AsnReader reader, Asn1Tag issuerAndSerial, Asn1Tag keyIdentifier, SmimeKey[] keys)
    {
        if (reader.PeekTag() == issuerAndSerial)
        {
            var id = reader.ReadSequence();
            var issuer = id.ReadEncodedValue();
            var serial = id.ReadIntegerBytes();
            return [.. keys.Where(k => CertificateNames.Is(k.Certificate, issuer.Span, serial.Span))];
        }
        ReadOnlyMemory<byte> ski;
        if (reader.PeekTag().IsConstructed)
            ski = reader.ReadSequence(keyIdentifier).ReadOctetString(); // RecipientKeyIdentifier
        else
            ski = reader.ReadOctetString(new Asn1Tag(TagClass.ContextSpecific, keyIdentifier.TagValue));
        return [.. keys.Where(k => CertificateNames.HasKeyIdentifier(k.Certificate, ski.Span))];
    }

    private static void Try(Func<byte[]> attempt, int keyLength, List<byte[]> found)
    {
        if (found.Count == MaximumCandidates)
            throw new AsnContentException("More encrypted keys for one reader than a mail has.");
        var candidate = RandomNumberGenerator.GetBytes(keyLength);
        try
        {
            var key = attempt();
            if (key.Length == keyLength)
                candidate = key;
        }
        catch (Exception e) when (e is CryptographicException or InvalidCipherTextException or ArgumentException)
        {
            // The random one stands in.
        }
        found.Add(candidate);
    }
}

/// <summary>Compares certificates with the identifiers of CMS.</summary>
internal static class CertificateNames
{
    public static bool Is(X509Certificate2 certificate, ReadOnlySpan<byte> issuer, ReadOnlySpan<byte> serial) =>
        certificate.IssuerName.RawData.AsSpan().SequenceEqual(issuer)
        && certificate.SerialNumberBytes.Span.TrimStart((byte)0).SequenceEqual(serial.TrimStart((byte)0));

    public static bool HasKeyIdentifier(X509Certificate2 certificate, ReadOnlySpan<byte> identifier)
    {
        var extension = certificate.Extensions.OfType<X509SubjectKeyIdentifierExtension>().FirstOrDefault();
        return extension is not null && extension.SubjectKeyIdentifierBytes.Span.SequenceEqual(identifier);
    }
}
