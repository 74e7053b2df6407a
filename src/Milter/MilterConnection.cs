using System.Buffers.Binary;

namespace GatewaySecure.Milter;

/// <summary>Packets over one connection: four octets of length, a letter, data. Every wait is bounded.</summary>
internal sealed class MilterConnection(Stream stream, TimeSpan patience, TimeProvider time)
{
    /// <summary>Sendmail's filters send 64 KB at most in one piece.</summary>
    private const int LargestAnswer = 1024 * 1024;

    public async ValueTask SendAsync(MilterCommand command, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        var packet = new byte[5 + data.Length];
        BinaryPrimitives.WriteInt32BigEndian(packet, 1 + data.Length);
        packet[4] = (byte)command;
        data.CopyTo(packet.AsMemory(5));
        await BoundAsync(async token => await stream.WriteAsync(packet, token), cancellationToken);
    }

    /// <exception cref="MilterException">Too long, cut off, or not in time.</exception>
    public async ValueTask<(MilterAnswer Answer, byte[] Data)> ReceiveAsync(CancellationToken cancellationToken)
    {
        var head = new byte[5];
        byte[] data = [];
        await BoundAsync(
            async token =>
            {
                await stream.ReadExactlyAsync(head, token);
                var length = BinaryPrimitives.ReadUInt32BigEndian(head);
                if (length is 0 or > LargestAnswer)
                    throw new MilterException($"an answer of {length} octets");
                data = new byte[length - 1];
                await stream.ReadExactlyAsync(data, token);
            },
            cancellationToken);
        return ((MilterAnswer)head[4], data);
    }

    private async ValueTask BoundAsync(Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(patience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            await work(both.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new MilterException($"no answer within {patience.TotalSeconds:0} seconds");
        }
        catch (Exception e) when (e is IOException and not MilterException)
        {
            throw new MilterException(e is EndOfStreamException ? "it closed the connection" : e.Message, e);
        }
    }
}
