using System.Collections.Immutable;
using GatewaySecure.Addresses;

namespace GatewaySecure.Policies.Tests;

/// <summary>The one way down: mail of a proven kind, and never against a mandatory rule or what the mail itself asked for.</summary>
public sealed class ExemptionTests
{
    private static readonly RuleOutcome Normal = RuleOutcome.Protect(ProtectionMethod.Normal);
    private static readonly RuleOutcome Ca = RuleOutcome.Protect(ProtectionMethod.Ca);
    private static readonly RuleOutcome Kdc = RuleOutcome.Protect(ProtectionMethod.Kdc);
    private static readonly RuleOutcome Hold = new(DecisionAction.Hold, []);
    private static readonly RuleOutcome Reject = new(DecisionAction.Reject, []);

    private static readonly DomainRule Partners = new("partners", [To("partner.example")], Ca);
    private static readonly DomainRule Meetings = new("meetings", [new Condition.KindIs([MailKind.Calendar, MailKind.Receipt])], Normal) { IsExemption = true };

    [Theory]
    [InlineData(MailKind.Calendar, "meetings")]
    [InlineData(MailKind.Receipt, "meetings")]
    [InlineData(MailKind.Report, "partners")]
    [InlineData(MailKind.Ordinary, "partners")]
    public void Only_mail_of_its_kinds_is_exempt(MailKind kind, string rule)
    {
        // Where it stands makes no difference.
        Assert.Equal(rule, PolicyEngine.Decide(Policy(Normal, Partners, Meetings), Facts(kind)).Rule);
        Assert.Equal(rule, PolicyEngine.Decide(Policy(Normal, Meetings, Partners), Facts(kind)).Rule);
    }

