using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Receiving;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>How mail from outside is examined.</summary>
/// <param name="ServiceId">In Authentication-Results; null: the gateway's name.</param>
/// <param name="ExemptNetworks">Peers that forward for others: their mail is examined, and never refused or held for it.</param>
internal sealed record AuthenticationConfiguration(
    string? ServiceId, DmarcHandling Dmarc, ImmutableArray<IPNetwork> ExemptNetworks, FrozenSet<string> TrustedSealers);

/// <summary>One key to sign with.</summary>
/// <param name="KeyFile">PEM.</param>
internal sealed record DkimKeyConfiguration(DomainName Domain, string Selector, string KeyFile);
