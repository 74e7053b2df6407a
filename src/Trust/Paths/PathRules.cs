using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Org.BouncyCastle.Pkix;
using Org.BouncyCastle.Security;
using Org.BouncyCastle.Security.Certificates;

namespace GatewaySecure.Trust.Paths;

/// <summary>The rules of RFC 5280 §6.1 for one path, without revocation.</summary>
internal static class PathRules
{
    /// <summary>More names than any mailbox or authority needs: each is compared with each constraint.</summary>
    private const int MaximumNames = 1000;

    private const string SubjectAlternativeName = "2.5.29.17";
    private const string AnyPolicy = "2.5.29.32.0";
    private const int MinimumRsaBits = 2048;

    public static PathVerdict Judge(IReadOnlyList<ParsedCertificate> path, PathPolicies policies, DateTimeOffset at)
    {
        var certificates = path.Select(c => c.Certificate).ToImmutableArray();
        if (path.FirstOrDefault(c => c.IsOutsideValidity(at)) is { } outside)
        {
            var text = ReferenceEquals(outside, path[0]) ? "It is out of its validity." : $"{outside.Certificate.Subject} above it is out of its validity.";
            return new([new(RejectionReason.PathExpired, text)]) { Path = certificates };
        }
        if (path.Any(HasTooManyNames))
            return Invalid($"a certificate in it has more than {MaximumNames} names", certificates);
        // A certificate that is an anchor itself is trusted as it is.
        if (path.Count == 1)
            return new([]) { Path = certificates };
        try
        {
            var result = new PkixCertPathValidator().Validate(new PkixCertPath([.. path.SkipLast(1).Select(c => c.Path)]), Parameters(path[^1], policies, at));
            return new([])
            {
                Path = certificates,
                Weaknesses = [.. Weaknesses(path)],
                Policies = UserConstrained(result.PolicyTree, path.Count - 1, policies),
            };
        }
        catch (Exception e) when (e is GeneralSecurityException or ArgumentException or InvalidCastException or IOException or FormatException or InvalidOperationException)
        {
            return Invalid(Innermost(e).TrimEnd('.'), certificates);
        }
    }

    private static PathVerdict Invalid(string why, ImmutableArray<X509Certificate2> path) =>
        new([new(RejectionReason.PathInvalid, $"Its path does not hold: {why}.")]) { Path = path };

    private static PkixParameters Parameters(ParsedCertificate anchor, PathPolicies policies, DateTimeOffset at)
    {
        var parameters = new PkixParameters(new HashSet<TrustAnchor> { new(anchor.Path, null) })
        {
            Date = at.UtcDateTime,
            IsRevocationEnabled = false,
            IsExplicitPolicyRequired = policies.RequireExplicit,
            IsPolicyMappingInhibited = policies.InhibitMapping,
            IsAnyPolicyInhibited = policies.InhibitAny,
        };
        if (!policies.Initial.IsEmpty)
            parameters.SetInitialPolicies(new HashSet<string>(policies.Initial));
        return parameters;
    }

    /// <summary>RFC 5280 §6.1.5 (g): the policies that the path is valid for, in the words of the anchor's domain.</summary>
    private static ImmutableArray<string> UserConstrained(PkixPolicyNode? tree, int depth, PathPolicies policies)
    {
        if (tree is null)
            return [];
        var valid = new SortedSet<string>(StringComparer.Ordinal);
        void Walk(PkixPolicyNode node)
        {
            // A node whose parent is anyPolicy names the policy in the anchor's domain.
            if (node.Parent is { ValidPolicy: AnyPolicy } && node.ValidPolicy != AnyPolicy)
                valid.Add(node.ValidPolicy);
            if (node.Depth == depth && node.ValidPolicy == AnyPolicy)
                valid.UnionWith(policies.Initial.IsEmpty ? [AnyPolicy] : policies.Initial);
            foreach (PkixPolicyNode child in node.Children)
                Walk(child);
        }
        Walk(tree);
        if (!policies.Initial.IsEmpty && !policies.Initial.Contains(AnyPolicy))
            valid.IntersectWith(policies.Initial);
        return [.. valid];
    }

    private static IEnumerable<string> Weaknesses(IReadOnlyList<ParsedCertificate> path)
    {
        foreach (var certificate in path.SkipLast(1).Select(c => c.Certificate))
        {
            if (certificate.SignatureAlgorithm.Value is "1.2.840.113549.1.1.5" or "1.2.840.10045.4.1" or "1.2.840.10040.4.3" or "1.3.14.3.2.29")
                yield return $"The signature on {certificate.Subject} uses SHA-1.";
            else if (certificate.SignatureAlgorithm.Value is "1.2.840.113549.1.1.4" or "1.2.840.113549.1.1.2" or "1.2.840.113549.1.1.3")
                yield return $"The signature on {certificate.Subject} uses MD5 or older.";
        }
        foreach (var authority in path.Skip(1).Select(c => c.Certificate))
        {
            using var rsa = TryGetRsa(authority);
            if (rsa is not null && rsa.KeySize < MinimumRsaBits)
                yield return $"The RSA key of {authority.Subject} has {rsa.KeySize} bits only.";
        }
    }

    private static RSA? TryGetRsa(X509Certificate2 certificate)
    {
        try
        {
            return certificate.GetRSAPublicKey();
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static bool HasTooManyNames(ParsedCertificate certificate)
    {
        if (certificate.Certificate.Extensions[SubjectAlternativeName] is not { } names)
            return false;
        var reader = new System.Formats.Asn1.AsnReader(names.RawData, System.Formats.Asn1.AsnEncodingRules.BER).ReadSequence();
        var count = 0;
        for (; reader.HasData && count <= MaximumNames; count++)
            reader.ReadEncodedValue();
        return count > MaximumNames;
    }

    private static string Innermost(Exception e)
    {
        while (e.InnerException is { } inner)
            e = inner;
        return e.Message;
    }
}
