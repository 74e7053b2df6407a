using System.Net;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.MailRouting;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>How to reach one smart host.</summary>
/// <param name="Name">Of the next hop that it belongs to.</param>
/// <param name="Host">A name, which the system resolves, or an address.</param>
/// <param name="Trust">The CAs whose certificates count, instead of the system's.</param>
internal sealed record SmartHost(string Name, string Host, int Port, SmtpClientOptions Session, X509Certificate2Collection? Trust = null)
{
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>Sessions with a smart host, at one of its addresses, under the TLS that the configuration wants.</summary>
internal sealed class SmartHostSessions(SmartHost host, TimeProvider time) : ISessionSource
{
    public string Description => $"{host.Name} ({host.Host}:{host.Port})";

    public async Task<SmtpClientSession> OpenAsync(CancellationToken cancellationToken)
    {
        var addresses = IPAddress.TryParse(host.Host, out var literal) ? [literal] : await System.Net.Dns.GetHostAddressesAsync(host.Host, cancellationToken);
        return await TcpConnector.TryEachAsync(addresses, address => OpenAsync(address, cancellationToken), time);
    }

    private async Task<SmtpClientSession> OpenAsync(IPAddress address, CancellationToken cancellationToken)
    {
        var options = host.Trust is null ? host.Session : host.Session with
        {
            CertificateValidation = new PeerCheck(new ConfiguredTls(host.Session.TargetHost), time, host.Trust).Validate,
        };
        try
        {
            return await OpenAsync(address, options, cancellationToken);
        }
        catch (SmtpClientException e) when (e.Kind == SmtpClientFailure.TlsUnavailable && options.Tls == TlsPolicy.Opportunistic)
        {
            // Opportunistic means just that (RFC 7435 §3): a host whose TLS is broken still gets the mail that policy lets go in clear.
            return await OpenAsync(address, options with { Tls = TlsPolicy.Never }, cancellationToken);
        }
    }

    private async Task<SmtpClientSession> OpenAsync(IPAddress address, SmtpClientOptions options, CancellationToken cancellationToken) =>
        await SmtpClientSession.ConnectAsync(
            await TcpConnector.ConnectAsync(new IPEndPoint(address, host.Port), host.ConnectTimeout, time, cancellationToken), options, cancellationToken);
}
