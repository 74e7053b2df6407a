using System.Collections.Immutable;

namespace GatewaySecure.Policies;

/// <summary>
/// The outcome for one recipient, stored beside the mail before 250 and never recomputed silently.
/// Plain data: it is written into the spool item as JSON.
/// </summary>
public sealed record Decision
{
    /// <summary>The name of the rule that won, or <c>(default)</c>.</summary>
    public required string Rule { get; init; }

    /// <summary>Version of the snapshot that decided: one mail, one version.</summary>
    public required string PolicyVersion { get; init; }

    /// <summary>What the rule wants, in the order in which to try it; empty where <see cref="Action"/> is not <see cref="DecisionAction.Protect"/>.</summary>
    public required ImmutableArray<ProtectionMethod> Methods { get; init; }

    public required DecisionAction Action { get; init; }

    /// <summary>What to do where none of <see cref="Methods"/> can be had.</summary>
    public WhenUnavailable WhenUnavailable { get; init; } = WhenUnavailable.Hold;

    /// <summary>What becomes of TNEF before the mail is protected.</summary>
    public TnefHandling Tnef { get; init; }

    /// <summary>What becomes of S/MIME before the mail is protected.</summary>
    public SmimeHandling Smime { get; init; }

    /// <summary>One plain sentence for logs, holds and reports.</summary>
    public required string Reason { get; init; }

    /// <summary>What is to be done, without who decided it and why.</summary>
    public RuleOutcome ToOutcome() => new(Action, Methods, WhenUnavailable, Tnef, Smime);
}

/// <summary>What a decision does with a recipient's mail.</summary>
public enum DecisionAction
{
    /// <summary>Deliver by one of the methods (which may be <c>normal</c>).</summary>
    Protect,

    /// <summary>Refuse with 550 5.7.1 at RCPT or after DATA.</summary>
    Reject,

    /// <summary>Accept and hold for a person.</summary>
    Hold,
}
