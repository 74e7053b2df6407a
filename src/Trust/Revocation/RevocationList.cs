using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Numerics;
using Org.BouncyCastle.Asn1;
using Org.BouncyCastle.Asn1.X509;
using Org.BouncyCastle.Crypto.Operators;
using Org.BouncyCastle.Security;

namespace GatewaySecure.Trust.Revocation;

/// <summary>What a list says of one certificate.</summary>
/// <param name="Reason">CRLReason, RFC 5280 §5.3.1; 8 is removeFromCRL.</param>
public sealed record RevocationEntry(DateTimeOffset Since, int Reason);

/// <summary>
/// One CRL, complete or delta (RFC 5280 §5), with its entries where they are in the DER: a list of a million costs four octets an entry
/// beyond its own size. Immutable, thread-safe.
/// </summary>
public sealed class RevocationList
{
    private const int MaximumEntryLength = 8192;
    private static readonly Asn1Tag Extensions = new(TagClass.ContextSpecific, 0, isConstructed: true);

    private readonly ReadOnlyMemory<byte> _der;
    private ReadOnlyMemory<byte> _toBeSigned;
    private ReadOnlyMemory<byte> _algorithm;
    private byte[] _signature = [];

    /// <summary>Where entries begin, sorted by serial number.</summary>
    private int[] _entries = [];

    /// <summary>Only of an indirect list: the certificate issuer of each entry, in the order of <see cref="_entries"/>.</summary>
    private string[]? _entryIssuers;

    private RevocationList(ReadOnlyMemory<byte> der) => _der = der;

    /// <summary>DER of the issuer's name.</summary>
    public ReadOnlyMemory<byte> Issuer { get; private set; }

    public DateTimeOffset ThisUpdate { get; private set; }

    /// <summary>Null where the list does not say; then it is never current (RFC 5280 §5.1.2.5 demands it).</summary>
    public DateTimeOffset? NextUpdate { get; private set; }

    public BigInteger? Number { get; private set; }

    /// <summary>Of a delta: the number of the list that it builds on.</summary>
    public BigInteger? BaseNumber { get; private set; }

    public bool IsDelta => BaseNumber is not null;

    /// <summary>How many certificates it names.</summary>
    public int Count => _entries.Length;

    /// <summary>The whole list.</summary>
    public ReadOnlyMemory<byte> Der => _der;

    internal string IssuerKey { get; private set; } = "";

    internal ListScope Scope { get; private set; } = ListScope.Everything;

    internal ReadOnlyMemory<byte>? AuthorityKeyIdentifier { get; private set; }

    /// <summary>Why the list can't be used, whoever signed it; null where it can.</summary>
    public string? Fault { get; private set; }

    /// <param name="der">Must not be changed afterwards.</param>
    public static bool TryParse(ReadOnlyMemory<byte> der, [NotNullWhen(true)] out RevocationList? list, [NotNullWhen(false)] out string? problem)
    {
        try
        {
            list = Parse(der);
            problem = null;
            return true;
        }
        catch (Exception e) when (e is AsnContentException or ArgumentException or OverflowException)
        {
            list = null;
            problem = $"A CRL is malformed: {e.Message}";
            return false;
        }
    }

    public bool IsCurrent(DateTimeOffset at) => ThisUpdate <= at && at <= NextUpdate;

    /// <summary>Null: the list does not name this certificate of its own issuer's.</summary>
    /// <param name="serial">The INTEGER's content octets, as they stand in the certificate.</param>
    public RevocationEntry? Find(ReadOnlySpan<byte> serial) => Find(serial, IssuerKey);

