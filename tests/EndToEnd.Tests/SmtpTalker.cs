using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>
/// A client that says exactly the octets it is told to, and reads whole replies. It checks nothing and mends nothing. Every read has a deadline.
/// </summary>
internal sealed class SmtpTalker : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly Socket _socket;
    private readonly List<byte> _line = [];
    private readonly byte[] _buffer = new byte[4096];
    private Stream _stream;
    private int _start;
    private int _end;

    private SmtpTalker(Socket socket)
    {
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: false);
    }

    /// <param name="from">The local address to come from.</param>
    public static async Task<SmtpTalker> ConnectAsync(int port, string from = "127.0.0.1")
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
            await socket.ConnectAsync(IPAddress.Loopback, port);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        return new SmtpTalker(socket);
    }

    /// <summary>Connected and greeted.</summary>
    public static async Task<SmtpTalker> GreetAsync(int port, string from = "127.0.0.1")
    {
        var talker = await ConnectAsync(port, from);
        await talker.ReadReplyAsync();
        await talker.SayAsync("EHLO client.test.invalid");
        return talker;
    }

    public ValueTask SendAsync(ReadOnlyMemory<byte> octets) => _stream.WriteAsync(octets);

    public ValueTask SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>In writes of so many octets.</summary>
    /// <param name="piece">0: one write.</param>
    public async Task SendInPiecesAsync(byte[] octets, int piece)
    {
        for (var at = 0; at < octets.Length; at += piece)
        {
            piece = piece == 0 ? octets.Length : piece;
            await SendAsync(octets.AsMemory(at, Math.Min(piece, octets.Length - at)));
        }
    }

    /// <summary>One command.</summary>
    /// <returns>Its whole reply, lines joined by LF.</returns>
    public async Task<string> SayAsync(string line)
    {
        await SendAsync(line + "\r\n");
        return await ReadReplyAsync();
    }

    /// <summary>MAIL, one RCPT and DATA; the first reply that is no success ends it.</summary>
    /// <returns>The last reply: 354 where data may follow; empty where the peer closed.</returns>
    public async Task<string> OfferAsync(string sender, string recipient)
    {
        var reply = "";
        foreach (var command in new[] { $"MAIL FROM:<{sender}>", $"RCPT TO:<{recipient}>", "DATA" })
        {
            reply = await SayAsync(command);
            if (reply.Length == 0 || reply[0] is not ('2' or '3'))
                break;
        }
        return reply;
    }

    /// <summary>A whole message by DATA: stuffed and ended here.</summary>
    /// <returns>The reply to it, or to the command that was refused.</returns>
    public async Task<string> DeliverAsync(string sender, string recipient, byte[] message)
    {
        var reply = await OfferAsync(sender, recipient);
        if (!reply.StartsWith("354", StringComparison.Ordinal))
            return reply;
        await SendAsync(Stuffed(message));
        await SendAsync(message.AsSpan().EndsWith("\r\n"u8) || message.Length == 0 ? ".\r\n" : "\r\n.\r\n");
        return await ReadReplyAsync();
    }

    /// <returns>The reply, lines joined by LF; empty where the peer closed instead.</returns>
    public async Task<string> ReadReplyAsync()
    {
        var reply = new StringBuilder();
        while (await ReadLineAsync() is { } line)
        {
            reply.Append(reply.Length > 0 ? "\n" : "").Append(line);
            if (line.Length < 4 || line[3] != '-')
                return reply.ToString();
        }
        return "";
    }

    /// <summary>The TLS handshake, after the reply to STARTTLS; any certificate will do (the tests' gateway has a self-signed one).</summary>
    public async Task StartTlsAsync()
    {
        var tls = new SslStream(_stream, leaveInnerStreamOpen: true, (_, certificate, _, _) => certificate is not null);
        await tls.AuthenticateAsClientAsync("localhost").WaitAsync(Deadline);
        _stream = tls;
    }

    public void Dispose()
    {
        _stream.Dispose();
        _socket.Dispose();
    }

    private async Task<string?> ReadLineAsync()
    {
        _line.Clear();
        while (true)
        {
            if (_start == _end)
            {
                using var deadline = new CancellationTokenSource(Deadline);
                try
                {
                    (_start, _end) = (0, await _stream.ReadAsync(_buffer, deadline.Token));
                }
                catch (IOException)
                {
                    return null;
                }
                if (_end == 0)
                    return null;
            }
            var octet = _buffer[_start++];
            if (octet == '\n')
                return Encoding.UTF8.GetString([.. _line]).TrimEnd('\r');
            _line.Add(octet);
        }
    }

    /// <summary>RFC 5321 §4.5.2: a dot that begins a line is doubled.</summary>
    public static byte[] Stuffed(byte[] message)
    {
        var stuffed = new List<byte>(message.Length + 16);
        for (var i = 0; i < message.Length; i++)
        {
            if (message[i] == '.' && (i == 0 || (i >= 2 && message[i - 1] == '\n' && message[i - 2] == '\r')))
                stuffed.Add((byte)'.');
            stuffed.Add(message[i]);
        }
        return [.. stuffed];
    }
}
