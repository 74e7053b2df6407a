using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net.Sockets;
using GatewaySecure.MailProtection;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>
/// Delivers to one host over SMTP. Connections are kept and used again; one that died while it was idle is replaced by a fresh
/// one, once, and only where nothing of the message can have been taken.
/// </summary>
internal sealed class SmtpDeliveryAgent(ISessionSource sessions, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Shorter than the time after which servers commonly close an idle session.</summary>
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(20);

    private readonly ConcurrentStack<(SmtpClientSession Session, long IdleSince)> _idle = new();

    /// <summary>When it failed as a whole, how long it is left alone.</summary>
    public HostRest Rest { get; } = new(time);

    /// <summary>One result for each recipient of the envelope, in its order.</summary>
    /// <exception cref="DeliveryException">The host can't be reached or broke off.</exception>
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
            var fresh = await sessions.OpenAsync(cancellationToken);
            return await SendAsync(fresh, envelope, content, cancellationToken);
        }
        catch (Exception e) when (e is SmtpClientException or SocketException or TimeoutException)
        {
            var twice = content.WasWhole ? " It has all of the mail and did not say whether it took it: the mail may arrive twice." : "";
            throw new DeliveryException($"{sessions.Description}: {e.Message}{twice}", e)
            {
                MayHaveBeenTaken = content.WasWhole,
                WasReached = content.WasStarted,
            };
        }
    }

    /// <summary>Ends the sessions that nobody has used for some time; without it they end when the next mail comes.</summary>
    public async Task CloseIdleAsync(CancellationToken cancellationToken)
    {
        var young = new List<(SmtpClientSession Session, long IdleSince)>();
        while (_idle.TryPop(out var idle))
        {
            if (time.GetElapsedTime(idle.IdleSince) < IdleTime)
                young.Add(idle);
            else
                await idle.Session.QuitAsync(cancellationToken);
        }
        foreach (var idle in Enumerable.Reverse(young))
            _idle.Push(idle);
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

    private sealed class Content(SendableMessage message) : IOutgoingContent
    {
        public bool WasStarted { get; private set; }

        /// <summary>Only after this can the final dot, or the last chunk's last octet, have gone out.</summary>
        public bool WasWhole { get; private set; }

        public long Length => message.Length;

        public bool MayHoldEightBit => message.MayHoldEightBit;

        public async ValueTask WriteToAsync(Stream destination, CancellationToken cancellationToken)
        {
            WasStarted = true;
            await message.WriteToAsync(destination, cancellationToken);
            WasWhole = true;
        }
    }
}
