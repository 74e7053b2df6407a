using System.Diagnostics.CodeAnalysis;

namespace GatewaySecure.Trust.Paths;

/// <summary>
/// Finds paths from a certificate up to an anchor, bounded in length and in signatures tried: whoever sends certificates along with a
/// mail must not choose how long we search.
/// </summary>
internal sealed class PathSearch
{
    private const int MaximumLength = 12;
    private const int MaximumSignatureChecks = 200;

    private readonly IReadOnlyList<ParsedCertificate> _anchors;
    private readonly ILookup<string, ParsedCertificate> _pool;
    private readonly Dictionary<(ParsedCertificate, ParsedCertificate), bool> _signed = [];

    public PathSearch(IReadOnlyList<ParsedCertificate> anchors, IEnumerable<ParsedCertificate> pool)
    {
        _anchors = anchors;
        _pool = pool.ToLookup(c => c.SubjectKey);
    }

    /// <summary>Certificates under this name, from the pool and from among the anchors.</summary>
    public IEnumerable<ParsedCertificate> Named(string subjectKey) => _pool[subjectKey].Concat(_anchors.Where(a => a.SubjectKey == subjectKey));

    /// <summary>Every path, the likely ones first: the certificate, its issuer …, the anchor.</summary>
    public IEnumerable<IReadOnlyList<ParsedCertificate>> Paths(ParsedCertificate target)
    {
        // Trusted as it is.
        if (_anchors.FirstOrDefault(target.IsSameAs) is { } itself)
            return [[itself]];
        return Extend([target]);
    }

    private IEnumerable<IReadOnlyList<ParsedCertificate>> Extend(IReadOnlyList<ParsedCertificate> path)
    {
        var top = path[^1];
        foreach (var anchor in Issuers(top, _anchors.Where(a => a.SubjectKey == top.IssuerKey)))
            yield return [.. path, anchor];
        if (path.Count + 1 >= MaximumLength)
            yield break;
        foreach (var issuer in Issuers(top, _pool[top.IssuerKey]))
        {
            if (path.Any(issuer.IsSameAs) || _anchors.Any(issuer.IsSameAs))
                continue;
            foreach (var longer in Extend([.. path, issuer]))
                yield return longer;
        }
    }

    [SuppressMessage("Performance", "CA1851", Justification = "Each use walks a list in memory.")]
    private IEnumerable<ParsedCertificate> Issuers(ParsedCertificate certificate, IEnumerable<ParsedCertificate> candidates) =>
        candidates.OrderByDescending(certificate.NamesKeyOf).Where(c => IsSigned(certificate, c));

    private bool IsSigned(ParsedCertificate certificate, ParsedCertificate issuer)
    {
        if (_signed.TryGetValue((certificate, issuer), out var known))
            return known;
        return _signed.Count < MaximumSignatureChecks && (_signed[(certificate, issuer)] = certificate.IsSignedBy(issuer));
    }
}