    /// <summary>Null: the list does not name the certificate.</summary>
    /// <param name="serial">The INTEGER's content octets, as they stand in the certificate.</param>
    internal RevocationEntry? Find(ReadOnlySpan<byte> serial, string certificateIssuer)
    {
        int low = 0, high = _entries.Length;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (Compare(SerialAt(_entries[middle]), serial) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        for (; low < _entries.Length && SerialAt(_entries[low]).SequenceEqual(serial); low++)
        {
            if ((_entryIssuers?[low] ?? IssuerKey) == certificateIssuer)
                return ReadEntry(_entries[low]).Entry;
        }
        return null;
    }

    /// <summary>Whether this key signed it. A key of another kind than the signature's is a plain no.</summary>
    internal bool IsSignedWith(Org.BouncyCastle.Crypto.AsymmetricKeyParameter key)
    {
        try
        {
            var algorithm = AlgorithmIdentifier.GetInstance(Asn1Object.FromByteArray(_algorithm.ToArray()));
            var calculator = new Asn1VerifierFactory(algorithm, key).CreateCalculator();
            using (var stream = calculator.Stream)
                stream.Write(_toBeSigned.Span);
            return calculator.GetResult().IsVerified(_signature);
        }
        catch (Exception e) when (e is GeneralSecurityException or Org.BouncyCastle.Crypto.CryptoException or ArgumentException or InvalidCastException or IOException)
        {
            return false;
        }
    }

    private static RevocationList Parse(ReadOnlyMemory<byte> der)
    {
        var list = new RevocationList(der);
        var file = new AsnReader(der, AsnEncodingRules.DER);
        var outer = file.ReadSequence();
        file.ThrowIfNotEmpty();
        list._toBeSigned = outer.PeekEncodedValue();
        var tbs = outer.ReadSequence();
        list._algorithm = outer.ReadEncodedValue();
        list._signature = outer.ReadBitString(out _);
        outer.ThrowIfNotEmpty();

        if (tbs.PeekTag() == Asn1Tag.Integer)
            tbs.ReadInteger();
        // RFC 5280 §5.1.2.2: the signed and the unsigned algorithm are the same.
        if (!tbs.ReadEncodedValue().Span.SequenceEqual(list._algorithm.Span))
            list.Fault = "it names two signature algorithms.";
        list.Issuer = tbs.ReadEncodedValue();
        list.IssuerKey = NameKeys.OfName(list.Issuer);
        list.ThisUpdate = ReadTime(tbs);
        if (tbs.HasData && tbs.PeekTag() is { TagClass: TagClass.Universal } tag && tag.TagValue is (int)UniversalTagNumber.UtcTime or (int)UniversalTagNumber.GeneralizedTime)
            list.NextUpdate = ReadTime(tbs);
        AsnReader? entries = null;
        if (tbs.HasData && tbs.PeekTag() == Asn1Tag.Sequence)
            entries = tbs.ReadSequence();
        if (tbs.HasData)
            list.ReadExtensions(tbs.ReadSequence(Extensions).ReadSequence());
        tbs.ThrowIfNotEmpty();
        if (entries is not null)
            list.IndexEntries(entries);
        return list;
    }

    private void ReadExtensions(AsnReader extensions)
    {
        while (extensions.HasData)
        {
            var (oid, critical, value) = ReadExtension(extensions);
            switch (oid)
            {
                case "2.5.29.20":
                    Number = new AsnReader(value, AsnEncodingRules.DER).ReadInteger();
                    break;
                case "2.5.29.27":
                    BaseNumber = new AsnReader(value, AsnEncodingRules.DER).ReadInteger();
                    break;
                case "2.5.29.28":
                    Scope = ListScope.Read(value, IssuerKey);
                    break;
                case "2.5.29.35":
                    var identifier = new AsnReader(value, AsnEncodingRules.DER).ReadSequence();
                    if (identifier.HasData && identifier.PeekTag().HasSameClassAndValue(new Asn1Tag(TagClass.ContextSpecific, 0)))
                        AuthorityKeyIdentifier = identifier.ReadOctetString(new Asn1Tag(TagClass.ContextSpecific, 0));
                    break;
                default:
                    if (critical)
                        Fault = $"it has the critical extension {oid}.";
                    break;
            }
        }
        if (Scope.OnlyAttributes || (Scope.OnlyUsers && Scope.OnlyAuthorities))
            Fault = "its scope is no certificates.";
    }

    private void IndexEntries(AsnReader entries)
    {
        var starts = new List<int>();
        var issuers = Scope.IsIndirect ? new List<string>() : null;
        var issuer = IssuerKey;
        var first = _der.Length;
        while (entries.HasData)
        {
            var encoded = entries.ReadEncodedValue();
            if (encoded.Length > MaximumEntryLength)
                throw new AsnContentException("An entry is too long.");
            if (!System.Runtime.InteropServices.MemoryMarshal.TryGetArray(encoded, out var segment)
                || !System.Runtime.InteropServices.MemoryMarshal.TryGetArray(_der, out var whole))
            {
                throw new ArgumentException("The list must be in an array.");
            }
            first = segment.Offset - whole.Offset;
            var (_, named, unknown) = ReadEntry(first);
            // RFC 5280 §5.3: an entry with a critical extension that is not understood makes the list of no use.
            if (unknown is not null)
                Fault = $"an entry has the critical extension {unknown}.";
            issuer = named ?? issuer;
            starts.Add(first);
            issuers?.Add(issuer);
        }
        _entries = [.. starts];
        if (issuers is null)
        {
            Array.Sort(_entries, CompareEntries);
            return;
        }
        _entryIssuers = [.. issuers];
        Array.Sort(_entries, _entryIssuers, Comparer<int>.Create(CompareEntries));
    }

    private int CompareEntries(int a, int b) => Compare(SerialAt(a), SerialAt(b));

    private static int Compare(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) =>
        a.Length != b.Length ? a.Length.CompareTo(b.Length) : a.SequenceCompareTo(b);

    private ReadOnlySpan<byte> SerialAt(int entry)
    {
        var rest = _der.Span[entry..];
        AsnDecoder.ReadSequence(rest, AsnEncodingRules.DER, out var offset, out _, out _);
        return AsnDecoder.ReadIntegerBytes(rest[offset..], AsnEncodingRules.DER, out _);
    }

    private (RevocationEntry Entry, string? CertificateIssuer, string? UnknownCritical) ReadEntry(int at)
    {
        AsnDecoder.ReadSequence(_der.Span[at..], AsnEncodingRules.DER, out _, out _, out var length);
        var entry = new AsnReader(_der.Slice(at, length), AsnEncodingRules.DER).ReadSequence();
        entry.ReadInteger();
        var since = ReadTime(entry);
        var reason = 0;
        string? issuer = null, unknown = null;
        var extensions = entry.HasData ? entry.ReadSequence() : null;
        while (extensions is { HasData: true })
        {
            var (oid, critical, value) = ReadExtension(extensions);
            switch (oid)
            {
                case "2.5.29.21":
                    reason = new AsnReader(value, AsnEncodingRules.DER).ReadEnumeratedBytes().Span[^1];
                    break;
                case "2.5.29.29":
                    issuer = NameKeys.OfGeneralNames(new AsnReader(value, AsnEncodingRules.DER).ReadSequence())
                        .FirstOrDefault(n => n.StartsWith("dn:", StringComparison.Ordinal))?[3..];
                    break;
                default:
                    if (critical)
                        unknown = oid;
                    break;
            }
        }
        return (new(since, reason), issuer, unknown);
    }

    private static (string Oid, bool Critical, ReadOnlyMemory<byte> Value) ReadExtension(AsnReader extensions)
    {
        var extension = extensions.ReadSequence();
        var oid = extension.ReadObjectIdentifier();
        var critical = extension.PeekTag() == Asn1Tag.Boolean && extension.ReadBoolean();
        var value = extension.ReadOctetString();
        extension.ThrowIfNotEmpty();
        return (oid, critical, value);
    }

    private static DateTimeOffset ReadTime(AsnReader reader) =>
        reader.PeekTag() == Asn1Tag.UtcTime ? reader.ReadUtcTime() : reader.ReadGeneralizedTime();
}
