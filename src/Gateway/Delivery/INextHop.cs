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

    /// <summary>Deliveries to it that may be under way at once, at the most; for each domain where it goes by domain.</summary>
    int Connections { get; }

    /// <summary>Each recipient domain has a host of its own, so that one that can't be had says nothing of the others.</summary>
    bool GoesByDomain { get; }

    /// <summary>One result for each recipient of the envelope, in its order.</summary>
    /// <exception cref="DeliveryException">The host can't be reached or broke off: nothing is known of the recipients, try again.</exception>
    ValueTask<ImmutableArray<RecipientResult>> DeliverAsync(Envelope envelope, SendableMessage message, CancellationToken cancellationToken);
}

/// <summary>The next hop as a whole failed, so every recipient is tried again later.</summary>
internal sealed class DeliveryException(string message, Exception? inner = null) : IOException(message, inner)
{
    /// <summary>It broke off while it took the mail; false: it could not be had at all.</summary>
    public bool WasReached { get; init; }
}
