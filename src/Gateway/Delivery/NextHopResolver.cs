using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>Which next hop a recipient's mail goes to: the first route that matches, else the default.</summary>
internal sealed class NextHopResolver(ImmutableArray<Route> routes, INextHops otherwise)
{
    public INextHop Resolve(MailAddress recipient) =>
        (routes.FirstOrDefault(r => r.Recipients.Any(p => p.Matches(recipient)))?.NextHop ?? otherwise).For(recipient.Domain);
}

/// <summary>One entry of the routing table.</summary>
internal sealed record Route(ImmutableArray<AddressPattern> Recipients, INextHops NextHop);
