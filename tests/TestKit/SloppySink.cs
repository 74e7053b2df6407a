using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace GatewaySecure.TestKit;

/// <summary>
/// A next hop as SMTP smuggling needs it: CR, LF and CRLF each end a line, NUL counts for nothing, and a line of one dot by any of these ends the
/// message. What it believes to be commands and messages is kept. Offers CHUNKING where asked to. Disposing closes its connections.
/// </summary>
public sealed class SloppySink : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentBag<Task> _sessions = [];
    private readonly bool _chunking;
    private readonly Task _accepting;

    public SloppySink(bool chunking = false)
    {
        _chunking = chunking;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Every line that it took for a command.</summary>
    public ConcurrentQueue<string> Commands { get; } = new();

    /// <summary>The lines of every message, joined by LF.</summary>
    public ConcurrentQueue<string> Messages { get; } = new();

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
                var stream = client.GetStream();
                await new Session(this, stream, new SloppyLines(stream, _closing.Token)).RunAsync(_closing.Token);
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                // The peer is gone, or the sink is closing.
            }
        }
    }

    private sealed class Session(SloppySink owner, NetworkStream stream, SloppyLines lines)
    {
        public async Task RunAsync(CancellationToken cancellationToken)
        {
            await SayAsync("220 sloppy.test.invalid ESMTP", cancellationToken);
            while (await lines.ReadAsync() is { } line)
            {
                // The empty line that the LF of a CR LF makes.
                if (line.Length == 0)
                    continue;
                owner.Commands.Enqueue(line);
                switch (line.Split(' ')[0].ToUpperInvariant())
                {
                    case "EHLO":
                        await SayAsync(owner._chunking ? "250-sloppy\r\n250-CHUNKING\r\n250 8BITMIME" : "250-sloppy\r\n250 8BITMIME", cancellationToken);
                        break;
                    case "DATA":
                        await SayAsync("354 Go on", cancellationToken);
                        owner.Messages.Enqueue(await ReadMessageAsync());
                        await SayAsync("250 2.0.0 Taken", cancellationToken);
                        break;
                    case "BDAT":
                        owner.Messages.Enqueue(await lines.ReadOctetsAsync(int.Parse(line.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture)));
                        await SayAsync("250 2.0.0 Taken", cancellationToken);
                        break;
                    case "QUIT":
                        await SayAsync("221 2.0.0 Bye", cancellationToken);
                        return;
                    default:
                        await SayAsync("250 2.0.0 Whatever you say", cancellationToken);
                        break;
                }
            }
        }

        private async Task<string> ReadMessageAsync()
        {
            var message = new StringBuilder();
            while (await lines.ReadAsync() is { } line && line != ".")
                message.Append(line.StartsWith('.') ? line[1..] : line).Append('\n');
            return message.ToString();
        }

        private ValueTask SayAsync(string reply, CancellationToken cancellationToken) =>
            stream.WriteAsync(Encoding.ASCII.GetBytes(reply + "\r\n"), cancellationToken);
    }

    /// <summary>Lines by any line end, as Latin-1, without NUL.</summary>
    private sealed class SloppyLines(NetworkStream stream, CancellationToken cancellationToken)
    {
        private readonly byte[] _buffer = new byte[64 * 1024];
        private int _at;
        private int _end;
        private bool _afterCr;

        /// <returns>Null where the peer has closed.</returns>
        public async Task<string?> ReadAsync()
        {
            var line = new StringBuilder();
            while (await NextAsync() is { } octet)
            {
                var completesCrLf = _afterCr && octet == '\n';
                _afterCr = octet == '\r';
                if (completesCrLf || octet == 0)
                    continue;
                if (octet is (byte)'\r' or (byte)'\n')
                    return line.ToString();
                line.Append((char)octet);
            }
            return null;
        }

        public async Task<string> ReadOctetsAsync(int count)
        {
            var text = new StringBuilder(count);
            // The line before ended with CR LF, of which the LF was not looked at yet.
            if (_afterCr)
                await NextAsync();
            _afterCr = false;
            while (text.Length < count && await NextAsync() is { } octet)
                text.Append((char)octet);
            return text.ToString();
        }

        private async ValueTask<byte?> NextAsync()
        {
            if (_at == _end)
            {
                (_at, _end) = (0, await stream.ReadAsync(_buffer, cancellationToken));
                if (_end == 0)
                    return null;
            }
            return _buffer[_at++];
        }
    }
}
