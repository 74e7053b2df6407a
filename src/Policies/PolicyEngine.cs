using System.Collections.Immutable;

namespace GatewaySecure.Policies;

/// <summary>
/// Decides by the first rule that matches. Pure: the same snapshot and facts give the same answer, and explaining is deciding
/// with the notes kept. Where the rule that matches depends on what the sender writes (a subject, a header field), it can only
/// raise protection: what the envelope alone demands is the floor (a user may raise protection, never lower it). The one way down is an
/// exemption: for mail whose structure proves its kind, and never against a mandatory rule or what was asked for in the mail itself.
/// </summary>
public static class PolicyEngine
{
    /// <summary>Name of the outcome for mail that no rule matches.</summary>
    public const string DefaultRule = "(default)";

    private const string NoRule = "no rule matches";

    public static Decision Decide(PolicySnapshot snapshot, MailFacts facts) => Evaluate(snapshot, facts, notes: null);

    /// <summary>The decision, and what was found at every rule.</summary>
    public static Explanation Explain(PolicySnapshot snapshot, MailFacts facts)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        var notes = new RuleNote[snapshot.Rules.Length];
        var decision = Evaluate(snapshot, facts, notes);
        return new Explanation(decision, [.. notes]);
    }

    /// <summary>
    /// At RCPT, from the envelope alone: the decision if no content can change it, else null. Content rules only raise, so a
    /// refusal by the envelope stands whatever comes.
    /// </summary>
    public static Decision? TryDecideEarly(PolicySnapshot snapshot, MailFacts facts)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(facts);
        var (floor, why) = Floor(snapshot, facts);
        var before = floor is null ? snapshot.Rules.Length : snapshot.Rules.IndexOf(floor);
        var open = OutcomeOf(snapshot, floor).Action != DecisionAction.Reject
            && snapshot.Rules.Where((r, i) => r.NeedsContent && (i < before || r.IsExemption))
                .Any(r => r.Conditions.Where(c => !c.NeedsContent).All(c => c.Judge(facts).Holds));
        return open ? null : ToDecision(snapshot, floor, why);
    }

    private static Decision Evaluate(PolicySnapshot snapshot, MailFacts facts, RuleNote[]? notes)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(facts);
        // Found only where a content rule matches, which most mail has none of.
        DomainRule? floor = null;
        var floorKnown = false;
        DomainRule? winner = null;
        var winnerWhy = NoRule;
        var winnerAt = -1;
        for (var i = 0; i < snapshot.Rules.Length; i++)
        {
            var rule = snapshot.Rules[i];
            if (rule.IsExemption)
                continue;
            if (winner is not null)
            {
                notes![i] = new RuleNote(rule.Name, RuleFinding.NotReached, $"not reached: '{winner.Name}' won before");
                continue;
            }
            var (holds, why) = Judge(rule, facts);
            if (holds && rule.NeedsContent)
            {
                if (!floorKnown)
                    (floor, floorKnown) = (Floor(snapshot, facts).Rule, true);
                if (!rule.Outcome.IsAtLeast(OutcomeOf(snapshot, floor)))
                    (holds, why) = (false, $"matches ({why}), but would lower what {Shown(floor)} demands");
            }
            if (notes is not null)
                notes[i] = new RuleNote(rule.Name, holds ? RuleFinding.Won : RuleFinding.NotMatched, why);
            if (!holds)
                continue;
            (winner, winnerWhy, winnerAt) = (rule, why, i);
            if (notes is null)
                break;
        }
        if (Exemption(snapshot, facts, winner, notes) is not (var exemption, var exemptionWhy))
            return ToDecision(snapshot, winner, winnerWhy);
        if (notes is not null && winner is not null)
            notes[winnerAt] = new RuleNote(winner.Name, RuleFinding.Exempted, $"matches ({winnerWhy}), but '{exemption.Name}' exempts from it");
        return ToDecision(snapshot, exemption, $"{exemptionWhy}, and so exempt from {Shown(winner)}");
    }

    /// <summary>The first exemption that holds and that nothing forbids.</summary>
    private static (DomainRule Rule, string Why)? Exemption(PolicySnapshot snapshot, MailFacts facts, DomainRule? winner, RuleNote[]? notes)
    {
        (DomainRule Rule, string Why)? found = null;
        for (var i = 0; i < snapshot.Rules.Length; i++)
        {
            var rule = snapshot.Rules[i];
            if (!rule.IsExemption)
                continue;
            if (found is { } first)
            {
                notes![i] = new RuleNote(rule.Name, RuleFinding.NotReached, $"not reached: '{first.Rule.Name}' exempts before");
                continue;
            }
            var (holds, why) = Judge(rule, facts);
            if (holds && ObjectionTo(rule, snapshot, facts, winner) is { } objection)
                (holds, why) = (false, $"matches ({why}), but {objection}");
            if (notes is not null)
                notes[i] = new RuleNote(rule.Name, holds ? RuleFinding.Won : RuleFinding.NotMatched, why);
            if (!holds)
                continue;
            found = (rule, why);
            if (notes is null)
                break;
        }
        return found;
    }

    /// <summary>Why an exemption that matches exempts from nothing; null: it does.</summary>
    private static string? ObjectionTo(DomainRule exemption, PolicySnapshot snapshot, MailFacts facts, DomainRule? winner)
    {
        var demanded = OutcomeOf(snapshot, winner);
        if (demanded.Action != DecisionAction.Protect)
            return $"what {Shown(winner)} refuses or holds is exempt from nothing";
        if (exemption.Outcome.IsAtLeast(demanded))
            return $"{Shown(winner)} demands no more";
        // Somebody asked for it in this very mail.
        if (winner is { NeedsContent: true })
            return $"{Shown(winner)} goes by what was written in this mail";
        return snapshot.Rules.FirstOrDefault(r => r.IsMandatory && !exemption.Outcome.IsAtLeast(r.Outcome) && Judge(r, facts).Holds) is { } mandatory
            ? $"{Shown(mandatory)} is mandatory"
            : null;
    }

    /// <summary>What the envelope alone demands.</summary>
    private static (DomainRule? Rule, string Why) Floor(PolicySnapshot snapshot, MailFacts facts)
    {
        foreach (var rule in snapshot.Rules.Where(r => !r.NeedsContent))
        {
            if (Judge(rule, facts) is (true, var why))
                return (rule, why);
        }
        return (null, NoRule);
    }

    private static RuleOutcome OutcomeOf(PolicySnapshot snapshot, DomainRule? rule) => rule?.Outcome ?? snapshot.Default;

    private static (bool Holds, string Why) Judge(DomainRule rule, MailFacts facts)
    {
        if (rule.Conditions.IsEmpty)
            return (true, "it has no conditions");
        var reasons = new List<string>(rule.Conditions.Length);
        foreach (var condition in rule.Conditions)
        {
            var (holds, why) = condition.Judge(facts);
            if (!holds)
                return (false, why);
            reasons.Add(why);
        }
        return (true, string.Join(", ", reasons));
    }

    private static Decision ToDecision(PolicySnapshot snapshot, DomainRule? rule, string why)
    {
        var outcome = OutcomeOf(snapshot, rule);
        return new Decision
        {
            Rule = rule?.Name ?? DefaultRule,
            PolicyVersion = snapshot.Version,
            Action = outcome.Action,
            Methods = outcome.Methods,
            WhenUnavailable = outcome.WhenUnavailable,
            Tnef = outcome.Tnef,
            Smime = outcome.Smime,
            Reason = $"{Shown(rule)}: {why}",
        };
    }

    private static string Shown(DomainRule? rule) => rule is null ? "the default" : $"rule '{rule.Name}'";
}

/// <summary>A decision with what was found on the way to it.</summary>
/// <param name="Rules">One note for each rule, in the policy's order.</param>
public sealed record Explanation(Decision Decision, ImmutableArray<RuleNote> Rules);

/// <summary>What one rule found in a mail.</summary>
/// <param name="Why">Plain words: what matched, or the first condition that did not.</param>
public sealed record RuleNote(string Rule, RuleFinding Finding, string Why);

/// <summary>What became of a rule: the first that matches wins, those behind it are not reached.</summary>
public enum RuleFinding
{
    Won,
    NotMatched,
    NotReached,

    /// <summary>It would have won, and an exemption lowers what it demands.</summary>
    Exempted,
}
