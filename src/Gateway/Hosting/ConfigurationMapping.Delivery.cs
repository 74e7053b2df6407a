using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Gateway.Exchange;
using GatewaySecure.Policies;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Hosting;

// Where mail goes from here.
internal static partial class ConfigurationMapping
{
    /// <param name="mark">For the next hops that are to know mail that was dealt with.</param>
    /// <param name="own">Is given what has to be disposed of at the end.</param>
    public static NextHopResolver NextHops(
        this GatewayConfiguration configuration, RoutingServices routing, ProcessedMark mark, TimeProvider time, Action<object> own)
    {
        var hops = configuration.NextHops.ToDictionary(h => h.Name, Build);
        // A route that demands TLS has a next hop, and so sessions and a lane, of its own; connections count together.
        var underTls = configuration.Routes.Where(r => r.RequireTls).Select(r => r.NextHop).Distinct()
            .ToDictionary(n => n, n => Build(configuration.NextHops.Single(h => h.Name == n).UnderTls()));

        INextHops Build(NextHopConfiguration h)
        {
            if (h.Directory is { } directory)
                return new EmlDirectoryNextHop(h.Name, directory, time);
            var session = configuration.ClientOptions(h, time);
            if (h.Mx is { } mx)
            {
                var hosts = new MxNextHop(
                    h.Name, routing.Router(mx.RequireTls), new MxOptions(session, routing.Counter, h.Connections)
                {
                    ConnectTimeout = configuration.Delivery.ConnectTimeout,
                    SharedName = h.Destination,
                }, time);
                own(hosts);
                return hosts;
            }
            var hostsInOrder = h.Smtp!.Hosts.Select(to => ToSmartHost(h, to, session, configuration.Delivery.ConnectTimeout));
            var smartHosts = new SmartHostNextHop(h.Name, [.. hostsInOrder], h.Connections, time) { Destination = h.Destination };
            own(smartHosts);
            return h.Marks ? new MarkingNextHop(smartHosts, mark, time) : smartHosts;
        }

        // Before all routes: journal reports go their own way, and nothing else goes there.
        var journal = configuration.Journal is { } j && AddressPattern.TryParse(j.Recipient.ToString(), out var only)
            ? ImmutableArray.Create(new Route([only], hops[j.NextHop]))
            : [];
        var routes = configuration.Routes.Select(r => new Route(r.Recipients, (r.RequireTls ? underTls : hops)[r.NextHop]));
        return new NextHopResolver([.. journal, .. routes], hops[configuration.DefaultNextHop]);
    }

    /// <summary>The same next hop, where nothing goes there without TLS and a good certificate.</summary>
    public static NextHopConfiguration UnderTls(this NextHopConfiguration hop) =>
        hop.Smtp is { Tls: TlsPolicy.Required } || hop.Mx is { RequireTls: true }
            ? hop
            : hop with
            {
                Name = $"{hop.Name} under TLS",
                Smtp = hop.Smtp is { } smtp ? smtp with { Tls = TlsPolicy.Required } : null,
                Mx = hop.Mx is { } mx ? mx with { RequireTls = true } : null,
            };

    /// <summary>The name of the next hop that the routes give a recipient.</summary>
    public static string NextHopOf(this GatewayConfiguration configuration, MailAddress recipient) =>
        configuration.Journal is { } journal && journal.Recipient.Equals(recipient)
            ? journal.NextHop
            : configuration.Routes.FirstOrDefault(r => r.Recipients.Any(p => p.Matches(recipient)))?.NextHop ?? configuration.DefaultNextHop;

    private static SmartHost ToSmartHost(NextHopConfiguration hop, HostAndPort to, SmtpClientOptions session, TimeSpan connectTimeout)
    {
        var smtp = hop.Smtp!;
        return new SmartHost(
            hop.Name,
            to.Host,
            to.Port,
            session with
            {
                TargetHost = smtp.TlsName ?? to.Host,
                Tls = smtp.Tls,
                Credentials = smtp.User is { } user ? new SmtpCredentials(user, smtp.Password ?? "") : null,
            },
            smtp.Trust)
        {
            ConnectTimeout = connectTimeout,
        };
    }

    /// <summary>What is the same for every host; whose name each host's own session brings.</summary>
    private static SmtpClientOptions ClientOptions(this GatewayConfiguration configuration, NextHopConfiguration hop, TimeProvider time) => new()
    {
        ClientCertificate = hop.ClientCertificate,
        LocalName = configuration.HostName,
        TargetHost = "",
        TimeProvider = time,
        GreetingTimeout = configuration.Delivery.GreetingTimeout,
        CommandTimeout = configuration.Delivery.CommandTimeout,
        DataInitiationTimeout = configuration.Delivery.DataCommandTimeout,
        DataBlockTimeout = configuration.Delivery.BlockTimeout,
        DataTerminationTimeout = configuration.Delivery.FinalDotTimeout,
    };
}
