using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.Addresses;

namespace GatewaySecure.Policies;

/// <summary>A checked policy that never changes: one mail is decided by one of them. Made by <see cref="PolicyCompiler"/>.</summary>
public sealed class PolicySnapshot
{
    internal PolicySnapshot(PolicySet set)
    {
        OwnDomains = set.OwnDomains.ToFrozenSet();
        Rules = set.Rules;
        Default = set.Default;
        var domains = Canonical.Of(set.OwnDomains.Select(d => d.Ascii).Order(StringComparer.Ordinal));
        var canonical = Canonical.Of([domains, .. set.Rules.Select(r => r.Canonical), set.Default.Canonical]);
        Version = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))[..12];
    }

    private PolicySnapshot(PolicySnapshot whole, ImmutableArray<DomainRule> rules, RuleOutcome otherwise) =>
        (OwnDomains, Rules, Default, Version) = (whole.OwnDomains, rules, otherwise, whole.Version);

    /// <summary>
    /// What is demanded of mail that a person lets go: the same rules in their order without those that hold. A default that holds
    /// demands nothing more.
    /// </summary>
    public PolicySnapshot WithoutHolds() => new(
        this,
        [.. Rules.Where(r => r.Outcome.Action != DecisionAction.Hold)],
        Default.Action == DecisionAction.Hold ? RuleOutcome.Protect(ProtectionMethod.Normal) : Default);

    /// <summary>Twelve hexadecimal digits; equal for policies that say the same.</summary>
    public string Version { get; }

    public FrozenSet<DomainName> OwnDomains { get; }

    public ImmutableArray<DomainRule> Rules { get; }

    public RuleOutcome Default { get; }

    /// <summary>By the addresses alone. What goes from one foreign domain to another leaves the organisation, so it is outbound.</summary>
    public Direction DirectionOf(MailAddress? sender, MailAddress recipient)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        if (!OwnDomains.Contains(recipient.Domain))
            return Direction.Outbound;
        return sender is not null && OwnDomains.Contains(sender.Domain) ? Direction.Internal : Direction.Inbound;
    }
}
