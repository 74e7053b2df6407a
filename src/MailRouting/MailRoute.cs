using System.Collections.Immutable;
using System.Net;

namespace GatewaySecure.MailRouting;

/// <summary>Where mail for a domain goes: to these hosts, nowhere ever, or nowhere now.</summary>
public abstract record MailRoute
{
    private protected MailRoute()
    {
    }
}

/// <summary>Hosts to be tried in this order.</summary>
/// <param name="Hosts">One at least.</param>
/// <param name="LeftOut">Hosts of the domain that must not or can't be used now, with the reason.</param>
public sealed record RouteFound(ImmutableArray<RouteHost> Hosts, ImmutableArray<HostLeftOut> LeftOut) : MailRoute;

/// <summary>The domain takes no mail, and that is certain.</summary>
/// <param name="EnhancedCode">Such as 5.1.10 (RFC 7505 §5).</param>
public sealed record RouteRefused(string EnhancedCode, string Reason) : MailRoute;

/// <summary>Nothing certain, or no host that may be used: try again later.</summary>
/// <param name="EnhancedCode">Such as 4.4.3 (directory server failure) or 4.7.5 (TLS that policy wants can't be had).</param>
public sealed record RouteDeferred(string EnhancedCode, string Reason, ImmutableArray<HostLeftOut> LeftOut) : MailRoute;

/// <summary>One host of a route.</summary>
/// <param name="Preference">Of its MX record; lower comes first.</param>
/// <param name="Addresses">One at least, IPv6 first.</param>
public sealed record RouteHost(string Name, int Preference, ImmutableArray<IPAddress> Addresses, HostTls Tls);

/// <summary>A host that is not to be used.</summary>
/// <param name="Failure">What the domain's TLS report says of it; null: nothing to do with TLS.</param>
public sealed record HostLeftOut(string Name, int Preference, string Reason, bool IsPermanent)
{
    public TlsReports.TlsSession? Failure { get; init; }
}
