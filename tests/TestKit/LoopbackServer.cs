using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace GatewaySecure.TestKit;

/// <summary>
/// A server on 127.0.0.1 that does with each connection what it is told to; a connection ends when that returns. Disposing cancels what runs
/// and waits for it. A peer that leaves is no fault.
/// </summary>
public sealed class LoopbackServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentBag<Task> _sessions = [];
    private readonly Func<Stream, CancellationToken, Task> _serve;
    private readonly Task _accepting;

    public LoopbackServer(Func<Stream, CancellationToken, Task> serve)
    {
        _serve = serve;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_sessions);
        _closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_closing.Token);
                _sessions.Add(Task.Run(() => ServeAsync(client)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                await _serve(client.GetStream(), _closing.Token);
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                // The peer is gone, or the server is closing.
            }
        }
    }
}
