using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Policies;

namespace GatewaySecure.Policies.Tests;

public sealed class PolicyEngineTests
{
    private static readonly DomainName Ours = DomainName.Parse("example.org");
    private static readonly RuleOutcome Normal = RuleOutcome.Protect(ProtectionMethod.Normal);
    private static readonly RuleOutcome Ca = RuleOutcome.Protect(ProtectionMethod.Ca);
    private static readonly RuleOutcome Kdc = RuleOutcome.Protect(ProtectionMethod.Kdc);
    private static readonly RuleOutcome Reject = new(DecisionAction.Reject, []);
    private static readonly RuleOutcome Hold = new(DecisionAction.Hold, []);

    [Theory]
    [InlineData("alice@example.org", "bob@example.org", Direction.Internal)]
    [InlineData("alice@example.org", "carol@partner.example", Direction.Outbound)]
    [InlineData("carol@partner.example", "bob@example.org", Direction.Inbound)]
    [InlineData("carol@partner.example", "dave@other.example", Direction.Outbound)]
    [InlineData(null, "bob@example.org", Direction.Inbound)]
    [InlineData("alice@sub.example.org", "bob@EXAMPLE.org", Direction.Inbound)]
    public void The_direction_comes_from_our_own_domains(string? sender, string recipient, Direction direction) =>
        Assert.Equal(direction, Policy(Normal).DirectionOf(sender is null ? null : MailAddress.Parse(sender), MailAddress.Parse(recipient)));

    [Fact]
    public void The_first_rule_that_matches_wins_and_the_rest_is_not_reached()
    {
        var policy = Policy(Normal, Rule("one", Ca, Recipient("other.example")), Rule("two", Kdc, Recipient("*.example")), Rule("three", Hold));
        var explanation = PolicyEngine.Explain(policy, Facts("carol@partner.example"));
        Assert.Equal("two", explanation.Decision.Rule);
        Assert.Equal([ProtectionMethod.Kdc], explanation.Decision.Methods);
        Assert.Equal([RuleFinding.NotMatched, RuleFinding.Won, RuleFinding.NotReached], explanation.Rules.Select(r => r.Finding));
        Assert.Equal("recipient carol@partner.example does not match other.example", explanation.Rules[0].Why);
        Assert.Equal("recipient carol@partner.example matches *.example", explanation.Rules[1].Why);
        Assert.Equal("not reached: 'two' won before", explanation.Rules[2].Why);
        Assert.Equal("rule 'two': recipient carol@partner.example matches *.example", explanation.Decision.Reason);
    }

    public static TheoryData<Condition, string> FailingConditions => new()
    {
        { new Condition.DirectionIs([Direction.Internal, Direction.Inbound]), "direction is outbound, not internal or inbound" },
        { Sender("<>", "bob@example.org"), "sender alice@example.org does not match <> or bob@example.org" },
        { Recipient("other.example", "*.partner.example"), "recipient carol@partner.example does not match other.example or *.partner.example" },
        { new Condition.HeaderIs("Subject", [Text("[secure]*"), Text("/x/")]), "Subject does not match [secure]* or /x/" },
        { new Condition.HeaderIs("X-Secure", []), "there is no X-Secure field" },
    };

    [Theory]
    [MemberData(nameof(FailingConditions))]
    public void Every_condition_says_why_it_does_not_hold(Condition condition, string why)
    {
        var note = Assert.Single(PolicyEngine.Explain(Policy(Normal, Rule("r", Ca, condition)), Facts("carol@partner.example")).Rules);
        Assert.Equal((RuleFinding.NotMatched, why), (note.Finding, note.Why));
    }

    [Fact]
    public void A_null_sender_is_shown_as_such() =>
        Assert.Equal(
            "sender <> does not match *",
            PolicyEngine.Explain(Policy(Normal, Rule("r", Ca, Sender("*"))), Facts("carol@partner.example", sender: null)).Rules[0].Why);

