using System.Buffers;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Control;

/// <summary>
/// The running gateway's ear for commands: a Unix socket that only its own user and root can open. One request for each connection, one
/// line each way (docs/operations/queue-control.md). Connections, sizes and times are bounded, and no mail waits for a client.
/// </summary>
internal sealed class ControlListener : IAsyncDisposable
{
    public const int MaxRequest = 1 << 20;
    private const int MaxClients = 8;
    private const int SendAt = 16 << 10;

    private static readonly TimeSpan RequestTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan SendTime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan WholeTime = TimeSpan.FromHours(1);

    private readonly Socket _listener;
    private readonly GatewayControl _control;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly HashSet<Task> _clients = [];
    private readonly Task _accepting;

    private ControlListener(Socket listener, GatewayControl control, TimeProvider time, ILogger log)
    {
        (_listener, _control, _time, _log) = (listener, control, time, log);
        _accepting = AcceptAsync();
    }

    /// <summary>The caller owns the state directory, so a socket that is there is a dead one's. Null where it can't be opened; the log says why.</summary>
    public static ControlListener? Start(string path, GatewayControl control, TimeProvider time, ILogger log)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            File.Delete(path);
            socket.Bind(new UnixDomainSocketEndPoint(path));
            // Nobody can connect before it listens.
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            socket.Listen(backlog: 64);
            return new ControlListener(socket, control, time, log);
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException or ArgumentException or PlatformNotSupportedException)
        {
            socket.Dispose();
            log.NoControl(path, e.Message);
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        await Task.WhenAll(_clients);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Socket client;
            try
            {
                client = await _listener.AcceptAsync(_stop.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // Out of descriptors, or the client is gone already: neither may end the ear or make it spin.
                _log.CommandRefused(e.Message);
                await Task.Delay(TimeSpan.FromSeconds(1), _time, _stop.Token).ContinueWith(_ => { }, TaskScheduler.Default);
                continue;
            }
            _clients.RemoveWhere(c => c.IsCompleted);
            if (_clients.Count >= MaxClients)
            {
                _log.CommandRefused($"{MaxClients} are at work already");
                client.Dispose();
                continue;
            }
            _clients.Add(Task.Run(() => ServeAsync(client)));
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var whole = new CancellationTokenSource(WholeTime, _time);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, whole.Token);
        await using var stream = new NetworkStream(client, ownsSocket: true);
        var answer = new Answer(stream, _time);
        try
        {
            await AnswerAsync(client, stream, answer, until.Token);
        }
        catch (Exception e) when (e is ControlException or JsonException)
        {
            var problem = e is JsonException ? $"This is no request that this gateway knows: {e.Message}" : e.Message;
            _log.CommandRefused(problem);
            await answer.EndAsync(problem);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // The client went, or was too slow, or the gateway stops. What was begun is ended and stands in the audit.
            _log.CommandRefused(e.Message);
            await answer.EndAsync(e.Message);
        }
#pragma warning disable CA1031 // A fault in a command must not end the gateway.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _log.CommandFailed(e);
            await answer.EndAsync("The gateway met a fault; its log says more.");
        }
    }

    private async Task AnswerAsync(Socket client, NetworkStream stream, Answer answer, CancellationToken cancellationToken)
    {
        var by = SystemUsers.PeerOf(client);
        if (by.UserId is { } user && user != 0 && user != SystemUsers.Current().UserId)
            throw new ControlException($"{by.Description} may not command this gateway.");
        var request = JsonSerializer.Deserialize((await ReadLineAsync(stream, cancellationToken)).Span, ControlJson.Default.ControlRequest)
            ?? throw new ControlException("The request is empty.");
        await foreach (var reply in _control.RunAsync(request, by, cancellationToken))
        {
            if (reply.Done is { } done && request.Verb is not (ControlVerb.List or ControlVerb.Summary or ControlVerb.Requests or ControlVerb.Jobs))
                _log.Commanded(request.Verb, by.Description, done.Text);
            await answer.AddAsync(reply, cancellationToken);
        }
        await answer.SendAsync(cancellationToken);
    }

    private async Task<ReadOnlyMemory<byte>> ReadLineAsync(NetworkStream stream, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(RequestTime, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        var line = new ArrayBufferWriter<byte>(4096);
        while (true)
        {
            var count = await stream.ReadAsync(line.GetMemory(4096), both.Token);
            if (count == 0)
                throw new ControlException("The request ends before its line does.");
            line.Advance(count);
            if (line.WrittenSpan[^count..].IndexOf((byte)'\n') is >= 0 and var end)
                return line.WrittenMemory[..(line.WrittenCount - count + end)];
            if (line.WrittenCount > MaxRequest)
                throw new ControlException($"The request is longer than {MaxRequest} octets.");
        }
    }

    /// <summary>Lines of JSON, gathered so that a long list is not one packet each.</summary>
    private sealed class Answer(NetworkStream stream, TimeProvider time)
    {
        private readonly ArrayBufferWriter<byte> _waiting = new(SendAt);

        public async ValueTask AddAsync(ControlReply reply, CancellationToken cancellationToken)
        {
            using (var json = new Utf8JsonWriter(_waiting))
                JsonSerializer.Serialize(json, reply, ControlJson.Default.ControlReply);
            _waiting.Write("\n"u8);
            if (_waiting.WrittenCount >= SendAt)
                await SendAsync(cancellationToken);
        }

        public async ValueTask SendAsync(CancellationToken cancellationToken)
        {
            using var deadline = new CancellationTokenSource(SendTime, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
            await stream.WriteAsync(_waiting.WrittenMemory, both.Token);
            _waiting.ResetWrittenCount();
        }

        /// <summary>The last line where something went wrong; whether it arrives is the client's business.</summary>
        public async ValueTask EndAsync(string problem)
        {
            try
            {
                await AddAsync(new ControlReply { Problem = problem }, CancellationToken.None);
                await SendAsync(CancellationToken.None);
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                // It is gone, or does not listen.
            }
        }
    }
}
