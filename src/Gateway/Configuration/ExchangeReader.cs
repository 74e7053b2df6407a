using System.Collections.Immutable;
using System.Net;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads what the configuration says of Exchange.</summary>
internal static class ExchangeReader
{
    public static ImmutableArray<IPNetwork> ReadPeers(ConfigurationSection top)
    {
        var peers = top.List<IPNetwork>("exchange-peers", ValueParsers.Network, mayBeEmpty: true);
        foreach (var all in peers.Where(p => p.PrefixLength == 0))
            top.Problem("exchange-peers", $"'{all}' is everybody: name the Exchange servers alone");
        return peers;
    }
}
