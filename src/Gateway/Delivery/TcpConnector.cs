using System.Net;
using System.Net.Sockets;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>Connects, within a time limit, to one address or to the first of several.</summary>
internal static class TcpConnector
{
    /// <summary>After this long no further address is tried in one go; the mail comes again.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>A session at the first address that gives one (RFC 5321 §5.1); else the last one's failure goes on.</summary>
    /// <param name="addresses">One at least.</param>
    public static async Task<SmtpClientSession> TryEachAsync(
        IReadOnlyList<IPAddress> addresses, Func<IPAddress, Task<SmtpClientSession>> open, TimeProvider time)
    {
        var start = time.GetTimestamp();
        for (var i = 0; ; i++)
        {
            try
            {
                return await open(addresses[i]);
            }
            catch (Exception e) when (e is SmtpClientException or SocketException or TimeoutException
                && i + 1 < addresses.Count && time.GetElapsedTime(start) < Patience)
            {
                // The next address may do better.
            }
        }
    }

    /// <exception cref="SocketException">Refused, or no such host.</exception>
    /// <exception cref="TimeoutException">Not in time.</exception>
    public static async Task<Stream> ConnectAsync(IPEndPoint host, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(limit, time);
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
            throw new TimeoutException($"no connection within {limit.TotalSeconds:0.#} seconds");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