    [Fact]
    public void What_no_rule_matches_gets_the_default()
    {
        var decision = PolicyEngine.Decide(Policy(Hold, Rule("never", Normal, Recipient("other.example"))), Facts("carol@partner.example"));
        Assert.Equal(PolicyEngine.DefaultRule, decision.Rule);
        Assert.Equal(DecisionAction.Hold, decision.Action);
        Assert.Equal("the default: no rule matches", decision.Reason);
    }

    [Fact]
    public void All_conditions_of_a_rule_must_hold()
    {
        var policy = Policy(Normal, Rule("both", Ca, Sender("alice@example.org"), Recipient("partner.example"), Is(Direction.Outbound)));
        Assert.Equal("both", PolicyEngine.Decide(policy, Facts("carol@partner.example")).Rule);
        Assert.Equal(PolicyEngine.DefaultRule, PolicyEngine.Decide(policy, Facts("carol@partner.example", sender: "bob@example.org")).Rule);
        Assert.Equal(PolicyEngine.DefaultRule, PolicyEngine.Decide(policy, Facts("carol@partner.example", direction: Direction.Inbound)).Rule);
    }

    [Fact]
    public void A_rule_for_a_domain_in_any_spelling_is_the_same_rule()
    {
        var policy = Policy(Normal, Rule("books", Ca, Recipient("BÜCHER.example")));
        Assert.Equal("books", PolicyEngine.Decide(policy, Facts("x@xn--bcher-kva.example")).Rule);
        Assert.Equal("books", PolicyEngine.Decide(policy, Facts("x@bücher.EXAMPLE")).Rule);
    }

    [Fact]
    public void A_trigger_that_the_sender_writes_raises_protection()
    {
        var policy = Policy(Normal, Rule("on request", Ca, Subject("[secure]*")));
        Assert.Equal("on request", PolicyEngine.Decide(policy, Facts("carol@partner.example", subject: "[Secure] Offer")).Rule);
        Assert.Equal(PolicyEngine.DefaultRule, PolicyEngine.Decide(policy, Facts("carol@partner.example", subject: "Re: [secure]")).Rule);
    }

    [Fact]
    public void A_trigger_that_the_sender_writes_never_lowers_protection()
    {
        var policy = Policy(
            Normal,
            Rule("newsletter", Normal, new Condition.HeaderIs("X-Newsletter", [])),
            Rule("noise", Normal, Recipient("other.example")),
            Rule("mandatory", Kdc, Is(Direction.Internal)));
        var explanation = PolicyEngine.Explain(policy, Facts("bob@example.org", direction: Direction.Internal, header: ("X-Newsletter", "1")));
        Assert.Equal("mandatory", explanation.Decision.Rule);
        Assert.Equal("matches (there is a X-Newsletter field), but would lower what rule 'mandatory' demands", explanation.Rules[0].Why);
        Assert.Equal("recipient bob@example.org does not match other.example", explanation.Rules[1].Why);
        Assert.Equal(RuleFinding.Won, explanation.Rules[2].Finding);
    }

    [Fact]
    public void The_default_can_not_be_lowered_by_a_trigger_either() =>
        Assert.Equal(
            DecisionAction.Hold,
            PolicyEngine.Decide(Policy(Hold, Rule("let it out", Normal, Subject("public"))), Facts("x@partner.example", subject: "public")).Action);

    [Fact]
    public void A_fallback_to_clear_counts_as_clear_when_triggers_are_weighed()
    {
        var orNormal = RuleOutcome.Protect(ProtectionMethod.Kdc, ProtectionMethod.Normal);
        var policy = Policy(Normal, Rule("weak", orNormal, Subject("x")), Rule("strong", Ca));
        Assert.Equal("strong", PolicyEngine.Decide(policy, Facts("carol@partner.example", subject: "x")).Rule);
    }

    [Fact]
    public void A_trigger_can_not_leave_out_the_better_method_that_is_tried_first()
    {
        var either = RuleOutcome.Protect(ProtectionMethod.Kdc, ProtectionMethod.Ca);
        var policy = Policy(Normal, Rule("smime please", Ca, Subject("[smime]*")), Rule("inside", either, Is(Direction.Internal)));
        Assert.Equal("inside", PolicyEngine.Decide(policy, Facts("bob@example.org", direction: Direction.Internal, subject: "[smime] x")).Rule);
    }

