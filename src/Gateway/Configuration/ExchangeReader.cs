using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Policies;
using GatewaySecure.Settings;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads what the configuration says of Exchange: <c>exchange-peers</c>, <c>exchange-tenants</c> and <c>journal</c>.</summary>
internal static class ExchangeReader
{
    public static ExchangePeers ReadPeers(ConfigurationSection top, ImmutableArray<ListenerConfiguration> listeners)
    {
        var networks = ImmutableArray.CreateBuilder<IPNetwork>();
        var names = ImmutableArray.CreateBuilder<string>();
        foreach (var text in top.List<string>("exchange-peers", ValueParsers.Text!, mayBeEmpty: true))
        {
            if (listeners.Any(l => l.RelayCertificates.Any(c => c.Name == text)))
                names.Add(text);
            else if (!ValueParsers.Network(text, out var network, out _))
                top.Problem("exchange-peers", $"'{text}' is neither a network such as 192.0.2.0/24 nor the name of one of a listener's relay-certificates");
            else if (network.PrefixLength == 0)
                top.Problem("exchange-peers", $"'{text}' is everybody: name the Exchange servers alone");
            else
                networks.Add(network);
        }
        return new ExchangePeers(networks.ToImmutable(), names.ToImmutable());
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
