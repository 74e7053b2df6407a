using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace GatewaySecure.TestKit;

/// <summary>A name server on 127.0.0.1, over UDP, that fails at every question (SERVFAIL) and remembers it. Thread-safe.</summary>
public sealed class FaultyDns : IAsyncDisposable
{
    private readonly UdpClient _socket = new(new IPEndPoint(IPAddress.Loopback, 0));
    private readonly CancellationTokenSource _closing = new();
    private readonly List<DnsQuestionSeen> _questions = [];
    private readonly Lock _gate = new();
    private readonly Task _answering;

    public FaultyDns() => _answering = AnswerAsync();

    public IPEndPoint Address => (IPEndPoint)_socket.Client.LocalEndPoint!;

    /// <summary>Those so far, in their order.</summary>
    public IReadOnlyList<DnsQuestionSeen> Questions
    {
        get
        {
            lock (_gate)
                return [.. _questions];
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _answering;
        _socket.Dispose();
        _closing.Dispose();
    }

    private async Task AnswerAsync()
    {
        try
        {
            while (true)
            {
                var asked = await _socket.ReceiveAsync(_closing.Token);
                var question = Read(asked.Buffer, out var end);
                lock (_gate)
                    _questions.Add(question);
                // RFC 1035 §4.1.1: the header and the question again; an answer, recursion offered, RCODE 2, and nothing behind it.
                var answer = asked.Buffer[..end];
                answer[2] |= 0x80;
                answer[3] = 0x82;
                answer.AsSpan(6, 6).Clear();
                await _socket.SendAsync(answer, asked.RemoteEndPoint, _closing.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    /// <summary>RFC 1035 §4.1.2; questions hold no compressed names.</summary>
    private static DnsQuestionSeen Read(byte[] message, out int end)
    {
        var name = new StringBuilder();
        var at = 12;
        for (; message[at] != 0; at += message[at] + 1)
            name.Append(name.Length > 0 ? "." : "").Append(Encoding.ASCII.GetString(message, at + 1, message[at]));
        end = at + 5;
        return new DnsQuestionSeen(name.ToString().ToLowerInvariant(), BinaryPrimitives.ReadUInt16BigEndian(message.AsSpan(at + 1)), Stopwatch.GetTimestamp());
    }
}

/// <summary>A question that came.</summary>
/// <param name="Type">By its number: 15 is MX.</param>
/// <param name="At">A <see cref="Stopwatch"/> timestamp.</param>
public sealed record DnsQuestionSeen(string Name, int Type, long At);
