using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Control;
using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Gateway.Exchange;
using GatewaySecure.Gateway.Jobs;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.Gateway.Queue;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Gateway.Reports;
using GatewaySecure.Gateway.Scanning;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Recipients;
using GatewaySecure.ServerHost;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Hosting;

/// <summary>
/// A running gateway: everything is opened and checked first, then the queue takes up what the spool holds, and only then do the
/// listeners open. Stopping goes the other way round.
/// </summary>
internal sealed class GatewayServer : IAsyncDisposable
{
    private readonly List<object> _owned = [];
    private readonly CancellationTokenSource _stopQueue = new();
    private ILogger _log = null!;
    private WebApplication _web = null!;
    private Task _queueRuns = Task.CompletedTask;
    private TimeSpan _drain;
    private KeyServices _keys = null!;
    private CertificateWatch _certificates = null!;
    private StateDirectory _state = null!;

    private GatewayServer()
    {
    }

    /// <summary>Where it listens, in the configuration's order.</summary>
    public ImmutableArray<IPEndPoint> EndPoints { get; private set; } = [];

    public string VaultDescription => _keys.VaultDescription;

    /// <exception cref="InvalidOperationException">The KDC runs elsewhere.</exception>
    public KdcAdministration Administration =>
        _keys.Administration ?? throw new InvalidOperationException("The KDC's principals are administered where it runs.");

    public CertificateDirectory Certificates => _certificates.Current;

