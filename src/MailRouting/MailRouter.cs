using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Addresses;
using GatewaySecure.Dns;
using GatewaySecure.MailRouting.Dane;
using GatewaySecure.MailRouting.MtaSts;
using GatewaySecure.MailRouting.TlsReports;

namespace GatewaySecure.MailRouting;

/// <summary>Who we are, so that mail is not sent to ourselves.</summary>
public sealed record MailRouterOptions
{
    public ImmutableHashSet<string> OwnNames { get; init; } = [];

    public ImmutableHashSet<IPAddress> OwnAddresses { get; init; } = [];

    /// <summary>TLS with a certificate for the host also where the domain itself demands nothing.</summary>
    public bool RequireTls { get; init; }
}

/// <summary>
/// Where mail for a domain goes by the DNS (RFC 5321 §5.1), and the TLS demanded of each host: DANE before MTA-STS (RFC 8461 §2). Thread-safe.
/// </summary>
public sealed class MailRouter(IDnsResolver dns, StsPolicies policies, MailRouterOptions options, Random? random = null)
{
    /// <summary>RFC 5321 §5.1 wants at least two tried; a list that goes on for ever is somebody's mistake or attack.</summary>
    private const int MostHosts = 16;

    private readonly Random _random = random ?? Random.Shared;

    public async Task<MailRoute> RouteAsync(DomainName domain, CancellationToken cancellationToken)
    {
        if (domain.IsAddressLiteral)
            return ToLiteral(domain);
        var mx = await dns.MxAsync(domain.Ascii, cancellationToken);
        switch (mx)
        {
            case DnsFailed<MailExchanger> failed:
                return new RouteDeferred("4.4.3", failed.Reason, []);
            case DnsNoSuchName<MailExchanger>:
                return new RouteRefused("5.1.2", $"{domain} does not exist");
            case DnsFound<MailExchanger> when mx.Records.All(r => r.Host.Length == 0):
                return new RouteRefused("5.1.10", $"{domain} takes no mail (null MX)");
        }
        var policy = policies.ForAsync(domain.Ascii, cancellationToken);
        var candidates = await Task.WhenAll(Exchangers(domain, mx).Select(e => LookUpAsync(e, cancellationToken)));
        var before = BeforeOurselves(candidates);
        if (before.IsEmpty)
            return new RouteDeferred("4.4.6", $"the mail hosts of {domain} are this gateway itself or come behind it: the route would be a loop", []);

        var demands = new Demands(domain.Ascii, mx, await policy, options.RequireTls);
        var judged = await Task.WhenAll(before.Select(c => JudgeAsync(c, demands, cancellationToken)));
        ImmutableArray<RouteHost> hosts = [.. judged.Select(j => j.Host).OfType<RouteHost>()];
        ImmutableArray<HostLeftOut> leftOut = [.. judged.Select(j => j.LeftOut).OfType<HostLeftOut>()];
        if (!hosts.IsEmpty)
            return new RouteFound(hosts, leftOut);
        var reason = string.Join("; ", leftOut.Select(h => $"{h.Name}: {h.Reason}"));
        // RFC 3463: 4.7.5 cryptographic failure, X.4.3 directory server failure, 5.4.4 unable to route.
        return leftOut.All(h => h.IsPermanent)
            ? new RouteRefused("5.4.4", reason)
            : new RouteDeferred(leftOut.Any(h => h.Failure is not null) ? "4.7.5" : "4.4.3", reason, leftOut);
    }

