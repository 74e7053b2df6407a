using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace GatewaySecure.VirtualCard;

/// <summary>
/// Plugs a virtual card into a reader of <c>vpcd</c> on 127.0.0.1: connecting inserts it, ending removes it.
/// Messages: u16 big-endian length, then the payload; one octet is a control code, anything longer a command APDU.
/// </summary>
public static class VpcdClient
{
    public const int DefaultPort = 35963;

    /// <summary>Serves until the token ends it (returns) or vpcd goes away (throws).</summary>
    /// <param name="inserted">Called once, when the reader has the card.</param>
    /// <exception cref="IOException">Nothing listens there, or the connection broke.</exception>
    public static async Task RunAsync(IVirtualCard card, int port, Action? inserted, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), cancellationToken);
            card.Reset();
            inserted?.Invoke();
            await ServeAsync(card, socket, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            card.Reset();
        }
        catch (SocketException e)
        {
            throw new IOException($"No vpcd reader at 127.0.0.1:{port} ({e.SocketErrorCode}).", e);
        }
    }

    private static async Task ServeAsync(IVirtualCard card, Socket socket, CancellationToken cancellationToken)
    {
        var head = new byte[2];
        while (true)
        {
            await ReadAsync(socket, head, cancellationToken);
            var message = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
            await ReadAsync(socket, message, cancellationToken);
            var answer = message switch
            {
                [0x04] => card.Atr.ToArray(),
                [0x00 or 0x01 or 0x02] => ResetCard(card),
                [_] or [] => null,
                _ => card.Process(message),
            };
            if (answer is null)
                continue;
            var framed = new byte[2 + answer.Length];
            BinaryPrimitives.WriteUInt16BigEndian(framed, checked((ushort)answer.Length));
            answer.CopyTo(framed, 2);
            for (var sent = 0; sent < framed.Length;)
                sent += await socket.SendAsync(framed.AsMemory(sent), cancellationToken);
        }
    }

    private static byte[]? ResetCard(IVirtualCard card)
    {
        card.Reset();
        return null;
    }

    private static async Task ReadAsync(Socket socket, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (!buffer.IsEmpty)
        {
            var count = await socket.ReceiveAsync(buffer, cancellationToken);
            if (count == 0)
                throw new IOException("vpcd closed the connection.");
            buffer = buffer[count..];
            QuickAcknowledge(socket);
        }
    }

    /// <summary>vpcd writes length and payload apart; with delayed acknowledgement that costs 40 ms for each command.</summary>
    private static void QuickAcknowledge(Socket socket)
    {
        const int ProtocolTcp = 6;
        const int TcpQuickAck = 12;
        if (!OperatingSystem.IsLinux())
            return;
        Span<byte> on = [1, 0, 0, 0];
        socket.SetRawSocketOption(ProtocolTcp, TcpQuickAck, on);
    }
}