    /// <param name="configuration">Checked.</param>
    /// <param name="stateDirectory">Made where it does not exist.</param>
    /// <param name="logFile">Null: the log goes to standard output.</param>
    /// <exception cref="IOException">A port is taken, a file can't be read, or another gateway runs on that state.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A key or certificate does not fit.</exception>
    public static async Task<GatewayServer> StartAsync(
        GatewayConfiguration configuration, string stateDirectory, string? logFile, CancellationToken cancellationToken)
    {
        var server = new GatewayServer();
        try
        {
            await server.OpenAsync(configuration, stateDirectory, logFile, cancellationToken);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>What the spool holds now, held mail included.</summary>
    public IReadOnlyList<SpooledMail> List() => MailSpool.ReadOnlyView(_state.Spool, _keys.Spool).Items;

    public async ValueTask DisposeAsync()
    {
        // Listeners first: sessions finish what arrives, and the queue still takes it.
        await DrainAsync();
        await _stopQueue.CancelAsync();
        await _queueRuns;
        foreach (var owned in Enumerable.Reverse(_owned))
        {
            if (owned is IAsyncDisposable later)
                await later.DisposeAsync();
            else
                ((IDisposable)owned).Dispose();
        }
        _stopQueue.Dispose();
    }

    /// <summary>What arrives is finished and answered, within its time; then the rest is cut, and stays with its senders.</summary>
    private async Task DrainAsync()
    {
        if (_web is null)
            return;
        using var limit = new CancellationTokenSource(_drain);
        try
        {
            await _web.StopAsync(limit.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            // Told below; the server returns or throws, as it was waiting for sessions or for something else of its own.
        }
        if (limit.IsCancellationRequested)
            _log.SessionsCut(_drain);
    }

    private async Task OpenAsync(
        GatewayConfiguration configuration, string stateDirectory, string? logFile, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        var state = _state = StateDirectory.Open(stateDirectory);
        Own(state.Lock());

        var keys = _keys = Own(await KeyServices.OpenAsync(configuration, state, time, cancellationToken));
        var logs = Own(ServerLogging.Create(logFile));
        builder.Services.AddSingleton(logs);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        _log = logs.CreateLogger<GatewayServer>();
        keys.VaultProblemChanged += problem =>
        {
            if (problem is null)
                _log.VaultBack();
            else
                _log.VaultAway(problem);
        };
        _certificates = Own(new CertificateWatch(
            configuration.CertificateFolders(state), configuration.TrustOptions(), time, problem => _log.CertificateProblem(problem)));
        var spool = MailSpool.Open(state.Spool, keys.Spool, configuration.Spool, time);

        var routing = Own(new RoutingServices(configuration, state, time, logs.CreateLogger<RoutingServices>()));
        var mark = new ProcessedMark(data => keys.Marks.Tag(data));
        var resolver = configuration.NextHops(routing, mark, time, o => Own(o));
        QueueRunner? queue = null;
        var reporter = new ReportWriter(spool, item => queue!.Add(item), configuration.HostName, new QueueTimes(configuration.Queue.ExpireAfter), time);
        var scan = Own(configuration.ContentScan(keys.Audit, time, logs.CreateLogger<ContentScan>()));
        var sealer = new MailProtector(time);
        var outgoing = new OutgoingSigner(sealer, configuration.DkimSigner(time, o => Own(o)), configuration.Policy, configuration.ArcSealer(time, o => Own(o)));
        var forms = new MailForms(
            new OpeningParts(new MailOpener(time), keys.Opening, configuration.Opening?.OpenUnsigned == true, configuration.Opening?.TagSubject == true), _certificates);
        var protector = new ItemProtector(sealer, forms, _certificates, keys.Signer, keys.Tickets, outgoing, configuration.ServiceId());
        var work = new ItemWork(protector, resolver, reporter, configuration.Queue, time, logs.CreateLogger<ItemWork>(), scan);
        queue = Own(new QueueRunner(work, configuration.Queue, time, logs.CreateLogger<QueueRunner>()));

        var receiving = configuration.ReceivingSettings() with { Mark = mark };
        var jobs = await JobScheduler.OpenAsync(state.Jobs, time, logs.CreateLogger<JobScheduler>(), cancellationToken);
        var notices = configuration.Certificates.Notify is { } officer ? new NoticeOutbox(spool, queue.Add, configuration.HostName, officer, time) : null;
        var trust = Own(new TrustJobs(configuration.Certificates, state, _certificates, keys.Signer, jobs, notices, time));
        // Ends before what its jobs work with.
        Own(jobs);
        var queueControl = new QueueControl(new QueueParts
        {
            Items = queue,
            Audit = keys.Audit,
            Reporter = reporter,
            Rules = new QueueRules(receiving),
            Requests = new LoweringRequests(state.Requests, time),
            NextHopOf = address => configuration.NextHopOf(address),
            Time = time,
        });
        var control = new GatewayControl(queueControl, new JobControl(jobs, keys.Audit, time));
        var listeners = configuration.Listeners(
            receiving, state, spool, queue.Add, configuration.SenderAuthentication(routing.Resolver, time), time, logs);
        _drain = configuration.Limits.DrainTimeout;
        // The token of StopAsync says when, not the host's own timeout.
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = Timeout.InfiniteTimeSpan);
        // Sessions go on where their octets arrive: one change of threads for a command instead of three. An fsync is waited for on other threads.
        builder.WebHost.UseKestrelCore().UseSockets(sockets =>
        {
            sockets.UnsafePreferInlineScheduling = true;
            sockets.MaxReadBufferSize = 128 << 10;
        }).ConfigureKestrel(kestrel =>
        {
            foreach (var (address, handler) in listeners)
                kestrel.Listen(address, endpoint => endpoint.Run(handler.OnConnectedAsync));
        });

        // What was accepted before goes on before anything new is accepted.
        var recovered = spool.Recover();
        foreach (var (file, reason) in recovered.SetAside)
            _log.SetAside(file, reason);
        foreach (var item in recovered.Items)
            queue.Add(item);
        _queueRuns = queue.RunAsync(_stopQueue.Token);
        if (ControlListener.Start(state.ControlSocket, control, time, _log) is { } listener)
            Own(listener);
        _certificates.Start();
        await trust.AddAsync(cancellationToken);
        await routing.AddJobsAsync(jobs, new TlsReportOutbox(spool, queue.Add, time), cancellationToken);
        await jobs.ForgetOthersAsync(cancellationToken);
        await jobs.StartAsync(cancellationToken);

        _web = builder.Build();
        Own(_web);
        // Told to stop meanwhile, it stops once it is up: a host that is cut off while it starts may never end.
        await _web.StartAsync(CancellationToken.None);
        EndPoints = [.. configuration.Listeners.Select(l => l.Address)];
        _log.Started(configuration.HostName.Ascii, string.Join(", ", EndPoints), recovered.Items.Length, keys.VaultDescription);
    }

    private T Own<T>(T thing)
        where T : class
    {
        _owned.Add(thing);
        return thing;
    }
}