    [Fact]
    public void One_pattern_with_a_comma_is_another_policy_than_two_patterns() =>
        Assert.NotEqual(
            Policy(Normal, Rule("a", Ca, Subject("a,b"))).Version,
            Policy(Normal, Rule("a", Ca, new Condition.HeaderIs("Subject", [Text("a"), Text("b")]))).Version);

    [Fact]
    public void Every_one_of_repeated_fields_is_seen()
    {
        var policy = Policy(Normal, Rule("on request", Ca, Subject("secret")));
        var facts = Facts("carol@partner.example", subject: "hello") with
        {
            Headers = [new HeaderFact("Subject", "hello"), new HeaderFact("SUBJECT", "very secret")],
        };
        Assert.Equal("on request", PolicyEngine.Decide(policy, facts).Rule);
    }

    [Fact]
    public void A_refusal_by_the_envelope_is_known_before_the_content()
    {
        var policy = Policy(Normal, Rule("on request", Ca, Subject("x")), Rule("never", Reject, Recipient("competitor.example")));
        Assert.Equal("never", PolicyEngine.TryDecideEarly(policy, Envelope("x@competitor.example"))!.Rule);
        Assert.Null(PolicyEngine.TryDecideEarly(policy, Envelope("x@partner.example")));
    }

    [Fact]
    public void A_content_rule_that_can_not_match_keeps_nothing_open()
    {
        var policy = Policy(Normal, Rule("on request", Ca, Recipient("other.example"), Subject("x")), Rule("inside", Kdc, Is(Direction.Internal)));
        Assert.Equal("inside", PolicyEngine.TryDecideEarly(policy, Envelope("bob@example.org", Direction.Internal))!.Rule);
        Assert.Equal(PolicyEngine.DefaultRule, PolicyEngine.TryDecideEarly(policy, Envelope("x@partner.example"))!.Rule);
    }

    [Fact]
    public void Judging_content_before_it_is_known_is_an_error_and_no_match() =>
        Assert.Throws<InvalidOperationException>(
            () => PolicyEngine.Decide(Policy(Normal, Rule("x", Ca, Subject("x"))), Envelope("x@partner.example")));

    [Fact]
    public void Equal_policies_have_equal_versions_and_others_do_not()
    {
        Assert.Equal(Policy(Normal, Rule("a", Ca)).Version, Policy(Normal, Rule("a", Ca)).Version);
        Assert.NotEqual(Policy(Normal, Rule("a", Ca)).Version, Policy(Normal, Rule("a", Kdc)).Version);
        Assert.NotEqual(Policy(Normal, Rule("a", Ca)).Version, Policy(Hold, Rule("a", Ca)).Version);
        Assert.NotEqual(
            Policy(Normal, Rule("a", Ca, Recipient("x.example"))).Version, Policy(Normal, Rule("a", Ca, Sender("x.example"))).Version);
    }

