using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>Makes sessions with one host, ready for MAIL and under the TLS that is demanded. Thread-safe.</summary>
internal interface ISessionSource
{
    /// <summary>For logs and replies, such as <c>provider (smtp.provider.example:587)</c>.</summary>
    string Description { get; }

    /// <exception cref="SmtpClientException">No session, or none under that TLS.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">No connection.</exception>
    /// <exception cref="TimeoutException">No connection in time.</exception>
    Task<SmtpClientSession> OpenAsync(CancellationToken cancellationToken);
}
