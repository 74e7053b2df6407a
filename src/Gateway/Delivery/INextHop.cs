using System.Collections.Immutable;
using GatewaySecure.MailProtection;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>Where mail goes from here. Thread-safe.</summary>
internal interface INextHop
{
    /// <summary>For logs and reports.</summary>
    string Name { get; }

    /// <summary>One result for each recipient of the envelope, in its order.</summary>
    /// <exception cref="DeliveryException">The host can't be reached or broke off: nothing is known of the recipients, try again.</exception>
    ValueTask<ImmutableArray<RecipientResult>> DeliverAsync(Envelope envelope, SendableMessage message, CancellationToken cancellationToken);
}

/// <summary>The next hop as a whole failed, so every recipient is tried again later.</summary>
internal sealed class DeliveryException(string message, Exception? inner = null) : IOException(message, inner)
{
    /// <summary>Nothing was tried, because the host failed a moment ago: try again after this time. Null: it was tried.</summary>
    public TimeSpan? RestsFor { get; init; }
}
