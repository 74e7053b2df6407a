using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;

namespace GatewaySecure.CertificateAuthority;

/// <summary>What to certify, and for whom; all of it from the principal's record.</summary>
/// <param name="Name">The subject's common name; cut at 64 characters (RFC 5280, ub-common-name).</param>
/// <param name="Addresses">For mail and cards, at least one.</param>
/// <param name="Hosts">For gateways and servers.</param>
/// <param name="Actor">Who issues it, for the audit.</param>
public sealed record CertificateOrder(
    CertificateUse Use,
    string Name,
    PrincipalId? Holder,
    ImmutableArray<MailAddress> Addresses,
    ImmutableArray<DomainName> Hosts,
    string Actor)
{
    /// <summary>Ends then at the latest.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>The card that it is for, changed together with the certificate: by its serial number.</summary>
    public Func<string, CardRecord>? Card { get; init; }
}
