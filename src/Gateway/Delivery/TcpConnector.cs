using System.Net;
using System.Net.Sockets;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>Connects within a time limit.</summary>
internal static class TcpConnector
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    /// <param name="host">A name, which the system resolves, or an address.</param>
    /// <exception cref="SocketException">Refused, or no such host.</exception>
    /// <exception cref="TimeoutException">Not in time.</exception>
    public static async Task<Stream> ConnectAsync(EndPoint host, TimeProvider time, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(Timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(host, both.Token);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            socket.Dispose();
            throw new TimeoutException($"no connection within {Timeout.TotalSeconds} seconds");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
