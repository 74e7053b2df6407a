using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Policies;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>rules</c> and <c>default</c>, and has them checked as a whole.</summary>
internal static class PolicyReader
{
    private static readonly ValueParser<ProtectionMethod> Method = ValueParsers.Word(
        ("normal", ProtectionMethod.Normal), ("ca", ProtectionMethod.Ca), ("kdc", ProtectionMethod.Kdc));

    private static readonly ValueParser<Direction> DirectionWord = ValueParsers.Word(
        ("internal", Direction.Internal), ("outbound", Direction.Outbound), ("inbound", Direction.Inbound));

    private static readonly ValueParser<DecisionAction> Action = ValueParsers.Word(
        ("reject", DecisionAction.Reject), ("hold", DecisionAction.Hold));

    private static readonly ValueParser<MailKind> Kind = ValueParsers.Word(
        ("calendar", MailKind.Calendar), ("receipt", MailKind.Receipt), ("report", MailKind.Report));

    private static readonly ValueParser<TnefHandling> Tnef = ValueParsers.Word(
        ("keep", TnefHandling.Keep), ("open", TnefHandling.Open), ("open-if-possible", TnefHandling.OpenIfPossible));

    private static readonly ValueParser<SmimeHandling> Smime = ValueParsers.Word(
        ("leave", SmimeHandling.Leave), ("verify", SmimeHandling.Verify), ("open", SmimeHandling.Open));

    private static readonly ValueParser<AuthenticationVerdict> Verdict = ValueParsers.Word([.. AuthenticationVerdicts.Words]);

    /// <summary>Null: hold or reject; else the method to fall back to.</summary>
    private static readonly ValueParser<(WhenUnavailable Then, ProtectionMethod? Method)> Fallback =
        ValueParsers.Word<(WhenUnavailable, ProtectionMethod?)>(
            ("hold", (WhenUnavailable.Hold, null)),
            ("reject", (WhenUnavailable.Reject, null)),
            ("normal", (WhenUnavailable.Hold, ProtectionMethod.Normal)),
            ("ca", (WhenUnavailable.Hold, ProtectionMethod.Ca)),
            ("kdc", (WhenUnavailable.Hold, ProtectionMethod.Kdc)));

    /// <returns>Null where a rule can't be used.</returns>
    public static PolicySnapshot? Read(ConfigurationSection top, ImmutableArray<DomainName> ownDomains, ProblemList problems)
    {
        // Rules that can't be read are left out, so that the others are checked all the same.
        var read = top.Sections("rules", ConfigurationKeys.Rule).Select(section => (Section: section, Rule: ReadRule(section))).ToList();
        foreach (var (section, _) in top.Has("authentication") ? [] : read.Where(r => r.Section.Has("authenticated")))
            section.Problem("authenticated", "needs the section 'authentication': without it no mail is examined");
        foreach (var (section, _) in top.Has("opening") ? [] : read.Where(r => r.Rule?.Outcome.Smime == SmimeHandling.Open))
            section.Problem("smime", "needs the section 'opening' with a key to open with");
        var rules = read.Where(r => r.Rule is not null).ToList();
        var (otherwise, ofDefault) = ReadDefault(top);
        if (ownDomains.IsEmpty)
            return null;
        var set = new PolicySet(ownDomains, [.. rules.Select(r => r.Rule!)], otherwise ?? RuleOutcome.Protect(ProtectionMethod.Normal));
        var (snapshot, findings) = PolicyCompiler.Compile(set);
        foreach (var finding in findings)
        {
            var name = finding.Key[(finding.Key.LastIndexOf('.') + 1)..];
            if (finding.RuleIndex is not { } index)
            {
                problems.Add(ofDefault?.MarkOf(name) ?? top.MarkOf("default"), finding.Key, finding.Message, finding.IsError);
                continue;
            }
            var section = rules[index].Section;
            var key = finding.Key.Replace($"rules[{index}]", section.Key, StringComparison.Ordinal);
            problems.Add(section.MarkOf(name), key, finding.Message, finding.IsError);
        }
        return otherwise is null || rules.Count < read.Count ? null : snapshot;
    }

