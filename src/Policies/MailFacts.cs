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

    /// <summary>What its structure proves it to be; known with <see cref="Headers"/>.</summary>
    public MailKind Kind { get; init; }

    /// <summary>What was found out about where it comes from; empty: it was not examined. Known with <see cref="Headers"/>.</summary>
    public ImmutableArray<AuthenticationVerdict> Authentication { get; init; } = [];
}

/// <summary>What a mail is by its structure, and not only by what it says of itself. Whatever is not proved is ordinary.</summary>
public enum MailKind
{
    Ordinary,

    /// <summary>A meeting request, its answer or its cancellation (RFC 6047), without attachments.</summary>
    Calendar,

    /// <summary>A disposition notification: it was read, or deleted (RFC 8098).</summary>
    Receipt,

    /// <summary>A delivery report from the null reverse-path (RFC 3464).</summary>
    Report,

    /// <summary>A journal report of a listed Exchange server. Rules are not asked about it.</summary>
    Journal,
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

/// <summary>What becomes of TNEF (winmail.dat) before the mail is protected.</summary>
public enum TnefHandling
{
    /// <summary>It stays as it is.</summary>
    Keep,

    /// <summary>It becomes MIME; what can't be opened is held.</summary>
    Open,

    /// <summary>It becomes MIME where it can be opened, and else stays as it is.</summary>
    OpenIfPossible,
}

/// <summary>What becomes of S/MIME in mail that comes in.</summary>
public enum SmimeHandling
{
    /// <summary>It passes untouched.</summary>
    Leave,

    /// <summary>Signatures are judged; nothing is opened.</summary>
    Verify,

    /// <summary>Signatures are judged, and what a key of the organisation opens goes on without its encryption, by the rule's method.</summary>
    Open,
}

/// <summary>What happens where none of a rule's methods can be had. There is no "send in clear": a rule that wants that names <c>normal</c>.</summary>
public enum WhenUnavailable
{
    Hold,
    Reject,
}
