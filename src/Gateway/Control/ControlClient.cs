using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace GatewaySecure.Gateway.Control;

/// <summary>Asks the running gateway.</summary>
internal sealed class ControlClient : IDisposable
{
    private readonly Socket _socket;

    private ControlClient(Socket socket) => _socket = socket;

    /// <returns>Null where nobody listens there.</returns>
    public static async Task<ControlClient?> TryConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return new ControlClient(socket);
        }
        catch (Exception e) when (e is SocketException or ArgumentOutOfRangeException)
        {
            socket.Dispose();
            return null;
        }
    }

    /// <exception cref="IOException">The gateway broke off before the end.</exception>
    public async IAsyncEnumerable<ControlReply> AskAsync(ControlRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stream = new NetworkStream(_socket);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(request, ControlJson.Default.ControlRequest) + "\n"), cancellationToken);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            var reply = JsonSerializer.Deserialize(line, ControlJson.Default.ControlReply) ?? new ControlReply();
            yield return reply;
            if (reply is { Done: not null } or { Problem: not null })
                yield break;
        }
        throw new IOException("The gateway broke off: it was stopped, or has too much to do. What it told before was done; look at the queue for the rest.");
    }

    public void Dispose() => _socket.Dispose();
}
