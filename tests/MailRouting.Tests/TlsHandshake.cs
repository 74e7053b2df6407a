using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.MailRouting.Tests;

/// <summary>A real TLS handshake over loopback, the client's check under test.</summary>
internal static class TlsHandshake
{
    /// <returns>Whether the client went on.</returns>
    public static async Task<bool> SucceedsAsync(PeerCheck check, X509Certificate2 server, params X509Certificate2[] intermediates)
    {
        var token = TestContext.Current.CancellationToken;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var accepting = listener.AcceptSocketAsync(token).AsTask();
        using var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.LocalEndpoint, token);
        await using var serverSide = new SslStream(new NetworkStream(await accepting, ownsSocket: true));
        var serving = serverSide.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions
            {
                ServerCertificateContext = SslStreamCertificateContext.Create(server, new X509Certificate2Collection(intermediates), offline: true),
            },
            token);
        await using var clientSide = new SslStream(new NetworkStream(client));
        try
        {
            await clientSide.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions { TargetHost = check.Tls.ServerName, RemoteCertificateValidationCallback = check.Validate }, token);
            await serving;
            return true;
        }
        catch (AuthenticationException)
        {
            return false;
        }
    }
}
