using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.MailAuthentication;
using GatewaySecure.MailProtection;
using GatewaySecure.Milter;

namespace GatewaySecure.Gateway.Scanning;

/// <summary>One scanner: connections to it, few at once, and none for a while after it failed, so that it does not take up every worker.</summary>
internal sealed class MilterScanner(Scanner scanner, string hostName, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan RestAfterFailure = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan WaitForPlace = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _places = new(scanner.Connections);
    private long _failedAt;
    private volatile string? _failure;

    public Scanner Scanner => scanner;

    /// <summary>What it says; null with the reason where it was not asked.</summary>
    /// <exception cref="MilterException">It could not be reached, or broke off.</exception>
    public async ValueTask<(MilterVerdict? Verdict, ScanOutcome.NotAsked? NotAsked)> AskAsync(
        SpooledMail item, IMailContent content, CancellationToken cancellationToken)
    {
        if (_failure is { } failure && RestAfterFailure - time.GetElapsedTime(Volatile.Read(ref _failedAt)) is var left && left > TimeSpan.Zero)
            return (null, new ScanOutcome.NotAsked(failure, left));
        if (!await _places.WaitAsync(WaitForPlace, cancellationToken))
            return (null, new ScanOutcome.NotAsked($"scanner {scanner.Name} is busy", WaitForPlace));
        try
        {
            var verdict = await ConnectAndAskAsync(item, content, cancellationToken);
            _failure = null;
            return (verdict, null);
        }
        catch (MilterException e)
        {
            Volatile.Write(ref _failedAt, time.GetTimestamp());
            _failure = $"scanner {scanner.Name}: {e.Message}";
            throw;
        }
        finally
        {
            _places.Release();
        }
    }

    public void Dispose() => _places.Dispose();

    private async Task<MilterVerdict> ConnectAndAskAsync(SpooledMail item, IMailContent content, CancellationToken cancellationToken)
    {
        using var socket = new Socket(scanner.Address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        using var deadline = new CancellationTokenSource(ConnectTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            await socket.ConnectAsync(scanner.Address, both.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new MilterException($"no connection within {ConnectTimeout.TotalSeconds:0} seconds");
        }
        catch (SocketException e)
        {
            throw new MilterException(e.Message, e);
        }
        await using var stream = new NetworkStream(socket);
        var header = await HeaderBuffer.ReadAsync(content.OpenRead(), cancellationToken);
        await using var body = content.OpenRead();
        await SkipAsync(body, header.Length, cancellationToken);
        return await new MilterSession(stream, scanner.Patience, time).AskAsync(Describe(item, header, body), cancellationToken);
    }

    private MilterMail Describe(SpooledMail item, ReadOnlyMemory<byte> header, Stream body) => new()
    {
        HostName = hostName,
        QueueId = item.Id.ToString(),
        Client = IPAddress.TryParse(item.Mail.Session.PeerAddress, out var client) ? client : IPAddress.Loopback,
        Helo = item.Mail.Session.HeloName ?? "",
        AuthenticatedAs = item.Mail.Session.AuthenticatedAs,
        Sender = item.Mail.Envelope.Sender?.ToString() ?? "",
        Recipients = [.. item.Mail.Envelope.Recipients.Select(r => r.Address.ToString())],
        Fields = [.. MessageFields.Parse(header).Where(f => f.Name.Length > 0).Select(f => new MilterField(f.Name, f.RawValue))],
        Body = body,
    };

    private static async Task SkipAsync(Stream stream, int count, CancellationToken cancellationToken)
    {
        var skipped = new byte[16 * 1024];
        while (count > 0)
        {
            var length = await stream.ReadAsync(skipped.AsMemory(0, Math.Min(count, skipped.Length)), cancellationToken);
            if (length == 0)
                return;
            count -= length;
        }
    }
}
