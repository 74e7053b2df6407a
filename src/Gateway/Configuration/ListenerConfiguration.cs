using System.Collections.Immutable;
using System.Net;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>How a listener comes to TLS.</summary>
internal enum ListenerTls
{
    None,
    StartTls,
    Implicit,
}

/// <summary>One address at which the gateway listens.</summary>
/// <param name="MaxMessageSize">In octets.</param>
internal sealed record ListenerConfiguration(
    IPEndPoint Address,
    ListenerTls Tls,
    bool Authentication,
    long MaxMessageSize,
    int MaxRecipients,
    ImmutableArray<IPNetwork> NormaliseBareLineEndsFrom);

/// <summary>PEM files of the server certificate with its chain, and of its key.</summary>
internal sealed record TlsConfiguration(string Certificate, string Key);
