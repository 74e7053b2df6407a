using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Addresses;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Whom to ask about names.</summary>
/// <param name="Resolvers">Empty: the system's.</param>
/// <param name="Trusted">They validate DNSSEC and are on this machine, so that their word about it counts.</param>
internal sealed record DnsConfiguration(ImmutableArray<IPEndPoint> Resolvers, bool Trusted)
{
    public static readonly DnsConfiguration System = new([], Trusted: false);
}

/// <summary>Daily TLS reports to domains that ask for them (RFC 8460).</summary>
/// <param name="From">Their sender, and whom to ask.</param>
internal sealed record TlsReportsConfiguration(MailAddress From);
