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
        var hops = configuration.NextHops.ToDictionary(h => h.Name, INextHops (h) =>
        {
            if (h.Directory is { } directory)
                return new EmlDirectoryNextHop(h.Name, directory, time);
            if (h.Mx is { } mx)
            {
                var hosts = new MxNextHop(
                    h.Name, routing.Router(mx.RequireTls), new MxOptions(configuration.ClientOptions(time), routing.Counter), time);
                own(hosts);
                return hosts;
            }
            var agent = new SmtpDeliveryAgent(configuration.ToSmartHost(h, time), time);
            own(agent);
            return h.Marks ? new MarkingNextHop(agent, mark, time) : agent;
        });
        // Before all routes: journal reports go their own way, and nothing else goes there.
        var journal = configuration.Journal is { } j && AddressPattern.TryParse(j.Recipient.ToString(), out var only)
            ? ImmutableArray.Create(new Route([only], hops[j.NextHop]))
            : [];
        return new NextHopResolver([.. journal, .. configuration.Routes.Select(r => new Route(r.Recipients, hops[r.NextHop]))], hops[configuration.DefaultNextHop]);
    }

    /// <summary>The name of the next hop that the routes give a recipient.</summary>
    public static string NextHopOf(this GatewayConfiguration configuration, MailAddress recipient) =>
        configuration.Journal is { } journal && journal.Recipient.Equals(recipient)
            ? journal.NextHop
            : configuration.Routes.FirstOrDefault(r => r.Recipients.Any(p => p.Matches(recipient)))?.NextHop ?? configuration.DefaultNextHop;

    private static SmartHost ToSmartHost(this GatewayConfiguration configuration, NextHopConfiguration hop, TimeProvider time)
    {
        var smtp = hop.Smtp!;
        return new SmartHost(hop.Name, smtp.Host, smtp.Port, configuration.ClientOptions(time) with
        {
            TargetHost = smtp.TlsName ?? smtp.Host,
            Tls = smtp.Tls,
            Credentials = smtp.User is { } user ? new SmtpCredentials(user, smtp.Password ?? "") : null,
        });
    }

    /// <summary>What is the same for every host; whose name each host's own session brings.</summary>
    private static SmtpClientOptions ClientOptions(this GatewayConfiguration configuration, TimeProvider time) => new()
    {
        LocalName = configuration.HostName,
        TargetHost = "",
        TimeProvider = time,
        // RFC 5321 §4.5.3.2.1 asks for five minutes; a worker is too dear for that, and the mail is tried again.
        GreetingTimeout = TimeSpan.FromMinutes(1),
    };
}
