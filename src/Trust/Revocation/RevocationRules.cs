using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.Trust.Revocation;

/// <summary>What a missing or stale answer means. A certificate that is named as revoked is refused in every case but <see cref="Off"/>.</summary>
public enum RevocationPolicy
{
    /// <summary>Revocation is not looked at.</summary>
    Off,

    /// <summary>Looked at where something is at hand.</summary>
    WhereKnown,

    /// <summary>Every certificate of the path but the anchor needs a current answer.</summary>
    Required,
}

/// <summary>How an outage of one authority's lists counts. Both times matter with <see cref="RevocationPolicy.Required"/> alone.</summary>
/// <param name="Grace">How long after its nextUpdate the last good list still serves.</param>
/// <param name="Wait">How long to wait for a current answer, before the lack of it counts like a fault.</param>
public sealed record RevocationRule(RevocationPolicy Policy, TimeSpan Grace = default, TimeSpan Wait = default)
{
    public static readonly TimeSpan DefaultWait = TimeSpan.FromDays(2);
}

/// <summary>The rule of each authority. Immutable.</summary>
public sealed class RevocationRules
{
    private readonly FrozenDictionary<string, RevocationRule> _byIssuer;

    /// <param name="general">For authorities that have no rule of their own.</param>
    /// <param name="byAuthority">By the authority's distinguished name.</param>
    /// <exception cref="CryptographicException">A name is malformed.</exception>
    public RevocationRules(RevocationRule general, IEnumerable<KeyValuePair<X500DistinguishedName, RevocationRule>>? byAuthority = null)
    {
        General = general;
        _byIssuer = (byAuthority ?? []).ToFrozenDictionary(p => NameKeys.OfName(p.Key.RawData), p => p.Value);
    }

    public RevocationRule General { get; }

    internal RevocationRule For(ParsedCertificate certificate) => _byIssuer.GetValueOrDefault(certificate.IssuerKey, General);
}
