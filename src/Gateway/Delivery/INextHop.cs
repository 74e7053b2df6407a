using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.MailProtection;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Delivery;

/// <summary>Gives the next hop of a recipient's domain: always the same one, or one for each. Thread-safe.</summary>
internal interface INextHops
{
    INextHop For(DomainName domain);
}

/// <summary>Where mail goes from here. Thread-safe.</summary>
internal interface INextHop : INextHops
{
    INextHop INextHops.For(DomainName domain) => this;

    /// <summary>For logs and reports; another for each destination, since each has a lane of its own in the queue.</summary>
    string Name { get; }

    /// <summary>Shared with the next hops that lead to the same hosts under other demands: their deliveries count together.</summary>
    string Destination => Name;

    /// <summary>Deliveries to its destination that may be under way at once, at the most.</summary>
    int Connections { get; }

    /// <summary>What it took is where the recipient finds it: success is reported as "delivered" (RFC 3464 §2.3.3), not as "relayed".</summary>
    bool IsLast => false;

    /// <summary>One result for each recipient of the envelope, in its order.</summary>
    /// <exception cref="DeliveryException">The host can't be reached or broke off: nothing is known of the recipients, try again.</exception>
    ValueTask<ImmutableArray<RecipientResult>> DeliverAsync(Envelope envelope, SendableMessage message, CancellationToken cancellationToken);
}

/// <summary>The next hop as a whole failed, so every recipient is tried again later.</summary>
internal sealed class DeliveryException(string message, Exception? inner = null) : IOException(message, inner)
{
    /// <summary>All of the content was on its way when it failed: another host might get it a second time.</summary>
    public bool MayHaveBeenTaken { get; init; }

    /// <summary>It failed while it took a mail: that may have been the mail's fault, and says less about the host.</summary>
    public bool WasReached { get; init; }

    /// <summary>For reports, where more is known than that it failed.</summary>
    public SmtpReply? Reply { get; init; }
}
