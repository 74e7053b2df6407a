using System.Collections.Immutable;
using GatewaySecure.Addresses;

namespace GatewaySecure.Policies;

/// <summary>One rule as an administrator writes it.</summary>
/// <param name="Name">Unique; appears in logs, explanations and reports.</param>
/// <param name="Conditions">All must hold; none at all means every mail.</param>
public sealed record DomainRule(string Name, ImmutableArray<Condition> Conditions, RuleOutcome Outcome)
{
    /// <summary>No exemption lowers what it demands, wherever it stands.</summary>
    public bool IsMandatory { get; init; }

    /// <summary>Takes no part in finding the rule that wins; lowers what that demands for mail of its kinds.</summary>
    public bool IsExemption { get; init; }

    public bool NeedsContent => Conditions.Any(c => c.NeedsContent);

    internal string Canonical => Policies.Canonical.Of(
        [Name, .. Conditions.Select(c => c.Canonical), Outcome.Canonical, .. IsMandatory ? ["mandatory"] : (string[])[], .. IsExemption ? ["exempt"] : (string[])[]]);
}

/// <summary>What a rule wants.</summary>
/// <param name="Methods">In the order in which to try them; empty unless <paramref name="Action"/> is Protect.</param>
public sealed record RuleOutcome(
    DecisionAction Action,
    ImmutableArray<ProtectionMethod> Methods,
    WhenUnavailable WhenUnavailable = WhenUnavailable.Hold,
    TnefHandling Tnef = TnefHandling.Keep,
    SmimeHandling Smime = SmimeHandling.Leave)
{
    public static RuleOutcome Protect(params ProtectionMethod[] methods) => new(DecisionAction.Protect, [.. methods]);

    internal string Canonical =>
        $"{Action} {string.Join(',', Methods)} {WhenUnavailable}{(Tnef == TnefHandling.Keep ? "" : $" {Tnef}")}{(Smime == SmimeHandling.Leave ? "" : $" S/MIME {Smime}")}";

    /// <summary>What came encrypted goes on in clear.</summary>
    public bool LaysOpen => Smime == SmimeHandling.Open && Methods.Contains(ProtectionMethod.Normal);

    /// <summary>
    /// It protects no less than the other: neither in what it may end with nor in the best it tries, and it lays nothing open that the other leaves closed.
    /// Holding lets nothing out, refusing not even in.
    /// </summary>
    public bool IsAtLeast(RuleOutcome other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Strength.Weakest >= other.Strength.Weakest && Strength.Best >= other.Strength.Best && (!LaysOpen || other.LaysOpen);
    }

    /// <summary>Word for word the same, order of methods included.</summary>
    public bool IsSameAs(RuleOutcome other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Action == other.Action && WhenUnavailable == other.WhenUnavailable && Tnef == other.Tnef && Smime == other.Smime && Methods.SequenceEqual(other.Methods);
    }

    private (int Weakest, int Best) Strength => Action switch
    {
        DecisionAction.Reject => (4, 4),
        DecisionAction.Hold => (3, 3),
        _ => ((int)Methods.DefaultIfEmpty().Min(), (int)Methods.DefaultIfEmpty().Max()),
    };
}

/// <summary>Everything the rules part of a configuration says.</summary>
/// <param name="OwnDomains">The organisation's: they decide about directions.</param>
/// <param name="Default">For mail that no rule matches; always written out, so that no unlisted domain passes by accident.</param>
public sealed record PolicySet(ImmutableArray<DomainName> OwnDomains, ImmutableArray<DomainRule> Rules, RuleOutcome Default);
