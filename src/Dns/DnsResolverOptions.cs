using System.Collections.Immutable;
using System.Net;

namespace GatewaySecure.Dns;

/// <summary>Whom to ask, and how far to believe it.</summary>
public sealed record DnsResolverOptions
{
    /// <summary>In the order in which they are tried. Empty: the system's.</summary>
    public ImmutableArray<IPEndPoint> Servers { get; init; } = [];

    /// <summary>
    /// The servers validate DNSSEC, and their AD bit is believed. Only of those on a loopback address, since anybody on the way could set
    /// the bit of an answer that comes over a network (RFC 7672 §2.1.1, RFC 6698 §A.3).
    /// </summary>
    public bool TrustAuthenticated { get; init; }

    /// <summary>For one try; each server is tried twice.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>Answers kept at most; the oldest go first.</summary>
    public int CacheEntries { get; init; } = 20_000;
}
