using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Trust.Paths;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.Trust;

/// <summary>
/// Judges certificates at our anchors alone, without network: paths by RFC 5280 §6.1, revocation by §6.3 and RFC 6960 from a snapshot.
/// Immutable, thread-safe.
/// </summary>
public sealed class PathValidator
{
    /// <summary>More certificates than any honest mail brings along.</summary>
    private const int MaximumAlong = 64;

    /// <summary>How often a list's signer may itself need a list of another signer.</summary>
    private const int MaximumSignerDepth = 4;

    private readonly ImmutableArray<ParsedCertificate> _anchors;
    private readonly ImmutableArray<ParsedCertificate> _intermediates;
    private readonly RevocationSnapshot _revocation;
    private readonly RevocationRules _rules;
    private readonly PathPolicies _policies;

    /// <param name="anchors">Their names and keys are trusted; one that can't be read is left out.</param>
    /// <param name="intermediates">May help to build paths.</param>
    public PathValidator(
        IEnumerable<X509Certificate2> anchors,
        IEnumerable<X509Certificate2> intermediates,
        RevocationSnapshot revocation,
        RevocationRules rules,
        PathPolicies? policies = null)
    {
        _anchors = [.. anchors.Select(ParsedCertificate.TryOf).OfType<ParsedCertificate>()];
        _intermediates = [.. intermediates.Select(ParsedCertificate.TryOf).OfType<ParsedCertificate>()];
        _revocation = revocation;
        _rules = rules;
        _policies = policies ?? PathPolicies.None;
    }