    private static RouteFound ToLiteral(DomainName domain)
    {
        var text = domain.Ascii[1..^1];
        var address = IPAddress.Parse(text.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase) ? text[5..] : text);
        return new RouteFound([new RouteHost(domain.Ascii, 0, [address], new OpportunisticTls(address.ToString()))], []);
    }

    /// <summary>By preference, those of the same one in any order (RFC 5321 §5.1); without MX, the domain's own host.</summary>
    private IEnumerable<MailExchanger> Exchangers(DomainName domain, DnsAnswer<MailExchanger> mx) =>
        mx is DnsFound<MailExchanger>
            ? mx.Records.Where(r => r.Host.Length > 0)
                .GroupBy(r => r.Host)
                .Select(same => same.MinBy(r => r.Preference)!)
                .OrderBy(r => r.Preference).ThenBy(_ => _random.Next())
                .Take(MostHosts)
            : [new MailExchanger(0, domain.Ascii)];

    private async Task<Candidate> LookUpAsync(MailExchanger exchanger, CancellationToken cancellationToken) =>
        new(exchanger, DomainName.TryParse(exchanger.Host, out _)
            ? await HostAddresses.LookUpAsync(dns, exchanger.Host, cancellationToken)
            : new HostAddresses([], exchanger.Host, IsAuthenticated: false, "is not a host name", IsCertain: true));

    /// <summary>RFC 5321 §5.1: of a list that we are in ourselves, only what is preferred to us.</summary>
    private ImmutableArray<Candidate> BeforeOurselves(Candidate[] candidates)
    {
        var own = candidates
            .Where(c => options.OwnNames.Contains(c.Exchanger.Host) || c.Addresses.Addresses.Any(options.OwnAddresses.Contains))
            .Select(c => c.Exchanger.Preference)
            .DefaultIfEmpty(int.MaxValue)
            .Min();
        return [.. candidates.Where(c => c.Exchanger.Preference < own)];
    }

    private async Task<(RouteHost? Host, HostLeftOut? LeftOut)> JudgeAsync(
        Candidate candidate, Demands demands, CancellationToken cancellationToken)
    {
        var ((preference, name), addresses) = candidate;
        if (addresses.Addresses.IsEmpty)
            return (null, new HostLeftOut(name, preference, addresses.Problem!, addresses.IsCertain));

        // RFC 7672 §2.2.1: hosts that an unproved answer names have no DANE.
        var dane = demands.Mx.IsAuthenticated ? await DaneLookup.FindAsync(dns, name, addresses, cancellationToken) : new NoDane();
        switch (dane)
        {
            case DaneFound found:
                return (Host(new DaneTls(found.BaseDomain, found.Records, demands.OtherNames)), null);
            case DaneUnknown unknown:
                var hidden = new ReportedPolicy("tlsa", unknown.BaseDomain, [], []);
                return Left(unknown.Reason, new TlsSession(demands.Domain, hidden, name, null, new TlsFailure(TlsResult.DnssecInvalid, unknown.Reason)));
        }
        if (demands.Policy is not { } policy)
            return (Host(demands.RequireTls ? new ConfiguredTls(name) : new OpportunisticTls(name)), null);
        var allowed = policy.Allows(name);
        if (!allowed && policy.Mode == StsMode.Enforce)
        {
            var failure = TlsFailure.NotInPolicy(name);
            return Left(failure.Detail, new TlsSession(demands.Domain, ReportedPolicy.Of(policy, demands.Domain), name, null, failure));
        }
        var sts = new StsTls(name, policy, allowed);
        return (Host(demands.RequireTls && !sts.IsRequired ? new ConfiguredTls(name) : sts), null);

        RouteHost Host(HostTls tls) => new(name, preference, addresses.Addresses, tls);

        (RouteHost?, HostLeftOut?) Left(string reason, TlsSession session) =>
            (null, new HostLeftOut(name, preference, reason, IsPermanent: false) { Failure = session });
    }

    private sealed record Candidate(MailExchanger Exchanger, HostAddresses Addresses);

    private sealed record Demands(string Domain, DnsAnswer<MailExchanger> Mx, StsPolicy? Policy, bool RequireTls)
    {
        /// <summary>RFC 7672 §3.2.2: the recipient's domain, and what it is an alias of.</summary>
        public ImmutableArray<string> OtherNames { get; } =
            Mx is DnsFound<MailExchanger> found && found.CanonicalName != Domain ? [Domain, found.CanonicalName] : [Domain];
    }
}
