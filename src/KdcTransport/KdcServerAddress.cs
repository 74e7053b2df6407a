using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.KdcTransport;

/// <summary>Where a KDC server is, and how both sides know one another.</summary>
/// <param name="Url">https, host and port.</param>
/// <param name="Trust">The server's own certificate, or the authority that its certificate is from (then its name must be the URL's).</param>
/// <param name="Client">The gateway's TLS client certificate with its key; null for a card holder.</param>
/// <param name="Timeout">For one request, connecting included.</param>
public sealed record KdcServerAddress(Uri Url, X509Certificate2Collection Trust, X509Certificate2? Client, TimeSpan Timeout);
