using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.KdcTransport;

/// <summary>HTTPS to the pinned server: TLS 1.3, no proxy, no redirection, no cookies.</summary>
internal static class PinnedHttp
{
    /// <param name="shown">Gets the SHA-256 of the certificate that the server showed and that was accepted.</param>
    public static HttpClient Create(KdcServerAddress address, TimeProvider time, int largestAnswer, Action<string>? shown = null)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            ConnectTimeout = address.Timeout,
            // A connection does not outlive a change of the server's name or certificate for long.
            PooledConnectionLifetime = TimeSpan.FromMinutes(10),
        };
        handler.SslOptions.EnabledSslProtocols = SslProtocols.Tls13;
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
        {
            var server = certificate as X509Certificate2;
            if (!PinnedServer.Accepts(address.Trust, server, chain, errors, time.GetUtcNow()))
                return false;
            shown?.Invoke(server!.GetCertHashString(HashAlgorithmName.SHA256));
            return true;
        };
        if (address.Client is { } client)
            handler.SslOptions.ClientCertificates = [client];
        return new HttpClient(handler) { BaseAddress = address.Url, Timeout = address.Timeout, MaxResponseContentBufferSize = largestAnswer };
    }

    /// <summary>The whole body has arrived when this returns, so what follows can't be cut off in the middle.</summary>
    /// <exception cref="KdcUnavailableException">There is no answer.</exception>
    public static async ValueTask<HttpResponseMessage> AskAsync(HttpClient client, HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await client.SendAsync(request, cancellationToken);
        }
        catch (HttpRequestException e) when (e.InnerException is AuthenticationException inner)
        {
            throw new KdcUnavailableException($"{client.BaseAddress}: TLS with the KDC failed, or its certificate is not the pinned one: {inner.Message}", e);
        }
        catch (HttpRequestException e)
        {
            throw new KdcUnavailableException($"{client.BaseAddress}: the KDC can't be reached: {e.Message}", e);
        }
        catch (TaskCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new KdcUnavailableException($"{client.BaseAddress}: the KDC does not answer in time.", e);
        }
    }
}
