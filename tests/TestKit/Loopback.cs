using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace GatewaySecure.TestKit;

/// <summary>Ports on 127.0.0.1 for servers under test.</summary>
public static class Loopback
{
    private const int FirstFixed = 10_000;

    private static readonly int LastFixed = FirstOfTheSystem() - 1;

    private static readonly ConcurrentDictionary<int, bool> Given = new();

    /// <summary>
    /// A port that was free a moment ago, that nobody else in this process is given, and that the system gives to no connection of its own accord.
    /// The last matters: whoever connects again and again to such a port while nothing listens there meets himself in the end (RFC 9293 §3.5, simultaneous open).
    /// </summary>
    public static int FreePort()
    {
        while (true)
        {
            var port = Random.Shared.Next(FirstFixed, LastFixed + 1);
            if (!Given.TryAdd(port, true))
                continue;
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Somebody has it; the next one, then.
            }
        }
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

    /// <summary>The first port that the system gives of its own accord; with a range that leaves nothing below, that of IANA (RFC 6335 §6).</summary>
    private static int FirstOfTheSystem()
    {
        const string range = "/proc/sys/net/ipv4/ip_local_port_range";
        var first = File.Exists(range) ? int.Parse(File.ReadAllText(range).Split()[0], CultureInfo.InvariantCulture) : 49_152;
        return first > 2 * FirstFixed ? first : 49_152;
    }
}
