using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;

namespace GatewaySecure.TestKit;

/// <summary>How a <see cref="SmtpSink"/> behaves.</summary>
public sealed record SmtpSinkOptions
{
    /// <summary>What EHLO lists. BDAT is understood where CHUNKING is among them.</summary>
    public IReadOnlyList<string> Keywords { get; init; } = ["PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES"];

    /// <summary>Messages are kept in <see cref="SmtpSink.Messages"/>; else they are only counted.</summary>
    public bool Keep { get; init; }

    /// <summary>
    /// Asked for each command line but BDAT, and with "." once a message is in: a reply in place of the usual one (a refused command then has no
    /// effect), an empty one to drop the connection without a word, or null for the usual.
    /// </summary>
    public Func<string, string?>? Answer { get; init; }

    /// <summary>STARTTLS is offered and done with this; null: it is not.</summary>
    public SslServerAuthenticationOptions? Tls { get; init; }
}

/// <summary>One message that a sink received.</summary>
/// <param name="From">The reverse-path without its brackets; empty for the null reverse-path.</param>
/// <param name="Recipients">The accepted ones, without brackets, in their order.</param>
/// <param name="MailCommand">The whole MAIL line, with its parameters.</param>
/// <param name="Content">Octet by octet, after dot-unstuffing.</param>
/// <param name="IsTls">It came under TLS.</param>
public sealed record SinkMessage(string From, IReadOnlyList<string> Recipients, string MailCommand, byte[] Content, bool IsTls);

/// <summary>
/// A next hop that takes every message as fast as a socket gives it, on 127.0.0.1. It looks for the end of data by a vectorised
/// search and copies nothing unless it shall keep messages. Thread-safe. Disposing closes its connections.
/// </summary>
public sealed class SmtpSink : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly List<SinkMessage> _messages = [];
    private readonly List<(long Count, TaskCompletionSource<long> Reached)> _waiters = [];
    private readonly HashSet<Task> _sessions = [];
    private readonly CancellationTokenSource _closing = new();
    private readonly Socket _listener;
    private readonly Task _accepting;
    private long _count;

    /// <summary>Listens when this returns.</summary>
    /// <param name="options">Null: the usual.</param>
    /// <param name="port">0: a free one.</param>
    /// <param name="address">Null: 127.0.0.1.</param>
    public SmtpSink(SmtpSinkOptions? options = null, int port = 0, IPAddress? address = null)
    {
        Options = options ?? new SmtpSinkOptions();
        _listener = new Socket((address ?? IPAddress.Loopback).AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Bind(new IPEndPoint(address ?? IPAddress.Loopback, port));
        _listener.Listen(1024);
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    public SmtpSinkOptions Options { get; }

    /// <summary>How many messages were received and answered with 250.</summary>
    public long Count => Interlocked.Read(ref _count);

    /// <summary>Those received so far, where they are kept.</summary>
    public IReadOnlyList<SinkMessage> Messages
    {
        get
        {
            lock (_gate)
                return [.. _messages];
        }
    }

    /// <summary>Waits until so many messages were received in all.</summary>
    /// <returns>When that was, as a <see cref="Stopwatch"/> timestamp.</returns>
    /// <exception cref="TimeoutException">They did not come in time.</exception>
    public async Task<long> WaitForAsync(long count, TimeSpan timeout)
    {
        var reached = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_count >= count)
                return Stopwatch.GetTimestamp();
            _waiters.Add((count, reached));
        }
        try
        {
            return await reached.Task.WaitAsync(timeout);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{Count} of {count} messages reached the sink in time.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Dispose();
        await _accepting;
        Task[] sessions;
        lock (_gate)
            sessions = [.. _sessions];
        await Task.WhenAll(sessions);
        _closing.Dispose();
    }

    /// <summary>A session has a whole message; <paramref name="message"/> is null where none is kept.</summary>
    internal void Take(SinkMessage? message)
    {
        lock (_gate)
        {
            if (message is not null)
                _messages.Add(message);
            var count = Interlocked.Increment(ref _count);
            foreach (var (_, reached) in _waiters.Where(w => w.Count <= count))
                reached.TrySetResult(Stopwatch.GetTimestamp());
            _waiters.RemoveAll(w => w.Count <= count);
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync(_closing.Token);
                socket.NoDelay = true;
                var session = Task.Run(() => ServeAsync(socket));
                lock (_gate)
                {
                    _sessions.RemoveWhere(s => s.IsCompleted);
                    _sessions.Add(session);
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // Disposed.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        await using (var session = new SmtpSinkSession(new NetworkStream(socket, ownsSocket: true), this))
        {
            try
            {
                await session.RunAsync(_closing.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or IOException or AuthenticationException)
            {
                // The peer is gone, or the sink is closing.
            }
        }
    }
}