    private static DomainRule? ReadRule(ConfigurationSection section)
    {
        var name = section.Required<string>("name", ValueParsers.Text!);
        var outcome = ReadOutcome(section);
        var conditions = ReadConditions(section).ToImmutableArray();
        var mandatory = section.Optional<bool>("mandatory", ValueParsers.Switch, false);
        var exemption = section.Optional<bool>("exempt", ValueParsers.Switch, false);
        return name is null || outcome is null
            ? null
            : new DomainRule(name, conditions, outcome) { IsMandatory = mandatory, IsExemption = exemption };
    }

    private static IEnumerable<Condition> ReadConditions(ConfigurationSection section)
    {
        if (section.Has("direction"))
            yield return new Condition.DirectionIs(section.List("direction", DirectionWord));
        if (section.Has("sender"))
            yield return new Condition.SenderIs(section.List<AddressPattern>("sender", MailValues.Pattern!));
        if (section.Has("recipient"))
            yield return new Condition.RecipientIs(section.List<AddressPattern>("recipient", MailValues.Pattern!));
        if (section.Has("kind"))
            yield return new Condition.KindIs(section.List("kind", Kind));
        if (section.Has("authenticated"))
            yield return new Condition.AuthenticatedIs(section.List("authenticated", Verdict));
        if (section.Has("subject"))
            yield return new Condition.HeaderIs("Subject", section.List<TextPattern>("subject", MailValues.TextPattern!));
        var (single, pairs) = section.TextOrMapping<TextPattern>("header", MailValues.FieldName!, MailValues.TextPattern!);
        // Where it can't be read it is still a condition, or the rule would be said to match all mail.
        if (single is not null || (section.Has("header") && pairs.IsEmpty))
            yield return new Condition.HeaderIs(single ?? "", []);
        foreach (var (header, patterns) in pairs)
            yield return new Condition.HeaderIs(header, patterns);
    }

    /// <summary>The section is null where the default is written as methods alone.</summary>
    private static (RuleOutcome? Outcome, ConfigurationSection? Section) ReadDefault(ConfigurationSection top)
    {
        if (!top.Has("default"))
        {
            top.Problem("default", "is missing: say what happens to mail that no rule matches, for example 'default: normal'");
            return (null, null);
        }
        if (top.IsMapping("default"))
            return top.Section("default", ConfigurationKeys.Outcome) is { } section ? (ReadOutcome(section), section) : (null, null);
        var methods = top.List("default", Method);
        return (methods.IsEmpty ? null : RuleOutcome.Protect([.. methods]), null);
    }

    private static RuleOutcome? ReadOutcome(ConfigurationSection section)
    {
        var (hasMethod, hasAction) = (section.Has("method"), section.Has("action"));
        if (hasMethod == hasAction)
        {
            section.Problem(hasAction ? "action" : "method", hasMethod ? "stands beside 'method': only one of them can be meant" : "is missing (or 'action: reject' or 'action: hold')");
            return null;
        }
        if (hasAction)
        {
            foreach (var key in (string[])["when-unavailable", "tnef", "smime"])
            {
                if (section.Has(key))
                    section.Problem(key, "has no meaning beside 'action'");
            }
            var action = section.Optional("action", Action, DecisionAction.Protect);
            return action == DecisionAction.Protect ? null : new RuleOutcome(action, []);
        }
        var methods = section.List("method", Method);
        var (then, another) = section.Optional("when-unavailable", Fallback, (WhenUnavailable.Hold, null));
        if (methods.IsEmpty)
            return null;
        return new RuleOutcome(
            DecisionAction.Protect,
            another is { } method ? methods.Add(method) : methods,
            then,
            section.Optional("tnef", Tnef, TnefHandling.Keep),
            section.Optional("smime", Smime, SmimeHandling.Leave));
    }
}
