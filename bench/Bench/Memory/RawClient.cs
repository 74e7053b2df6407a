using System.Net;
using System.Net.Sockets;
using System.Text;

namespace GatewaySecure.Bench.Memory;

/// <summary>One connection that stays where it is: greeted, or in the middle of a mail.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 30_000 };
    private readonly byte[] _replies = new byte[1024];

    private RawClient()
    {
    }

    public static async Task<RawClient> GreetAsync(int port)
    {
        var client = new RawClient();
        await client._socket.ConnectAsync(IPAddress.Loopback, port);
        await client.ReadAsync("220");
        await client.SayAsync("EHLO client.inside.example", "250");
        return client;
    }

    /// <summary>The envelope, and the first octets of the content.</summary>
    public async Task BeginMailAsync(string sender, string recipient, byte[] content)
    {
        await SayAsync($"MAIL FROM:<{sender}>", "250");
        await SayAsync($"RCPT TO:<{recipient}>", "250");
        await SayAsync("DATA", "354");
        await SendAsync(content);
    }

    public async Task SendAsync(byte[] content)
    {
        for (var sent = 0; sent < content.Length;)
            sent += await _socket.SendAsync(content.AsMemory(sent));
    }

    public Task EndMailAsync() => SayAsync(".", "250");

    public void Dispose() => _socket.Dispose();

    private async Task SayAsync(string line, string expected)
    {
        await SendAsync(Encoding.ASCII.GetBytes(line + "\r\n"));
        await ReadAsync(expected);
    }

    /// <summary>A reply fits one packet here.</summary>
    private async Task ReadAsync(string expected)
    {
        var count = await _socket.ReceiveAsync(_replies);
        var reply = Encoding.ASCII.GetString(_replies, 0, count);
        if (!reply.StartsWith(expected, StringComparison.Ordinal))
            throw new InvalidOperationException($"The gateway said '{reply.TrimEnd()}' instead of {expected}.");
    }
}