    [Fact]
    public void The_default_can_be_lowered_too()
    {
        var decision = PolicyEngine.Decide(Policy(Kdc, Meetings), Facts(MailKind.Calendar));
        Assert.Equal([ProtectionMethod.Normal], decision.Methods);
        Assert.Equal("rule 'meetings': kind is calendar, and so exempt from the default", decision.Reason);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Nothing_is_exempt_from_a_mandatory_rule_wherever_it_stands(bool first)
    {
        var mandatory = new DomainRule("law", [To("*.example")], Ca) { IsMandatory = true };
        var policy = first ? Policy(Normal, mandatory, Partners, Meetings) : Policy(Normal, Partners, mandatory, Meetings);
        var explanation = PolicyEngine.Explain(policy, Facts(MailKind.Calendar));
        Assert.Equal([ProtectionMethod.Ca], explanation.Decision.Methods);
        Assert.Equal("matches (kind is calendar), but rule 'law' is mandatory", explanation.Rules[^1].Why);
    }

    [Fact]
    public void A_mandatory_rule_that_does_not_match_forbids_nothing()
    {
        var mandatory = new DomainRule("law", [To("other.example")], Ca) { IsMandatory = true };
        Assert.Equal("meetings", PolicyEngine.Decide(Policy(Normal, mandatory, Partners, Meetings), Facts(MailKind.Calendar)).Rule);
    }

    [Fact]
    public void Nothing_is_exempt_from_what_the_sender_asked_for_himself()
    {
        var request = new DomainRule("on request", [new Condition.HeaderIs("Subject", [])], Ca);
        var explanation = PolicyEngine.Explain(Policy(Normal, request, Meetings), Facts(MailKind.Calendar));
        Assert.Equal("on request", explanation.Decision.Rule);
        Assert.Contains("goes by what was written in this mail", explanation.Rules[^1].Why, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_refused_or_held_is_exempt_from_nothing()
    {
        Assert.Equal(DecisionAction.Reject, PolicyEngine.Decide(Policy(Reject, Meetings), Facts(MailKind.Calendar)).Action);
        Assert.Equal(DecisionAction.Hold, PolicyEngine.Decide(Policy(Hold, Meetings), Facts(MailKind.Calendar)).Action);
    }

    [Fact]
    public void An_exemption_never_raises()
    {
        var raises = Meetings with { Outcome = Kdc };
        Assert.Equal("partners", PolicyEngine.Decide(Policy(Normal, Partners, raises), Facts(MailKind.Calendar)).Rule);
    }

    [Fact]
    public void The_explanation_shows_what_would_have_won()
    {
        var rules = PolicyEngine.Explain(Policy(Normal, Partners, Meetings), Facts(MailKind.Calendar)).Rules;
        Assert.Equal([RuleFinding.Exempted, RuleFinding.Won], rules.Select(r => r.Finding));
        Assert.Equal("matches (recipient carol@partner.example matches partner.example), but 'meetings' exempts from it", rules[0].Why);
    }

    [Fact]
    public void Before_the_content_nothing_is_said_that_an_exemption_could_change()
    {
        var early = new MailFacts { Direction = Direction.Outbound, Sender = MailAddress.Parse("alice@example.org"), Recipient = MailAddress.Parse("carol@partner.example") };
        Assert.Null(PolicyEngine.TryDecideEarly(Policy(Normal, Partners, Meetings), early));
        Assert.Equal(DecisionAction.Reject, PolicyEngine.TryDecideEarly(Policy(Reject, Meetings), early)!.Action);
    }

    [Fact]
    public void An_exemption_that_proves_nothing_or_lowers_nothing_is_an_error()
    {
        Assert.Equal(
            ["rules[0].exempt needs a 'kind': only what the structure of a mail proves can lower protection"],
            Errors(new DomainRule("a", [To("partner.example")], Normal) { IsExemption = true }));
        Assert.Equal(["rules[0].mandatory has no meaning beside 'exempt'"], Errors(Meetings with { IsMandatory = true }));
        Assert.Equal(["rules[0].action has no meaning beside 'exempt': say with 'method' how such mail goes"], Errors(Meetings with { Outcome = Hold }));
    }

    [Fact]
    public void An_exemption_that_a_mandatory_rule_always_forbids_is_a_warning()
    {
        var (snapshot, findings) = Compile(Normal, new DomainRule("all", [], Ca) { IsMandatory = true }, Meetings);
        Assert.NotNull(snapshot);
        Assert.Equal("'meetings' exempts nothing: 'all' is mandatory for all of its mail", Assert.Single(findings).Message);
    }

    [Fact]
    public void Mandatory_and_exempt_change_the_version()
    {
        var versions = new[] { Policy(Normal, Partners), Policy(Normal, Partners with { IsMandatory = true }), Policy(Normal, Partners with { Outcome = Ca with { Tnef = TnefHandling.Open } }) }
            .Select(p => p.Version);
        Assert.Equal(3, versions.Distinct().Count());
    }

    private static IEnumerable<string> Errors(params DomainRule[] rules) =>
        Compile(Normal, rules).Findings.Where(f => f.IsError).Select(f => $"{f.Key} {f.Message}");

    private static (PolicySnapshot? Snapshot, ImmutableArray<PolicyFinding> Findings) Compile(RuleOutcome otherwise, params DomainRule[] rules) =>
        PolicyCompiler.Compile(new PolicySet([DomainName.Parse("example.org")], [.. rules], otherwise));

    private static PolicySnapshot Policy(RuleOutcome otherwise, params DomainRule[] rules) => Compile(otherwise, rules).Snapshot!;

    private static MailFacts Facts(MailKind kind) => new()
    {
        Direction = Direction.Outbound,
        Sender = MailAddress.Parse("alice@example.org"),
        Recipient = MailAddress.Parse("carol@partner.example"),
        Headers = [new HeaderFact("Subject", "lunch")],
        Kind = kind,
    };

    private static Condition.RecipientIs To(string pattern) => new([AddressPattern.TryParse(pattern, out var parsed) ? parsed : throw new FormatException(pattern)]);
}
