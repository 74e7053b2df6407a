using System.Collections.Immutable;
using GatewaySecure.MailProtection;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>Delivers to a smart host, or to the first of several that takes the mail.</summary>
/// <param name="connections">At once, to all of them together.</param>
internal sealed class SmartHostNextHop(string name, ImmutableArray<SmartHost> hosts, int connections, TimeProvider time) : INextHop, IAsyncDisposable
{
    private readonly ImmutableArray<SmtpDeliveryAgent> _agents = [.. hosts.Select(h => new SmtpDeliveryAgent(new SmartHostSessions(h, time), time))];

    public string Name { get; } = name;

    public string Destination { get; init; } = name;

    public int Connections => connections;

    public ValueTask<ImmutableArray<RecipientResult>> DeliverAsync(
        Envelope envelope, SendableMessage message, CancellationToken cancellationToken) =>
        Failover.DeliverAsync(_agents, envelope, message, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        foreach (var agent in _agents)
            await agent.DisposeAsync();
    }
}
