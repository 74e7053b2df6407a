using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>Which next hop a recipient's mail goes to: the first route that matches, else the default.</summary>
internal sealed class NextHopResolver(ImmutableArray<Route> routes, INextHop otherwise)
{
    public INextHop Resolve(MailAddress recipient) =>
        routes.FirstOrDefault(r => r.Recipients.Any(p => p.Matches(recipient)))?.NextHop ?? otherwise;

    /// <summary>By its name; null where no mail goes there.</summary>
    public INextHop? Find(string name) => routes.Select(r => r.NextHop).Append(otherwise).FirstOrDefault(h => h.Name == name);
}

/// <summary>One entry of the routing table.</summary>
internal sealed record Route(ImmutableArray<AddressPattern> Recipients, INextHop NextHop);
