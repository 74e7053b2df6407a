using System.Collections.Immutable;
using System.Net;
using System.Net.NetworkInformation;
using GatewaySecure.Dns;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Jobs;
using GatewaySecure.MailRouting;
using GatewaySecure.MailRouting.MtaSts;
using GatewaySecure.MailRouting.TlsReports;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Hosting;

/// <summary>What finds out where mail goes by the DNS and under which TLS, with the jobs that keep its policies fresh and send the TLS reports.</summary>
internal sealed class RoutingServices : IAsyncDisposable
{
    private static readonly TimeSpan JobInterval = TimeSpan.FromHours(1);
    private static readonly TimeSpan SaveInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan FirstRun = TimeSpan.FromSeconds(10);

    private readonly GatewayConfiguration _configuration;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly StsPolicies _policies;
    private readonly TlsReportCounts? _counts;
    private PeriodicJob? _saving;

    /// <param name="readOnly">For who only wants to look: nothing is written, nothing counted.</param>
    public RoutingServices(GatewayConfiguration configuration, StateDirectory state, TimeProvider time, ILogger log, bool readOnly = false)
    {
        (_configuration, _time, _log) = (configuration, time, log);
        Resolver = configuration.Resolver(time);
        if (configuration.TlsReports is not null && !readOnly)
            _counts = new TlsReportCounts(state.TlsReports, time, log);
        _policies = new StsPolicies(
            Resolver, new StsFetcher(Resolver, time), new StsStore(state.MtaSts, time, log, readOnly), Counter, time, log);
    }

    public DnsResolver Resolver { get; }

    public ITlsSessionCounter Counter => _counts is null ? new NoTlsSessionCounter() : _counts;

    public MailRouter Router(bool requireTls) => new(Resolver, _policies, new MailRouterOptions
    {
        OwnNames = [_configuration.HostName.Ascii],
        OwnAddresses = OwnAddresses(_configuration.Listeners),
        RequireTls = requireTls,
    });

    public async Task AddJobsAsync(JobScheduler jobs, ITlsReportOutbox outbox, CancellationToken cancellationToken)
    {
        await AddAsync("mta-sts", "Refreshes the MTA-STS policies of other domains.", _policies.RefreshAsync);
        if (_counts is null)
            return;
        var reporter = new TlsReporter(_configuration.OrganisationDomains[0], _configuration.TlsReports!.From);
        var sender = new TlsReportSender(_counts, Resolver, outbox, reporter, _time, _log);
        await AddAsync("tls-reports", "Sends the daily TLS reports.", sender.RunAsync);
        // What is counted in memory: no job that anybody would look at or stop.
        _saving = new PeriodicJob("TLS report counts", SaveInterval, _ => { _counts.Save(); return Task.CompletedTask; }, _time, _log);
        _saving.Start(SaveInterval);

        Task AddAsync(string name, string description, Func<CancellationToken, Task> run) => jobs.AddAsync(
            new ScheduledJob(name, description, JobInterval, FirstRun, async token =>
            {
                await run(token);
                return new JobReport("Done.");
            }),
            cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (_saving is not null)
            await _saving.DisposeAsync();
        _counts?.Save();
    }

    /// <summary>Where other hosts reach us: listeners on port 25, all addresses of the machine but loopback where one listens on all.</summary>
    private static ImmutableHashSet<IPAddress> OwnAddresses(ImmutableArray<ListenerConfiguration> listeners)
    {
        var own = listeners.Select(l => l.Address).Where(a => a.Port == 25).Select(a => a.Address).ToList();
        if (own.Exists(a => a.Equals(IPAddress.Any) || a.Equals(IPAddress.IPv6Any)))
        {
            own.AddRange(NetworkInterface.GetAllNetworkInterfaces()
                .SelectMany(i => i.GetIPProperties().UnicastAddresses.Select(a => a.Address))
                .Where(a => !IPAddress.IsLoopback(a)));
        }
        return [.. own];
    }
}