    /// <param name="cameAlong">Certificates from elsewhere that may help to build a path; at most 64 are looked at.</param>
    /// <param name="at">The path has to hold at this moment.</param>
    /// <param name="revokedAsOf">Revocation counts as of this moment; null: <paramref name="at"/>.</param>
    public PathVerdict Validate(
        X509Certificate2 certificate, IEnumerable<X509Certificate2> cameAlong, DateTimeOffset at, DateTimeOffset? revokedAsOf = null)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        if (_anchors.IsEmpty)
            return new([new(RejectionReason.Untrusted, "No trust anchor is configured.")]) { Path = [certificate] };
        ParsedCertificate target;
        try
        {
            target = ParsedCertificate.Of(certificate);
        }
        catch (CryptographicException e)
        {
            return new([new(RejectionReason.PathInvalid, e.Message)]) { Path = [certificate] };
        }
        var along = cameAlong.Take(MaximumAlong).Select(ParsedCertificate.TryOf).OfType<ParsedCertificate>();
        var question = new Question(this, new PathSearch(_anchors, [.. _intermediates, .. along]), at, revokedAsOf ?? at);
        return question.Judge(target);
    }

    /// <summary>Whether a list at hand, or just fetched, is signed by somebody who may: with a path to an anchor that holds.</summary>
    /// <returns>Null where it is; else the reason.</returns>
    public string? WhyNotSigned(RevocationList list, DateTimeOffset at)
    {
        ArgumentNullException.ThrowIfNull(list);
        if (list.Fault is { } fault)
            return fault;
        var search = new PathSearch(_anchors, _intermediates);
        var named = search.Named(list.IssuerKey).Where(c => c.MaySignLists).ToArray();
        if (named.Length == 0)
            return "No certificate of its issuer that may sign lists is known.";
        var signers = named.Where(c => list.IsSignedWith(c.Key)).ToArray();
        if (signers.Length == 0)
            return "Its signature is not by its issuer's key.";
        return signers.Any(s => search.Paths(s).Any(p => PathRules.Judge(p, PathPolicies.None, at).IsGood))
            ? null
            : "Its issuer leads to no trusted authority.";
    }

    /// <summary>One certificate asked about, with what was found out on the way.</summary>
    private sealed class Question(PathValidator validator, PathSearch search, DateTimeOffset at, DateTimeOffset revokedAsOf)
    {
        private const int MaximumPaths = 16;

        private readonly Dictionary<(ParsedCertificate Signer, ParsedCertificate Anchor), bool> _signers = [];
        private int _depth;

        public PathVerdict Judge(ParsedCertificate target)
        {
            PathVerdict? best = null;
            foreach (var path in search.Paths(target).Take(MaximumPaths))
            {
                var verdict = Judge(path, validator._policies);
                if (verdict.IsGood)
                    return verdict;
                if (best is null || Rank(verdict) < Rank(best))
                    best = verdict;
            }
            return best ?? new([new(RejectionReason.Untrusted, "It leads to no trusted authority.")]) { Path = [target.Certificate] };
        }

        /// <summary>Of several paths that don't hold, the nearest to one that does is the one to tell of.</summary>
        private static int Rank(PathVerdict verdict) => verdict.Rejections.Max(r => r.Reason switch
        {
            RejectionReason.RevocationStale => 1,
            RejectionReason.RevocationUnknown => 2,
            RejectionReason.PathExpired => 3,
            RejectionReason.Revoked => 4,
            _ => 5,
        });

        private PathVerdict Judge(IReadOnlyList<ParsedCertificate> path, PathPolicies policies)
        {
            var verdict = PathRules.Judge(path, policies, at);
            return verdict.Rejections.All(r => r.Reason == RejectionReason.PathExpired) ? WithRevocation(verdict, path) : verdict;
        }

        private PathVerdict WithRevocation(PathVerdict verdict, IReadOnlyList<ParsedCertificate> path)
        {
            var rejections = verdict.Rejections.ToBuilder();
            var notes = ImmutableArray.CreateBuilder<string>();
            var checker = new RevocationChecker(validator._revocation, revokedAsOf, issuer => Signers(issuer, path[^1]));
            // From the top: below a revoked authority nothing else is worth telling.
            for (var i = path.Count - 2; i >= 0; i--)
            {
                var rule = validator._rules.For(path[i]);
                if (rule.Policy == RevocationPolicy.Off)
                    continue;
                var subject = i == 0 ? "It" : $"The authority {path[i].Certificate.Subject} above it";
                var status = checker.Check(path[i], path[i + 1]);
                if (Objection(status, rule, subject, path[i].Certificate.Issuer) is { } objection)
                {
                    rejections.Add(objection);
                    if (status.Kind == RevocationKind.Revoked)
                        break;
                }
                else if (status.Kind == RevocationKind.Stale && rule.Policy == RevocationPolicy.Required)
                {
                    notes.Add($"The revocation list of {path[i].Certificate.Issuer} is out of date since {status.StaleSince:yyyy-MM-dd HH:mm}; it is used within its grace.");
                }
            }
            return verdict with { Rejections = rejections.ToImmutable(), Notes = notes.ToImmutable() };
        }

        private CertificateRejection? Objection(RevocationStatus status, RevocationRule rule, string subject, string issuer) => status.Kind switch
        {
            RevocationKind.Revoked => new(RejectionReason.Revoked, $"{subject} was {Verb(status.Reason)} on {status.Since:yyyy-MM-dd}{Why(status.Reason)}."),
            RevocationKind.Unknown when rule.Policy == RevocationPolicy.Required =>
                new(RejectionReason.RevocationUnknown, $"No revocation list that can be used is at hand for {issuer}.") { Wait = rule.Wait },
            RevocationKind.Stale when rule.Policy == RevocationPolicy.Required && !(status.StaleSince is { } since && revokedAsOf <= since + rule.Grace) =>
                new(RejectionReason.RevocationStale, $"The revocation list of {issuer} is out of date{(status.StaleSince is { } s ? $" since {s:yyyy-MM-dd HH:mm}" : "")}.") { Wait = rule.Wait },
            _ => null,
        };

        /// <summary>Who may sign lists under this name: a path to the same anchor holds (RFC 5280 §6.3.3 (f)), and it is not revoked itself.</summary>
        private IEnumerable<ParsedCertificate> Signers(string issuer, ParsedCertificate anchor) =>
            search.Named(issuer).Where(signer => MaySign(signer, anchor));

        private bool MaySign(ParsedCertificate signer, ParsedCertificate anchor)
        {
            if (_signers.TryGetValue((signer, anchor), out var known))
                return known;
            if (_depth == MaximumSignerDepth)
                return false;
            // While it is looked into, it can't speak for itself.
            _signers[(signer, anchor)] = false;
            _depth++;
            var may = search.Paths(signer).Take(MaximumPaths).Any(path =>
                path[^1].IsSameAs(anchor) && Judge(path, PathPolicies.None).IsGood);
            _depth--;
            return _signers[(signer, anchor)] = may;
        }

        private static string Verb(int reason) => reason == 6 ? "suspended" : "revoked";

        private static string Why(int reason) => reason switch
        {
            1 => " because its key was compromised",
            2 => " because its authority was compromised",
            3 => " because its owner's affiliation changed",
            4 => " because it was replaced",
            5 => " because it is no longer needed",
            9 => " because a privilege was withdrawn",
            _ => "",
        };
    }
}
