using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Dns;

namespace GatewaySecure.MailRouting.Dane;

/// <summary>
/// The TLSA records of one host, and which certificates they mean. Usable are DANE-TA(2) and DANE-EE(3) with a known selector and matching type
/// (RFC 7672 §3.1); of digests of one kind only the strongest counts (RFC 7671 §9).
/// </summary>
public sealed class TlsaSet
{
    private const byte TrustAnchor = 2;
    private const byte EndEntity = 3;
    private const byte FullMatch = 0;

    private readonly ImmutableArray<TlsaAssociation> _usable;

    public TlsaSet(IEnumerable<TlsaAssociation> records)
    {
        All = [.. records];
        var known = All.Where(IsKnown).ToList();
        _usable =
        [
            .. known.Where(r => r.MatchingType == FullMatch
                || r.MatchingType == known.Where(o => (o.Usage, o.Selector) == (r.Usage, r.Selector)).Max(o => o.MatchingType)),
        ];
    }

    public ImmutableArray<TlsaAssociation> All { get; }

    /// <summary>False: TLS must be, and its certificate can't be checked (RFC 7672 §2.2).</summary>
    public bool IsUsable => !_usable.IsEmpty;

    /// <summary>DANE-EE(3): the server's own certificate or key.</summary>
    public bool MeansServer(X509Certificate2 certificate) => Means(EndEntity, certificate);

    /// <summary>DANE-TA(2): one that issued, directly or not.</summary>
    public bool MeansAnchor(X509Certificate2 certificate) => Means(TrustAnchor, certificate);

    /// <summary>Anchors that stand whole in the DNS, so that a server need not send them (RFC 7671 §5.2.2). The caller disposes them.</summary>
    public IReadOnlyList<X509Certificate2> WholeAnchors()
    {
        var anchors = new List<X509Certificate2>();
        foreach (var record in _usable.Where(r => r is { Usage: TrustAnchor, Selector: 0, MatchingType: FullMatch }))
        {
            try
            {
                anchors.Add(X509CertificateLoader.LoadCertificate(record.Data.AsSpan()));
            }
            catch (CryptographicException)
            {
                // No certificate, so none that could have issued one: the record matches nothing.
            }
        }
        return anchors;
    }

    /// <summary>Such as <c>3 1 1, 2 0 1</c>.</summary>
    public override string ToString() => string.Join(
        ", ", All.Select(r => string.Create(CultureInfo.InvariantCulture, $"{r.Usage} {r.Selector} {r.MatchingType}")).Distinct());

    /// <summary>As a zone file has them, for reports (RFC 8460 §4.4).</summary>
    public IEnumerable<string> Lines() => All.Select(
        r => string.Create(CultureInfo.InvariantCulture, $"{r.Usage} {r.Selector} {r.MatchingType} {Convert.ToHexStringLower(r.Data.AsSpan())}"));

    private bool Means(byte usage, X509Certificate2 certificate) => _usable.Any(r => r.Usage == usage && Matches(r, certificate));

    private static bool Matches(TlsaAssociation record, X509Certificate2 certificate)
    {
        var content = record.Selector == 0 ? certificate.RawData : certificate.PublicKey.ExportSubjectPublicKeyInfo();
        var expected = record.MatchingType switch
        {
            FullMatch => content,
            1 => SHA256.HashData(content),
            _ => SHA512.HashData(content),
        };
        return record.Data.AsSpan().SequenceEqual(expected);
    }

    private static bool IsKnown(TlsaAssociation record) =>
        record.Usage is TrustAnchor or EndEntity
        && record.Selector is 0 or 1
        && record.MatchingType switch
        {
            FullMatch => record.Data.Length > 0,
            1 => record.Data.Length == SHA256.HashSizeInBytes,
            2 => record.Data.Length == SHA512.HashSizeInBytes,
            _ => false,
        };
}
