using System.Collections.Immutable;

namespace GatewaySecure.Policies;

/// <summary>Something about a policy that its author should know.</summary>
/// <param name="Key">Where it is, such as <c>rules[2].method</c>.</param>
/// <param name="IsError">An error keeps the policy from being used; a warning does not.</param>
/// <param name="RuleIndex">The rule it is about, where it is about one.</param>
public sealed record PolicyFinding(string Key, string Message, bool IsError, int? RuleIndex = null);

/// <summary>Checks a policy as a whole and makes the snapshot. Finds everything at once.</summary>
public static class PolicyCompiler
{
    private const string OnlyInbound = "is for rules with 'direction: inbound': what our own people encrypted is not opened here";

    /// <returns>The snapshot is null where a finding is an error.</returns>
    public static (PolicySnapshot? Snapshot, ImmutableArray<PolicyFinding> Findings) Compile(PolicySet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        var findings = ImmutableArray.CreateBuilder<PolicyFinding>();
        if (set.OwnDomains.IsEmpty)
            findings.Add(new("organisation-domains", "names no domain: no mail could be told to be ours", IsError: true));
        for (var i = 0; i < set.Rules.Length; i++)
        {
            var ofRule = ImmutableArray.CreateBuilder<PolicyFinding>();
            CheckRule(set, i, ofRule);
            findings.AddRange(ofRule.Select(f => f with { RuleIndex = i }));
        }
        CheckOutcome("default", set.Default, findings);
        if (set.Default.Smime != SmimeHandling.Leave)
            findings.Add(new("default.smime", OnlyInbound, IsError: true));
        return (findings.Any(f => f.IsError) ? null : new PolicySnapshot(set), findings.ToImmutable());
    }

    private static void CheckRule(PolicySet set, int index, ImmutableArray<PolicyFinding>.Builder findings)
    {
        var (rule, key) = (set.Rules[index], $"rules[{index}]");
        if (string.IsNullOrWhiteSpace(rule.Name))
            findings.Add(new($"{key}.name", "is empty", IsError: true));
        if (set.Rules.Take(index).Any(r => r.Name.Equals(rule.Name, StringComparison.OrdinalIgnoreCase)))
            findings.Add(new($"{key}.name", $"'{rule.Name}' is the name of an earlier rule too", IsError: true));
        CheckOutcome(key, rule.Outcome, findings);
        if (rule.Outcome.Smime != SmimeHandling.Leave
            && !rule.Conditions.OfType<Condition.DirectionIs>().Any(d => d.AnyOf.All(a => a == Direction.Inbound)))
            findings.Add(new($"{key}.smime", OnlyInbound, IsError: true));
        if (rule.Outcome.LaysOpen)
            findings.Add(new($"{key}.smime", $"'{rule.Name}' lets what came encrypted go on in clear: its method is normal", IsError: false));
        if (rule.IsExemption)
        {
            CheckExemption(set, rule, key, findings);
            return;
        }
        if (NeverExamined(rule))
            findings.Add(new($"{key}.authenticated", $"'{rule.Name}' is never reached: only inbound mail is examined", IsError: false));
        // A content rule can be overruled by what the envelope demands, so it shadows nothing for certain.
        if (set.Rules.Take(index).FirstOrDefault(r => !r.NeedsContent && Shadows(r, rule)) is { } earlier)
            findings.Add(new(key, $"'{rule.Name}' is never reached: '{earlier.Name}' matches all of its mail before", IsError: false));
        if (rule.NeedsContent && set.Rules.Skip(index + 1).FirstOrDefault(r => !r.NeedsContent && !rule.Outcome.IsAtLeast(r.Outcome)) is { } stricter)
        {
            findings.Add(new(
                key,
                $"'{rule.Name}' goes by the mail itself and not by its envelope, so it only raises protection: mail that '{stricter.Name}' demands more for keeps that",
                IsError: false));
        }
    }

    private static void CheckExemption(PolicySet set, DomainRule rule, string key, ImmutableArray<PolicyFinding>.Builder findings)
    {
        if (!rule.Conditions.Any(c => c is Condition.KindIs))
            findings.Add(new($"{key}.exempt", "needs a 'kind': only what the structure of a mail proves can lower protection", IsError: true));
        if (rule.IsMandatory)
            findings.Add(new($"{key}.mandatory", "has no meaning beside 'exempt'", IsError: true));
        if (rule.Outcome.Action != DecisionAction.Protect)
            findings.Add(new($"{key}.action", "has no meaning beside 'exempt': say with 'method' how such mail goes", IsError: true));
        else if (set.Rules.FirstOrDefault(r => r.IsMandatory && !rule.Outcome.IsAtLeast(r.Outcome) && Shadows(r, rule)) is { } mandatory)
            findings.Add(new(key, $"'{rule.Name}' exempts nothing: '{mandatory.Name}' is mandatory for all of its mail", IsError: false));
    }

    private static void CheckOutcome(string key, RuleOutcome outcome, ImmutableArray<PolicyFinding>.Builder findings)
    {
        if (outcome.Action != DecisionAction.Protect)
            return;
        if (outcome.Methods.IsEmpty)
            findings.Add(new($"{key}.method", "names no method", IsError: true));
        if (outcome.Methods.Distinct().Count() != outcome.Methods.Length)
            findings.Add(new($"{key}.method", "names a method twice", IsError: true));
        var normal = outcome.Methods.IndexOf(ProtectionMethod.Normal);
        if (normal >= 0 && normal < outcome.Methods.Length - 1)
            findings.Add(new($"{key}.method", "lists methods after normal, which can always be had", IsError: true));
        else if (normal > 0)
            findings.Add(new($"{key}.method", "lets mail out in clear where the methods before normal can't be had", IsError: false));
    }

    private static bool NeverExamined(DomainRule rule) =>
        rule.Conditions.OfType<Condition.DirectionIs>().Any(d => !d.AnyOf.Contains(Direction.Inbound))
        && rule.Conditions.OfType<Condition.AuthenticatedIs>().Any(a => !a.AnyOf.Contains(AuthenticationVerdict.NotExamined));

    /// <summary>Every condition of the earlier rule stands in the later one too, so the later one can only match less.</summary>
    private static bool Shadows(DomainRule earlier, DomainRule later) =>
        earlier.Conditions.All(c => later.Conditions.Any(l => l.Canonical == c.Canonical));
}
