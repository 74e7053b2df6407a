using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Policies;

namespace GatewaySecure.Policies.Tests;

public sealed class PolicyCompilerTests
{
    private static readonly RuleOutcome Ca = RuleOutcome.Protect(ProtectionMethod.Ca);

    [Fact]
    public void Everything_wrong_is_found_at_once()
    {
        var (snapshot, findings) = PolicyCompiler.Compile(new PolicySet(
            [],
            [
                new DomainRule("a", [To("x.example")], RuleOutcome.Protect()),
                new DomainRule("A", [To("y.example")], RuleOutcome.Protect(ProtectionMethod.Ca, ProtectionMethod.Ca)),
                new DomainRule(" ", [To("z.example")], RuleOutcome.Protect(ProtectionMethod.Normal, ProtectionMethod.Ca)),
            ],
            RuleOutcome.Protect()));
        Assert.Null(snapshot);
        Assert.Equal(
            ["organisation-domains", "rules[0].method", "rules[1].name", "rules[1].method", "rules[2].name", "rules[2].method", "default.method"],
            findings.Where(f => f.IsError).Select(f => f.Key));
    }

    [Fact]
    public void A_rule_that_an_earlier_one_shadows_is_named()
    {
        var finding = Assert.Single(Findings(new DomainRule("all", [], Ca), new DomainRule("never", [To("x.example")], Ca)));
        Assert.Equal(("rules[1]", "'never' is never reached: 'all' matches all of its mail before", false), (finding.Key, finding.Message, finding.IsError));
    }

    [Fact]
    public void Smime_is_opened_for_inbound_mail_alone_and_going_on_in_clear_is_warned_of()
    {
        var open = RuleOutcome.Protect(ProtectionMethod.Kdc) with { Smime = SmimeHandling.Open };
        var inbound = new Condition.DirectionIs([Direction.Inbound]);
        Assert.Empty(Findings(new DomainRule("a", [inbound], open)));
        foreach (var rule in new[]
        {
            new DomainRule("a", [], open),
            new DomainRule("a", [new Condition.DirectionIs([Direction.Inbound, Direction.Outbound])], open),
            new DomainRule("a", [To("x.example")], open with { Smime = SmimeHandling.Verify }),
        })
        {
            Assert.Equal(("rules[0].smime", true), Assert.Single(Findings(rule).Select(f => (f.Key, f.IsError))));
        }
        var clear = Assert.Single(Findings(new DomainRule("a", [inbound], open with { Methods = [ProtectionMethod.Normal] })));
        Assert.Equal(("rules[0].smime", false), (clear.Key, clear.IsError));

        // Whoever lays open what was left closed asks two people.
        var closed = RuleOutcome.Protect(ProtectionMethod.Normal);
        Assert.False((closed with { Smime = SmimeHandling.Open }).IsAtLeast(closed));
        Assert.True(closed.IsAtLeast(closed with { Smime = SmimeHandling.Open }));
        Assert.True(open.IsAtLeast(closed));
        Assert.False(open.IsSameAs(open with { Smime = SmimeHandling.Leave }));
    }

    [Fact]
    public void Falling_back_to_clear_is_warned_of()
    {
        var finding = Assert.Single(Findings(new DomainRule("a", [], RuleOutcome.Protect(ProtectionMethod.Ca, ProtectionMethod.Normal))));
        Assert.Contains("in clear", finding.Message, StringComparison.Ordinal);
        Assert.False(finding.IsError);
    }

    [Fact]
    public void A_trigger_before_a_stricter_rule_is_explained()
    {
        var trigger = new DomainRule("trigger", [new Condition.HeaderIs("X-Public", [])], RuleOutcome.Protect(ProtectionMethod.Normal));
        var finding = Assert.Single(Findings(trigger, new DomainRule("strict", [], Ca)));
        Assert.Contains("only raises protection", finding.Message, StringComparison.Ordinal);
    }

    private static ImmutableArray<PolicyFinding> Findings(params DomainRule[] rules) =>
        PolicyCompiler.Compile(new PolicySet([DomainName.Parse("example.org")], [.. rules], RuleOutcome.Protect(ProtectionMethod.Normal))).Findings;

    private static Condition.RecipientIs To(string pattern) =>
        new([AddressPattern.TryParse(pattern, out var parsed) ? parsed : throw new FormatException(pattern)]);
}
