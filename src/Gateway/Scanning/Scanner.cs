using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Scanning;

/// <summary>What happens to a mail that a scanner refuses.</summary>
internal enum InfectedHandling
{
    /// <summary>Kept for a person.</summary>
    Hold,

    /// <summary>Given up and reported to a sender inside; mail from outside is held, since its sender may be forged.</summary>
    Bounce,

    /// <summary>Given up; the audit log and the log say so, and nobody else is told.</summary>
    Discard,
}

/// <summary>A filter that mail has to pass before it is protected.</summary>
/// <param name="Directions">Mail is scanned where it goes in one of these for one recipient at least.</param>
/// <param name="Patience">For each of its answers.</param>
/// <param name="Connections">At once.</param>
internal sealed record Scanner(
    string Name, EndPoint Address, ImmutableArray<Direction> Directions, TimeSpan Patience, int Connections, InfectedHandling Infected);
