using System.Collections.Immutable;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Spool;

/// <summary>Everything about a mail that was settled when it was accepted; it never changes after 250.</summary>
internal sealed record AcceptedMail
{
    public required DateTimeOffset AcceptedAt { get; init; }

    public required Envelope Envelope { get; init; }

    /// <summary>One for each of the envelope's recipients, in the same order.</summary>
    public required ImmutableArray<Decision> Decisions { get; init; }

    /// <summary>Indexes of recipients that stand in neither To nor Cc: in a protected mail nobody else may learn of them.</summary>
    public ImmutableArray<int> Blind { get; init; } = [];

    public required SessionFacts Session { get; init; }

    /// <summary>An octet above 127 occurs in the content.</summary>
    public required bool HoldsEightBit { get; init; }

    /// <summary>Header fields above the content as it was spooled, in ASCII with their line ends; null: none.</summary>
    public string? OnTop { get; init; }

    /// <summary>The domain it claims to be from disowns it (DMARC): nothing is reported to its sender.</summary>
    public bool IsDisowned { get; init; }

    /// <summary>What its structure proved it to be.</summary>
    public MailKind Kind { get; init; }

    /// <summary>What its examination came to; empty: it was not examined.</summary>
    public ImmutableArray<AuthenticationVerdict> Authentication { get; init; } = [];

    /// <summary>Sets of its ARC chain, which was good; 0: it had none. Null: the chain was not good, or it was not examined.</summary>
    public int? ArcSets { get; init; }

    /// <summary>Names of the header fields that its peer may not bring, and that were removed.</summary>
    public ImmutableArray<string> RemovedFields { get; init; } = [];
}

/// <summary>Who brought it.</summary>
/// <param name="PeerAddress">IP address, as text.</param>
/// <param name="AuthenticatedAs">The account that AUTH proved, or null.</param>
/// <param name="Evidence">What stands behind the sender's name.</param>
/// <param name="FromInside">Brought by an account, a relay network or a certified peer.</param>
/// <param name="CertifiedAs">Of <c>relay-certificates</c>: the name of the peer that its client certificate proved, or null.</param>
internal sealed record SessionFacts(string PeerAddress, string? HeloName, string? AuthenticatedAs, SenderEvidence Evidence, bool FromInside, string? CertifiedAs = null)
{
    /// <summary>For people: the address, and what proved who it is.</summary>
    public string Describe() =>
        PeerAddress + (AuthenticatedAs is null ? "" : $", as {AuthenticatedAs}") + (CertifiedAs is null ? "" : $", by the certificate of {CertifiedAs}");
}

/// <summary>What stands behind the sender's name (docs/formats/kdc-mail.md §3).</summary>
internal enum SenderEvidence
{
    None,
    Authenticated,
    Relay,
}
