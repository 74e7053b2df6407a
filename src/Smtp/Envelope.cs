using System.Collections.Immutable;
using GatewaySecure.Addresses;

namespace GatewaySecure.Smtp;

/// <summary>
/// What MAIL and RCPT said of one message: where it comes from, where it goes, and the parameters
/// that have to travel with it (RFC 5321 §2.3.1, RFC 3461, RFC 6152, RFC 6531).
/// </summary>
public sealed record Envelope
{
    /// <summary>The reverse-path; null is the null reverse-path <c>&lt;&gt;</c>, to which nothing is ever reported.</summary>
    public required MailAddress? Sender { get; init; }

    public required ImmutableArray<EnvelopeRecipient> Recipients { get; init; }

    public BodyType Body { get; init; } = BodyType.SevenBit;

    /// <summary>The client said SMTPUTF8 (RFC 6531 §3.4): addresses or headers may hold UTF-8.</summary>
    public bool SmtpUtf8 { get; init; }

    /// <summary>SIZE= of MAIL in octets (RFC 1870 §6), or null.</summary>
    public long? DeclaredSize { get; init; }

    /// <summary>RET= (RFC 3461 §4.3), or null where the client did not say.</summary>
    public DsnReturn? Return { get; init; }

    /// <summary>ENVID= decoded from xtext (RFC 3461 §4.4), or null.</summary>
    public string? EnvelopeId { get; init; }
}

/// <summary>One forward-path with its DSN parameters.</summary>
/// <param name="Address">Where it goes.</param>
/// <param name="Notify">NOTIFY= (RFC 3461 §4.1); <see cref="DsnNotify.Unspecified"/> where the client did not say.</param>
/// <param name="OriginalRecipient">ORCPT= as <c>type;address</c>, decoded from xtext (RFC 3461 §4.2), or null.</param>
public sealed record EnvelopeRecipient(
    MailAddress Address,
    DsnNotify Notify = DsnNotify.Unspecified,
    string? OriginalRecipient = null);

/// <summary>BODY= of MAIL (RFC 6152 §2, RFC 3030 §3).</summary>
public enum BodyType
{
    SevenBit,
    EightBitMime,
    BinaryMime,
}

/// <summary>How much of the message a failure report returns (RFC 3461 §4.3).</summary>
public enum DsnReturn
{
    Full,
    Headers,
}

/// <summary>When the sender wants a report (RFC 3461 §4.1).</summary>
[Flags]
public enum DsnNotify
{
    Unspecified = 0,
    Never = 1,
    Success = 2,
    Failure = 4,
    Delay = 8,
}
