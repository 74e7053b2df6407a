using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Addresses;
using GatewaySecure.Policies;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads what the configuration says of Exchange: <c>exchange-peers</c>, <c>exchange-tenants</c> and <c>journal</c>.</summary>
internal static class ExchangeReader
{
    public static ImmutableArray<IPNetwork> ReadPeers(ConfigurationSection top)
    {
        var peers = top.List<IPNetwork>("exchange-peers", ValueParsers.Network, mayBeEmpty: true);
        foreach (var all in peers.Where(p => p.PrefixLength == 0))
            top.Problem("exchange-peers", $"'{all}' is everybody: name the Exchange servers alone");
        return peers;
    }

    public static ImmutableArray<DomainName> ReadTenants(ConfigurationSection top)
    {
        var tenants = top.List<DomainName>("exchange-tenants", ValueParsers.Domain!);
        if (!tenants.IsEmpty && !HasPeers(top))
            top.Problem("exchange-tenants", "needs 'exchange-peers': the addresses that the tenants share");
        return tenants;
    }

    public static JournalConfiguration? ReadJournal(ConfigurationSection top, ImmutableArray<NextHopConfiguration> hops)
    {
        if (top.Section("journal", ConfigurationKeys.Journal) is not { } section)
            return null;
        if (!HasPeers(top))
            top.Problem("journal", "needs 'exchange-peers': only they may bring journal reports");
        var recipient = section.Required<MailAddress>("recipient", ValueParsers.Address!);
        var hop = NextHopReader.NameOfHop(section, "next-hop", hops);
        var method = section.Optional(
            "method", ValueParsers.Word(("normal", ProtectionMethod.Normal), ("ca", ProtectionMethod.Ca)), ProtectionMethod.Normal);
        // A journal holds everybody's mail.
        if (method == ProtectionMethod.Normal && hops.FirstOrDefault(h => h.Name == hop) is { Directory: null } way && !RequiresTls(way))
            section.Warning("next-hop", $"'{hop}' takes journal reports without TLS where there is none: say 'tls: required' there");
        return recipient is null || hop is null ? null : new JournalConfiguration(recipient, hop, method);
    }

    private static bool HasPeers(ConfigurationSection top) => top.Has("exchange-peers") && !top.IsEmptyList("exchange-peers");

    private static bool RequiresTls(NextHopConfiguration hop) => hop.Smtp?.Tls == TlsPolicy.Required || hop.Mx is { RequireTls: true };
}
