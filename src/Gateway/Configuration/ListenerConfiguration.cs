using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Gateway.Receiving;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>How a listener comes to TLS.</summary>
internal enum ListenerTls
{
    None,
    StartTls,
    Implicit,
}

/// <summary>Whether a listener takes passwords.</summary>
internal enum ListenerAuthentication
{
    Off,
    Offered,
    Required,
}

/// <summary>One address at which the gateway listens, and everything that holds there, what stands at the top included.</summary>
internal sealed record ListenerConfiguration
{
    public required IPEndPoint Address { get; init; }

    public required ListenerTls Tls { get; init; }

    public required bool TlsRequired { get; init; }

    public required ListenerAuthentication Authentication { get; init; }

    /// <summary>In octets.</summary>
    public required long MaxMessageSize { get; init; }

    public required int MaxRecipients { get; init; }

    public required LimitsConfiguration Limits { get; init; }

    /// <summary>Null: the one of all listeners.</summary>
    public required TlsConfiguration? Certificate { get; init; }

    public required ImmutableArray<IPNetwork> RelayNetworks { get; init; }

    /// <summary>Empty: nobody is asked for a certificate.</summary>
    public required ImmutableArray<RelayCertificate> RelayCertificates { get; init; }

    public required ImmutableArray<IPNetwork> ProxyProtocolFrom { get; init; }

    public required ImmutableArray<IPNetwork> XclientFrom { get; init; }

    public required bool XclientLogin { get; init; }

    public required ImmutableArray<IPNetwork> NormaliseBareLineEndsFrom { get; init; }
}

/// <summary>PEM files of the server certificate with its chain, and of its key.</summary>
internal sealed record TlsConfiguration(string Certificate, string Key);
