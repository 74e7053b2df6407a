using System.Collections.Immutable;
using GatewaySecure.Gateway.Delivery;
using GatewaySecure.MailProtection;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Exchange;

/// <summary>A next hop that gets every mail with the mark of what was dealt with on top, so that it does not send it here again.</summary>
internal sealed class MarkingNextHop(INextHop inner, ProcessedMark mark, TimeProvider time) : INextHop
{
    public string Name => inner.Name;

    public string Destination => inner.Destination;

    public int Connections => inner.Connections;

    public ValueTask<ImmutableArray<RecipientResult>> DeliverAsync(
        Envelope envelope, SendableMessage message, CancellationToken cancellationToken) =>
        inner.DeliverAsync(envelope, message.Below(mark.Write(envelope.Recipients.Select(r => r.Address), time.GetUtcNow())), cancellationToken);
}
