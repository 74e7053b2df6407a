using System.Net;
using System.Net.Sockets;

namespace GatewaySecure.TestKit;

/// <summary>Ports on 127.0.0.1 for servers under test.</summary>
public static class Loopback
{
    /// <summary>A port that was free a moment ago.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>An address 127.x.y.z that no other test is likely to have: for servers whose port is fixed, such as 25, which need root.</summary>
    public static IPAddress OwnAddress() =>
        new([127, (byte)Random.Shared.Next(16, 250), (byte)Random.Shared.Next(1, 250), (byte)Random.Shared.Next(2, 250)]);

    /// <summary>Waits until something accepts connections there.</summary>
    /// <exception cref="TimeoutException">Nothing did in time.</exception>
    public static async Task WaitForListenerAsync(int port, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        var until = DateTime.UtcNow + timeout;
        while (true)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
                return;
            }
            catch (SocketException) when (DateTime.UtcNow < until)
            {
                await Task.Delay(50, cancellationToken);
            }
            catch (SocketException e)
            {
                throw new TimeoutException($"Nothing listens on 127.0.0.1:{port}.", e);
            }
        }
    }
}
