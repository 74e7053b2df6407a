using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.Trust;

/// <summary>Why a certificate is not used.</summary>
public enum RejectionReason
{
    Expired,
    NotYetValid,
    KeyUsage,
    ExtendedKeyUsage,
    WeakKey,
    UnsupportedKey,

    /// <summary>No path to a trust anchor.</summary>
    Untrusted,

    /// <summary>A certificate of the path above is out of its validity.</summary>
    PathExpired,

    /// <summary>A certificate of the path may not do what it is used for, or a signature in it is wrong.</summary>
    PathInvalid,
    Revoked,

    /// <summary>Nothing at hand could say whether it is revoked, and the rule demands to know.</summary>
    RevocationUnknown,

    /// <summary>What could say is out of date, and the rule demands a current answer.</summary>
    RevocationStale,
}

/// <summary>One reason against a certificate.</summary>
/// <param name="Text">One plain sentence.</param>
public sealed record CertificateRejection(RejectionReason Reason, string Text)
{
    /// <summary>Time, or a list that is fetched, may take it away without anybody's doing.</summary>
    public bool IsTemporary => Reason is RejectionReason.RevocationUnknown or RejectionReason.RevocationStale;

    /// <summary>Where it is temporary: how long the authority's rule has people wait.</summary>
    public TimeSpan Wait { get; init; }
}

/// <summary>Whether a certificate leads to a trust anchor (RFC 5280 §6.1) and nothing on the way is revoked (§6.3).</summary>
/// <param name="Rejections">Empty for a path that holds.</param>
public sealed record PathVerdict(ImmutableArray<CertificateRejection> Rejections)
{
    public bool IsGood => Rejections.IsEmpty;

    /// <summary>From the certificate to the anchor; the certificate alone where no path was found.</summary>
    public ImmutableArray<X509Certificate2> Path { get; init; } = [];

    /// <summary>What holds, but only just: a signature or key in the path of yesterday's strength. Whether that is enough, the caller knows.</summary>
    public ImmutableArray<string> Weaknesses { get; init; } = [];

    /// <summary>What was overlooked by rule: a list out of date within its grace.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    /// <summary>The user-constrained policy set of RFC 5280 §6.1.6.</summary>
    public ImmutableArray<string> Policies { get; init; } = [];
}

/// <summary>The inputs of RFC 5280 §6.1.1 about policies.</summary>
public sealed record PathPolicies
{
    public static PathPolicies None { get; } = new();

    /// <summary>Policies that are acceptable; empty: any.</summary>
    public ImmutableArray<string> Initial { get; init; } = [];

    /// <summary>The path must be valid for at least one of them.</summary>
    public bool RequireExplicit { get; init; }

    public bool InhibitMapping { get; init; }

    public bool InhibitAny { get; init; }
}
