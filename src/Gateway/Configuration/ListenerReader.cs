using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>listeners</c>, and who may relay.</summary>
internal static class ListenerReader
{
    private const long DefaultMessageSize = 100L << 20;

    public static ImmutableArray<ListenerConfiguration> Read(ConfigurationSection top)
    {
        var listeners = ImmutableArray.CreateBuilder<ListenerConfiguration>();
        foreach (var section in top.Sections("listeners", ConfigurationKeys.Listener))
        {
            var address = section.Required<IPEndPoint>("address", ValueParsers.EndPoint!);
            var tls = section.Optional(
                "tls",
                ValueParsers.Word(("none", ListenerTls.None), ("starttls", ListenerTls.StartTls), ("implicit", ListenerTls.Implicit)),
                ListenerTls.StartTls);
            var authentication = section.Optional<bool>("authentication", ValueParsers.Switch, false);
            if (authentication && tls == ListenerTls.None)
                section.Problem("authentication", "needs TLS: passwords never travel in clear");
            if (address is not null && listeners.Any(l => address.Equals(l.Address)))
                section.Problem("address", $"'{address}' is the address of another listener too");
            listeners.Add(new ListenerConfiguration(
                address!,
                tls,
                authentication,
                section.Optional<long>("max-message-size", ValueParsers.Size, DefaultMessageSize),
                // The KDC's limit for one request.
                section.Optional("max-recipients", ValueParsers.Number(100, 1000), 1000),
                section.List<IPNetwork>("normalise-bare-line-ends-from", ValueParsers.Network, mayBeEmpty: true)));
        }
        if (!top.Has("listeners"))
            top.Problem("listeners", "is missing: where the gateway listens");
        else if (top.IsEmptyList("listeners"))
            top.Problem("listeners", "is an empty list: the gateway would listen nowhere");
        return listeners.ToImmutable();
    }

    public static ImmutableArray<IPNetwork> ReadRelayNetworks(ConfigurationSection top)
    {
        var networks = top.List<IPNetwork>("relay-networks", ValueParsers.Network, mayBeEmpty: true);
        foreach (var wide in networks.Where(n => n.PrefixLength < (n.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 8 : 16)))
            top.Warning("relay-networks", $"'{wide}' lets so many use the gateway as a relay that it is hardly meant");
        return networks;
    }
}
