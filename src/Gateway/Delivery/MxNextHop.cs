using System.Collections.Concurrent;
using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.MailProtection;
using GatewaySecure.MailRouting;
using GatewaySecure.MailRouting.TlsReports;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>How mail goes to the recipients' own hosts.</summary>
/// <param name="Session">Name and TLS are each host's own.</param>
/// <param name="Connections">At once, to one host for one domain.</param>
internal sealed record MxOptions(SmtpClientOptions Session, ITlsSessionCounter Counter, int Connections = 20, int Port = 25)
{
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The name that next hops share where their connections count together; null: no other has one to share.</summary>
    public string? SharedName { get; init; }
}

/// <summary>Delivers to the recipients' own mail hosts, as the DNS has them: a next hop for each domain. What nobody uses any more is closed.</summary>
internal sealed class MxNextHop : INextHops, IAsyncDisposable
{
    private static readonly TimeSpan SweepInterval = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan KeptUnused = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<DomainName, MxDestination> _destinations = new();
    private readonly string _name;
    private readonly MailRouter _router;
    private readonly MxOptions _options;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _sweeping;

    public MxNextHop(string name, MailRouter router, MxOptions options, TimeProvider time)
    {
        (_name, _router, _options, _time) = (name, router, options, time);
        _sweeping = SweepAsync();
    }

    public INextHop For(DomainName domain)
    {
        var destination = _destinations.GetOrAdd(domain, d => new MxDestination(_name, d, _router, _options, _time));
        destination.Touch();
        return destination;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _sweeping;
        _stop.Dispose();
        foreach (var destination in _destinations.Values)
            await destination.DisposeAsync();
    }

    private async Task SweepAsync()
    {
        try
        {
            while (true)
            {
                await Task.Delay(SweepInterval, _time, _stop.Token);
                foreach (var (domain, destination) in _destinations)
                {
                    await destination.CloseIdleAsync(_stop.Token);
                    if (destination.IsUnusedFor(KeptUnused) && _destinations.TryRemove(domain, out _))
                        await destination.DisposeAsync();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }
}

/// <summary>The mail hosts of one domain, tried in the order of its route.</summary>
internal sealed class MxDestination(string name, DomainName domain, MailRouter router, MxOptions options, TimeProvider time) : INextHop, IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Host> _hosts = new();
    private int _active;
    private long _lastUsed = time.GetTimestamp();

    public string Name => $"{name} ({domain})";

    public string Destination => $"{options.SharedName ?? name} ({domain})";

    public int Connections => options.Connections;

    public void Touch() => Volatile.Write(ref _lastUsed, time.GetTimestamp());

    public bool IsUnusedFor(TimeSpan span) => Volatile.Read(ref _active) == 0 && time.GetElapsedTime(Volatile.Read(ref _lastUsed)) >= span;

    public async ValueTask<ImmutableArray<RecipientResult>> DeliverAsync(
        Envelope envelope, SendableMessage message, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _active);
        try
        {
            switch (await router.RouteAsync(domain, cancellationToken))
            {
                case RouteRefused refused:
                    // RFC 7505 §5: 556 for a domain that takes no mail.
                    return ForAll(envelope, refused.EnhancedCode == "5.1.10" ? 556 : 550, refused.EnhancedCode, refused.Reason);
                case RouteDeferred deferred:
                    Count(deferred.LeftOut);
                    // Of the domain as a whole: its lane rests, and no mail is tried in vain.
                    throw new DeliveryException($"{Name}: {deferred.EnhancedCode} {deferred.Reason}") { Reply = new SmtpReply(451, deferred.EnhancedCode, deferred.Reason) };
                case RouteFound found:
                    Count(found.LeftOut);
                    return await Failover.DeliverAsync([.. found.Hosts.Select(AgentFor)], envelope, message, cancellationToken);
                case var other:
                    throw new InvalidOperationException($"{other.GetType()} is no route.");
            }
        }
        finally
        {
            Interlocked.Decrement(ref _active);
            Touch();
        }
    }

    /// <summary>Ends the sessions that nobody has used for some time.</summary>
    public async Task CloseIdleAsync(CancellationToken cancellationToken)
    {
        foreach (var host in _hosts.Values)
            await host.Agent.CloseIdleAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts.Values)
            await host.Agent.DisposeAsync();
    }

    /// <summary>Sessions made under other demands are not used again.</summary>
    private SmtpDeliveryAgent AgentFor(RouteHost host)
    {
        var known = _hosts.GetOrAdd($"{host.Name} {host.Tls.Key}", _ =>
        {
            var sessions = new MxSessions(domain.Ascii, host, options, time);
            return new Host(sessions, new SmtpDeliveryAgent(sessions, time));
        });
        known.Sessions.Update(host);
        return known.Agent;
    }

    private void Count(ImmutableArray<HostLeftOut> leftOut)
    {
        foreach (var failure in leftOut.Select(h => h.Failure).OfType<TlsSession>())
            options.Counter.Count(failure);
    }

    private static ImmutableArray<RecipientResult> ForAll(Envelope envelope, int code, string status, string reason)
    {
        var reply = new SmtpReply(code, status, reason);
        return [.. envelope.Recipients.Select(r => new RecipientResult(r, reply, DsnRelayed: false))];
    }

    private sealed record Host(MxSessions Sessions, SmtpDeliveryAgent Agent);
}