    /// <summary>Random policies and mails: explaining decides the same; what the envelope alone settles stays settled; triggers never lower.</summary>
    [Fact]
    public void Deciding_explaining_and_deciding_early_agree_whatever_the_rules()
    {
        var random = new Random(20260301);
        RuleOutcome[] outcomes = [Normal, Ca, Kdc, Hold, Reject, RuleOutcome.Protect(ProtectionMethod.Kdc, ProtectionMethod.Ca)];
        Func<Condition>[] conditions =
        [
            () => Recipient("partner.example"), () => Recipient("*.example"), () => Sender("alice@example.org"), () => Sender("<>"),
            () => Is(Direction.Outbound), () => Is(Direction.Internal), () => Subject("x"), () => new Condition.HeaderIs("X-T", []),
        ];
        for (var round = 0; round < 2000; round++)
        {
            var rules = Enumerable.Range(0, random.Next(6))
                .Select(i => Rule($"r{i}", Pick(outcomes), [.. Enumerable.Range(0, random.Next(3)).Select(_ => Pick(conditions)())]))
                .ToArray();
            var policy = Policy(Pick(outcomes), rules);
            var facts = Facts(
                Pick(["carol@partner.example", "bob@example.org"]),
                Pick(["alice@example.org", null, "eve@evil.example"]),
                subject: Pick(["x", "y"]),
                header: Pick([("X-T", "1"), ("X-U", "1")]));
            facts = facts with { Direction = policy.DirectionOf(facts.Sender, facts.Recipient) };

            var decision = PolicyEngine.Decide(policy, facts);
            var explanation = PolicyEngine.Explain(policy, facts);
            Assert.Equal(Shape(decision), Shape(explanation.Decision));
            Assert.Equal(rules.Select(r => r.Name), explanation.Rules.Select(r => r.Rule));
            Assert.Equal(decision.Rule == PolicyEngine.DefaultRule ? 0 : 1, explanation.Rules.Count(r => r.Finding == RuleFinding.Won));
            if (PolicyEngine.TryDecideEarly(policy, facts with { Headers = null }) is { } early)
            {
                // A refusal stands, though a trigger that refuses too may come first.
                Assert.Equal(early.Action, decision.Action);
                if (early.Action != DecisionAction.Reject)
                    Assert.Equal(Shape(early), Shape(decision));
            }

            var envelopeOnly = Policy(policy.Default, [.. rules.Where(r => !r.NeedsContent)]);
            var floor = PolicyEngine.Decide(envelopeOnly, facts);
            Assert.True(Weakest(decision) >= Weakest(floor) && Best(decision) >= Best(floor));
        }

        T Pick<T>(T[] values) => values[random.Next(values.Length)];
    }

    private static string Shape(Decision d) => $"{d.Rule} {d.Action} {string.Join(',', d.Methods)} {d.WhenUnavailable} {d.Reason}";

    private static int Weakest(Decision d) => d.Action == DecisionAction.Protect ? d.Methods.Min(Rank) : Rank(d.Action);

    private static int Best(Decision d) => d.Action == DecisionAction.Protect ? d.Methods.Max(Rank) : Rank(d.Action);

    private static int Rank(DecisionAction action) => action == DecisionAction.Hold ? 3 : 4;

    private static int Rank(ProtectionMethod method) => method switch
    {
        ProtectionMethod.Normal => 0,
        ProtectionMethod.Ca => 1,
        _ => 2,
    };

    private static PolicySnapshot Policy(RuleOutcome otherwise, params DomainRule[] rules) =>
        PolicyCompiler.Compile(new PolicySet([Ours], [.. rules], otherwise)).Snapshot!;

    private static DomainRule Rule(string name, RuleOutcome outcome, params Condition[] conditions) => new(name, [.. conditions], outcome);

    private static Condition.DirectionIs Is(Direction direction) => new([direction]);

    private static Condition.RecipientIs Recipient(params string[] patterns) => new([.. patterns.Select(Pattern)]);

    private static Condition.SenderIs Sender(params string[] patterns) => new([.. patterns.Select(Pattern)]);

    private static Condition.HeaderIs Subject(string pattern) => new("Subject", [Text(pattern)]);

    private static TextPattern Text(string pattern) => TextPattern.TryParse(pattern, out var parsed, out _) ? parsed : throw new FormatException(pattern);

    private static AddressPattern Pattern(string text) => AddressPattern.TryParse(text, out var pattern) ? pattern : throw new FormatException(text);

    private static MailFacts Envelope(string recipient, Direction direction = Direction.Outbound) => new()
    {
        Direction = direction,
        Sender = MailAddress.Parse("alice@example.org"),
        Recipient = MailAddress.Parse(recipient),
    };

    private static MailFacts Facts(
        string recipient,
        string? sender = "alice@example.org",
        Direction direction = Direction.Outbound,
        string subject = "hello",
        (string Name, string Value)? header = null)
    {
        var headers = ImmutableArray.Create(new HeaderFact("Subject", subject));
        return new MailFacts
        {
            Direction = direction,
            Sender = sender is null ? null : MailAddress.Parse(sender),
            Recipient = MailAddress.Parse(recipient),
            Headers = header is var (name, value) ? headers.Add(new HeaderFact(name, value)) : headers,
        };
    }
}
