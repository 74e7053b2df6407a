using System.Collections.Immutable;
using GatewaySecure.Addresses;

namespace GatewaySecure.Policies.Tests;

/// <summary>Rules by what the examination of mail from outside came to.</summary>
public sealed class AuthenticatedRuleTests
{
    private static readonly RuleOutcome Normal = RuleOutcome.Protect(ProtectionMethod.Normal);
    private static readonly RuleOutcome Hold = new(DecisionAction.Hold, []);

    private static readonly DomainRule Disowned = new(
        "disowned", [new Condition.AuthenticatedIs([AuthenticationVerdict.DmarcFail, AuthenticationVerdict.DmarcUnknown])], Hold);

    [Theory]
    [InlineData("disowned", AuthenticationVerdict.DmarcFail)]
    [InlineData("disowned", AuthenticationVerdict.DmarcUnknown, AuthenticationVerdict.SpfPass, AuthenticationVerdict.DkimPass)]
    [InlineData("(default)", AuthenticationVerdict.DmarcPass, AuthenticationVerdict.SpfFail)]
    [InlineData("(default)", AuthenticationVerdict.ArcVouched)]
    [InlineData("(default)")]
    public void Any_of_the_verdicts_of_a_mail_matches(string rule, params AuthenticationVerdict[] verdicts) =>
        Assert.Equal(rule, PolicyEngine.Decide(Policy(Normal, Disowned), Facts(verdicts)).Rule);

    [Fact]
    public void What_was_not_examined_has_that_verdict_and_no_other()
    {
        var policy = Policy(Normal, new DomainRule("unproved", [new Condition.AuthenticatedIs([AuthenticationVerdict.NotExamined])], Hold));
        Assert.Equal("unproved", PolicyEngine.Decide(policy, Facts()).Rule);
        Assert.Equal("(default)", PolicyEngine.Decide(policy, Facts(AuthenticationVerdict.DmarcNone)).Rule);
    }

    [Fact]
    public void Every_verdict_has_a_word_and_it_is_told_why_a_rule_matches_or_not()
    {
        foreach (var verdict in Enum.GetValues<AuthenticationVerdict>())
            Assert.NotEmpty(AuthenticationVerdicts.Word(verdict));
        Assert.Equal("authentication is dmarc-fail", Why(AuthenticationVerdict.DmarcFail));
        Assert.Equal(
            "authentication is dmarc-pass and spf-pass, not dmarc-fail or dmarc-unknown", Why(AuthenticationVerdict.DmarcPass, AuthenticationVerdict.SpfPass));

        static string Why(params AuthenticationVerdict[] verdicts) => PolicyEngine.Explain(Policy(Normal, Disowned), Facts(verdicts)).Rules[0].Why;
    }

    [Fact]
    public void That_a_mail_is_well_authenticated_lowers_nothing()
    {
        var policy = Policy(Hold, new DomainRule("trusted", [new Condition.AuthenticatedIs([AuthenticationVerdict.DmarcPass])], Normal));
        var explanation = PolicyEngine.Explain(policy, Facts(AuthenticationVerdict.DmarcPass));
        Assert.Equal(DecisionAction.Hold, explanation.Decision.Action);
        Assert.Contains("would lower", explanation.Rules[0].Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Before_data_nothing_is_known_of_it_and_no_refusal_is_given_away()
    {
        var policy = Policy(Normal, Disowned with { Outcome = new RuleOutcome(DecisionAction.Reject, []) });
        Assert.Null(PolicyEngine.TryDecideEarly(policy, Facts() with { Headers = null }));
        Assert.Throws<InvalidOperationException>(() => PolicyEngine.Decide(policy, Facts() with { Headers = null }));
    }

    private static PolicySnapshot Policy(RuleOutcome otherwise, params DomainRule[] rules) =>
        PolicyCompiler.Compile(new PolicySet([DomainName.Parse("example.org")], [.. rules], otherwise)).Snapshot!;

    private static MailFacts Facts(params AuthenticationVerdict[] verdicts) => new()
    {
        Direction = Direction.Inbound,
        Sender = MailAddress.Parse("x@bank.example"),
        Recipient = MailAddress.Parse("dora@example.org"),
        Headers = ImmutableArray<HeaderFact>.Empty,
        Authentication = [.. verdicts],
    };
}
