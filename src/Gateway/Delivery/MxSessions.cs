using System.Net;
using GatewaySecure.MailRouting;
using GatewaySecure.MailRouting.TlsReports;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>
/// Sessions with one mail host of a domain, at one of its addresses, under the TLS that the domain demands. Each one is counted for the domain's
/// TLS report.
/// </summary>
internal sealed class MxSessions(string domain, RouteHost host, MxOptions options, TimeProvider time) : ISessionSource
{
    private volatile RouteHost _host = host;

    public string Description => $"{domain} ({_host.Name})";

    /// <summary>The host as the DNS has it now; what it demands stays the same.</summary>
    public void Update(RouteHost host) => _host = host;

    public Task<SmtpClientSession> OpenAsync(CancellationToken cancellationToken)
    {
        var host = _host;
        return TcpConnector.TryEachAsync(host.Addresses, address => OpenAsync(host, address, cancellationToken), time);
    }

    private async Task<SmtpClientSession> OpenAsync(RouteHost host, IPAddress address, CancellationToken cancellationToken)
    {
        var tls = host.Tls;
        var stream = await ConnectAsync(address, cancellationToken);
        var check = new PeerCheck(tls, time);
        try
        {
            var session = await SmtpClientSession.ConnectAsync(
                stream,
                options.Session with
                {
                    TargetHost = tls.ServerName,
                    Tls = tls.IsRequired ? TlsPolicy.Required : TlsPolicy.Opportunistic,
                    CertificateValidation = check.Validate,
                },
                cancellationToken);
            if (!session.IsTls)
                check.NotOffered();
            Count(host, address, check);
            return session;
        }
        catch (SmtpClientException e) when (e.Kind == SmtpClientFailure.TlsUnavailable)
        {
            if (e.InnerException is null)
                check.NotOffered();
            else
                check.Broken(e.InnerException.Message);
            Count(host, address, check);
            if (tls.IsRequired)
                throw new SmtpClientException(SmtpClientFailure.TlsUnavailable, $"TLS is {tls.Explain()}; {check.Failure!.Detail}", e);
            // RFC 7435 §3: a host whose TLS is broken still gets the mail that no policy wants under TLS.
            return await SmtpClientSession.ConnectAsync(
                await ConnectAsync(address, cancellationToken),
                options.Session with { TargetHost = tls.ServerName, Tls = TlsPolicy.Never },
                cancellationToken);
        }
    }

    private Task<Stream> ConnectAsync(IPAddress address, CancellationToken cancellationToken) =>
        TcpConnector.ConnectAsync(new IPEndPoint(address, options.Port), options.ConnectTimeout, time, cancellationToken);

    private void Count(RouteHost host, IPAddress address, PeerCheck check) =>
        options.Counter.Count(TlsSession.Of(domain, host.Tls, host.Name, address, check.Failure));
}
