using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Dns;
using GatewaySecure.MailRouting.TlsReports;

namespace GatewaySecure.MailRouting;

/// <summary>
/// One request to a host that others name: found by our own resolver, its certificate checked by name, no redirects, no proxy, no cookies, and a
/// limit for time. Says what was wrong with the certificate.
/// </summary>
internal sealed class HttpsClient : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private readonly IDnsResolver _dns;
    private readonly HttpClient _client;

    public HttpsClient(IDnsResolver dns, string host, TimeProvider time, X509Certificate2Collection? anchors)
    {
        _dns = dns;
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            ConnectCallback = ConnectAsync,
            MaxResponseHeadersLength = 16,
            SslOptions = new SslClientAuthenticationOptions
            {
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
                {
                    CertificateProblem = PkixCheck.Check(host, certificate as X509Certificate2, chain, time.GetUtcNow(), anchors);
                    return CertificateProblem is null;
                },
            },
        };
        _client = new HttpClient(handler) { Timeout = Timeout };
    }

    public TlsFailure? CertificateProblem { get; private set; }

    /// <exception cref="HttpRequestException">No answer; see <see cref="CertificateProblem"/>.</exception>
    /// <exception cref="OperationCanceledException">Not in time, or cancelled.</exception>
    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);

    public void Dispose() => _client.Dispose();

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var host = context.DnsEndPoint.Host;
        var answers = await HostAddresses.LookUpAsync(_dns, host, cancellationToken);
        if (answers.Addresses.IsEmpty)
            throw new IOException($"{host} has no address: {answers.Problem}");
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync([.. answers.Addresses], context.DnsEndPoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
