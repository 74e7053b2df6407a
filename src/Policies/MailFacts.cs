using System.Collections.Immutable;
using GatewaySecure.Addresses;

namespace GatewaySecure.Policies;

/// <summary>
/// What is known of one mail for one recipient when rules are asked.
/// </summary>
public sealed record MailFacts
{
    public required Direction Direction { get; init; }

    /// <summary>The reverse-path; null is <c>&lt;&gt;</c>.</summary>
    public required MailAddress? Sender { get; init; }

    public required MailAddress Recipient { get; init; }

    /// <summary>Header fields in order, names as written, values unfolded and RFC 2047-decoded; null before DATA.</summary>
    public ImmutableArray<HeaderFact>? Headers { get; init; }
}

/// <summary>One header field: name as written, value unfolded and decoded.</summary>
public readonly record struct HeaderFact(string Name, string Value);

/// <summary>Seen from the organisation: from one of our domains to another, out, or in.</summary>
public enum Direction
{
    Internal,
    Outbound,
    Inbound,
}

/// <summary>The paper's methods, in rising strength of promise (paper §2-1).</summary>
public enum ProtectionMethod
{
    Normal,
    Ca,
    Kdc,
}

/// <summary>What happens where none of a rule's methods can be had. There is no "send in clear": a rule that wants that names <c>normal</c>.</summary>
public enum WhenUnavailable
{
    Hold,
    Reject,
}
