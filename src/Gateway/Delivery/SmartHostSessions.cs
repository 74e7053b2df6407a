using System.Net;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>How to reach one smart host.</summary>
/// <param name="Connections">At once, to this host.</param>
internal sealed record SmartHost(string Name, string Host, int Port, SmtpClientOptions Session, int Connections = 20);

/// <summary>Sessions with a smart host, under the TLS that the configuration wants.</summary>
internal sealed class SmartHostSessions(SmartHost host, TimeProvider time) : ISessionSource
{
    public string Description => $"{host.Name} ({host.Host}:{host.Port})";

    public async Task<SmtpClientSession> OpenAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await OpenAsync(host.Session, cancellationToken);
        }
        catch (SmtpClientException e) when (e.Kind == SmtpClientFailure.TlsUnavailable && host.Session.Tls == TlsPolicy.Opportunistic)
        {
            // Opportunistic means just that (RFC 7435 §3): a host whose TLS is broken still gets the mail that policy lets go in clear.
            return await OpenAsync(host.Session with { Tls = TlsPolicy.Never }, cancellationToken);
        }
    }

    private async Task<SmtpClientSession> OpenAsync(SmtpClientOptions options, CancellationToken cancellationToken) =>
        await SmtpClientSession.ConnectAsync(
            await TcpConnector.ConnectAsync(new DnsEndPoint(host.Host, host.Port), time, cancellationToken), options, cancellationToken);
}
