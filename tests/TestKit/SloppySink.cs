using System.Collections.Concurrent;
using System.Text;

namespace GatewaySecure.TestKit;

/// <summary>
/// A next hop as SMTP smuggling needs it: CR, LF and CRLF each end a line, NUL counts for nothing, and a line of one dot by any of these ends
/// the message. What it believes to be commands and messages is kept.
/// </summary>
public sealed class SloppySink : IAsyncDisposable
{
    private readonly LoopbackServer _server;

    public SloppySink() => _server = new LoopbackServer(ServeAsync);

    public int Port => _server.Port;

    /// <summary>Every line that it took for a command.</summary>
    public ConcurrentQueue<string> Commands { get; } = new();

    /// <summary>The lines of every message, joined by LF.</summary>
    public ConcurrentQueue<string> Messages { get; } = new();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async Task ServeAsync(Stream stream, CancellationToken cancellationToken)
    {
        var lines = new SloppyLines(stream, cancellationToken);
        await SayAsync("220 sloppy.test.invalid ESMTP");
        while (await lines.ReadAsync() is { } line)
        {
            // The empty line that the LF of a CR LF makes.
            if (line.Length == 0)
                continue;
            Commands.Enqueue(line);
            switch (line.Split(' ')[0].ToUpperInvariant())
            {
                case "EHLO":
                    await SayAsync("250-sloppy\r\n250 8BITMIME");
                    break;
                case "DATA":
                    await SayAsync("354 Go on");
                    Messages.Enqueue(await ReadMessageAsync(lines));
                    await SayAsync("250 2.0.0 Taken");
                    break;
                case "QUIT":
                    await SayAsync("221 2.0.0 Bye");
                    return;
                default:
                    await SayAsync("250 2.0.0 Whatever you say");
                    break;
            }
        }

        ValueTask SayAsync(string reply) => stream.WriteAsync(Encoding.ASCII.GetBytes(reply + "\r\n"), cancellationToken);
    }

    private static async Task<string> ReadMessageAsync(SloppyLines lines)
    {
        var message = new StringBuilder();
        while (await lines.ReadAsync() is { } line && line != ".")
            message.Append(line.StartsWith('.') ? line[1..] : line).Append('\n');
        return message.ToString();
    }

    /// <summary>Lines by any line end, as Latin-1, without NUL.</summary>
    private sealed class SloppyLines(Stream stream, CancellationToken cancellationToken)
    {
        private readonly byte[] _buffer = new byte[64 * 1024];
        private int _at;
        private int _end;
        private bool _afterCr;

        /// <returns>Null where the peer has closed.</returns>
        public async ValueTask<string?> ReadAsync()
        {
            var line = new StringBuilder();
            while (true)
            {
                if (_at == _end)
                {
                    (_at, _end) = (0, await stream.ReadAsync(_buffer, cancellationToken));
                    if (_end == 0)
                        return null;
                }
                var octet = _buffer[_at++];
                var completesCrLf = _afterCr && octet == '\n';
                _afterCr = octet == '\r';
                if (completesCrLf || octet == 0)
                    continue;
                if (octet is (byte)'\r' or (byte)'\n')
                    return line.ToString();
                line.Append((char)octet);
            }
        }
    }
}
