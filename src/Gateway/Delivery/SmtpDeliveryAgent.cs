using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net.Sockets;
using GatewaySecure.MailProtection;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>How to reach one smart host.</summary>
/// <param name="Connections">At once, to this host.</param>
internal sealed record SmartHost(string Name, string Host, int Port, SmtpClientOptions Session, int Connections = 20);

/// <summary>
/// Delivers to a smart host over SMTP. Connections are kept and used again; one that died while it was idle is replaced by a fresh
/// one, once, and only where nothing of the message can have been taken.
/// </summary>
internal sealed class SmtpDeliveryAgent(SmartHost host, TimeProvider time) : INextHop, IAsyncDisposable
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Shorter than the time after which servers commonly close an idle session.</summary>
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(20);

    private readonly ConcurrentStack<(SmtpClientSession Session, long IdleSince)> _idle = new();

    public string Name => host.Name;

    public int Connections => host.Connections;

    public bool GoesByDomain => false;

    public async ValueTask<ImmutableArray<RecipientResult>> DeliverAsync(
        Envelope envelope, SendableMessage sendable, CancellationToken cancellationToken)
    {
        var content = new Content(sendable);
        try
        {
            while (await TakeIdleAsync() is { } used)
            {
                try
                {
                    return await SendAsync(used, envelope, content, cancellationToken);
                }
                catch (SmtpClientException e) when (e.Kind == SmtpClientFailure.Connection && !content.WasStarted)
                {
                    // It had died while it was idle: nothing was taken, the next one may do better.
                }
            }
            var fresh = await ConnectAsync(cancellationToken);
            return await SendAsync(fresh, envelope, content, cancellationToken);
        }
        catch (Exception e) when (e is SmtpClientException or SocketException or TimeoutException)
        {
            throw new DeliveryException($"{Name} ({host.Host}:{host.Port}): {e.Message}", e) { WasReached = content.WasStarted };
        }
    }

    public async ValueTask DisposeAsync()
    {
        while (_idle.TryPop(out var idle))
            await idle.Session.QuitAsync(CancellationToken.None);
    }

    private async ValueTask<ImmutableArray<RecipientResult>> SendAsync(
        SmtpClientSession session, Envelope envelope, Content content, CancellationToken cancellationToken)
    {
        var keep = false;
        try
        {
            var results = await session.SendAsync(envelope, content, cancellationToken);
            keep = session.IsUsable;
            return results;
        }
        finally
        {
            if (keep)
                _idle.Push((session, time.GetTimestamp()));
            else
                await session.DisposeAsync();
        }
    }

    /// <summary>The one used last, so that surplus ones grow old; those too old are closed.</summary>
    private async ValueTask<SmtpClientSession?> TakeIdleAsync()
    {
        while (_idle.TryPop(out var idle))
        {
            if (time.GetElapsedTime(idle.IdleSince) < IdleTime)
                return idle.Session;
            await idle.Session.DisposeAsync();
        }
        return null;
    }

    private async Task<SmtpClientSession> ConnectAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await ConnectAsync(host.Session, cancellationToken);
        }
        catch (SmtpClientException e) when (e.Kind == SmtpClientFailure.TlsUnavailable && host.Session.Tls == TlsPolicy.Opportunistic)
        {
            // Opportunistic means just that (RFC 7435 §3): a host whose TLS is broken still gets the mail that policy lets go in clear.
            return await ConnectAsync(host.Session with { Tls = TlsPolicy.Never }, cancellationToken);
        }
    }

    private async Task<SmtpClientSession> ConnectAsync(SmtpClientOptions options, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(ConnectTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(host.Host, host.Port, both.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            socket.Dispose();
            throw new TimeoutException("no connection within 30 seconds");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        return await SmtpClientSession.ConnectAsync(new NetworkStream(socket, ownsSocket: true), options, cancellationToken);
    }

    private sealed class Content(SendableMessage message) : IOutgoingContent
    {
        public bool WasStarted { get; private set; }

        public long Length => message.Length;

        public bool MayHoldEightBit => message.MayHoldEightBit;

        public ValueTask WriteToAsync(Stream destination, CancellationToken cancellationToken)
        {
            WasStarted = true;
            return message.WriteToAsync(destination, cancellationToken);
        }
    }
}
