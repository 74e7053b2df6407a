using System.Collections.Immutable;

namespace GatewaySecure.Trust.Revocation;

/// <summary>What is known of a certificate's revocation.</summary>
public enum RevocationKind
{
    Good,
    Revoked,

    /// <summary>Nothing at hand can say.</summary>
    Unknown,

    /// <summary>What could say is past its nextUpdate or before its thisUpdate.</summary>
    Stale,
}

/// <summary>The answer for one certificate.</summary>
/// <param name="Since">The date of a revocation.</param>
/// <param name="Reason">CRLReason of a revocation, RFC 5280 §5.3.1; 6 is a suspension.</param>
/// <param name="StaleSince">The latest nextUpdate among what is stale.</param>
public readonly record struct RevocationStatus(RevocationKind Kind, DateTimeOffset? Since = null, int Reason = 0, DateTimeOffset? StaleSince = null);

/// <summary>
/// Asks a snapshot about certificates of a path (RFC 5280 §6.3.3; RFC 6960 §3.2). A revocation holds even in a stale list: time does not
/// take it back, a newer list does.
/// </summary>
/// <param name="signers">Certificates by a subject's key, that may sign lists, each with a path to this anchor that holds.</param>
internal sealed class RevocationChecker(RevocationSnapshot snapshot, DateTimeOffset at, Func<string, IEnumerable<ParsedCertificate>> signers)
{
    public RevocationStatus Check(ParsedCertificate certificate, ParsedCertificate issuer)
    {
        var byLists = CheckLists(certificate, issuer);
        if (byLists.Kind == RevocationKind.Revoked)
            return byLists;
        var best = byLists;
        foreach (var answer in snapshot.AnswersFor(certificate))
        {
            if (!answer.IsFor(certificate, issuer) || !answer.IsSignedFor(issuer, at))
                continue;
            if (answer.RevokedSince is { } since)
                return new(RevocationKind.Revoked, since, answer.Reason);
            if (answer.IsGood && answer.IsCurrent(at))
                best = new(RevocationKind.Good);
            else if (answer.IsGood && best.Kind is RevocationKind.Unknown or RevocationKind.Stale)
                best = new(RevocationKind.Stale, StaleSince: Later(best.StaleSince, answer.NextUpdate));
        }
        return best;
    }

    private RevocationStatus CheckLists(ParsedCertificate certificate, ParsedCertificate issuer)
    {
        // RFC 5280 §6.3.3: first the points that the certificate names, then the implied one of its issuer.
        var points = certificate.DistributionPoints.Add(new DistributionPoint([], [], RevocationReasons.All, []));
        var covered = RevocationReasons.None;
        var stale = RevocationReasons.None;
        DateTimeOffset? staleSince = null;
        foreach (var point in points)
        {
            foreach (var list in ListsFor(point, certificate))
            {
                if (list.IsDelta || IsOutOfScope(list, point, certificate) || !IsSigned(list, issuer))
                    continue;
                var delta = DeltaOf(list, issuer);
                if (Entry(list, delta, certificate) is { } entry)
                    return new(RevocationKind.Revoked, entry.Since, entry.Reason);
                var reasons = point.Reasons & list.Scope.Reasons;
                if (list.IsCurrent(at) || delta?.IsCurrent(at) == true)
                {
                    covered |= reasons;
                }
                else
                {
                    stale |= reasons;
                    staleSince = Later(staleSince, list.NextUpdate);
                }
            }
        }
        if (covered == RevocationReasons.All)
            return new(RevocationKind.Good);
        return (covered | stale) == RevocationReasons.All && stale != RevocationReasons.None
            ? new(RevocationKind.Stale, StaleSince: staleSince)
            : new(RevocationKind.Unknown);
    }

    private IEnumerable<RevocationList> ListsFor(DistributionPoint point, ParsedCertificate certificate) =>
        point.Issuers.IsEmpty
            ? snapshot.ListsOf(certificate.IssuerKey)
            : point.Issuers.Where(i => i.StartsWith("dn:", StringComparison.Ordinal)).SelectMany(i => snapshot.ListsOf(i[3..]));

    /// <summary>RFC 5280 §6.3.3 (b).</summary>
    private static bool IsOutOfScope(RevocationList list, DistributionPoint point, ParsedCertificate certificate)
    {
        var scope = list.Scope;
        // (b)(1): a list of somebody else is used only where it says that it is indirect.
        if (!point.Issuers.IsEmpty && list.IssuerKey != certificate.IssuerKey && !scope.IsIndirect)
            return true;
        if ((scope.OnlyUsers && certificate.IsAuthority) || (scope.OnlyAuthorities && !certificate.IsAuthority))
            return true;
        if (scope.Names.IsEmpty)
            return false;
        // (b)(2)(i): without a name of its own, the point is known by its CRL issuer; the implied point by the certificate's issuer.
        var names = !point.Names.IsEmpty ? point.Names
            : !point.Issuers.IsEmpty ? point.Issuers
            : [NameKeys.Directory(certificate.IssuerKey)];
        return !names.Any(scope.Names.Contains);
    }

    /// <summary>RFC 5280 §6.3.3 (c): the newest delta of the same issuer, key and scope that builds on this list or an older one.</summary>
    private RevocationList? DeltaOf(RevocationList list, ParsedCertificate issuer) =>
        snapshot.ListsOf(list.IssuerKey).FirstOrDefault(d =>
            d.IsDelta && list.Number is not null && d.Number is not null
            && d.BaseNumber <= list.Number && d.Number > list.Number
            && d.Scope.IsSameAs(list.Scope)
            && SameKey(d.AuthorityKeyIdentifier, list.AuthorityKeyIdentifier)
            && d.IsCurrent(at)
            && IsSigned(d, issuer));

    private static bool SameKey(ReadOnlyMemory<byte>? a, ReadOnlyMemory<byte>? b) =>
        a is { } left && b is { } right ? left.Span.SequenceEqual(right.Span) : a is null && b is null;

    /// <summary>RFC 5280 §6.3.3 (i), (j): the delta speaks first; removeFromCRL takes an entry back.</summary>
    private static RevocationEntry? Entry(RevocationList list, RevocationList? delta, ParsedCertificate certificate)
    {
        const int removeFromCrl = 8;
        var serial = certificate.Certificate.SerialNumberBytes.Span;
        var entry = delta?.Find(serial, certificate.IssuerKey) ?? list.Find(serial, certificate.IssuerKey);
        return entry is { Reason: removeFromCrl } ? null : entry;
    }

    /// <summary>RFC 5280 §6.3.3 (f), (g): the certificate's issuer itself, or another certificate under the list's issuer name.</summary>
    private bool IsSigned(RevocationList list, ParsedCertificate issuer)
    {
        if (list.IssuerKey == issuer.SubjectKey && issuer.MaySignLists && list.IsSignedWith(issuer.Key))
            return true;
        return signers(list.IssuerKey).Any(s => s.MaySignLists && list.IsSignedWith(s.Key));
    }

    private static DateTimeOffset? Later(DateTimeOffset? a, DateTimeOffset? b) => a is null || b > a ? b ?? a : a;
}
