using System.Collections.Immutable;
using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.KdcServer.Http;
using GatewaySecure.KdcServer.Operators;
using GatewaySecure.ServerHost;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.KdcServer.Hosting;

/// <summary>A running KDC server: vault and database are opened and checked first, then the listeners; stopping goes the other way round.</summary>
internal sealed class KdcHost : IAsyncDisposable
{
    private readonly List<object> _owned = [];
    private ILogger _log = null!;
    private WebApplication? _web;
    private TimeSpan _drain;

    private KdcHost()
    {
    }

    /// <summary>Where it listens, in the configuration's order.</summary>
    public ImmutableArray<IPEndPoint> EndPoints { get; private set; } = [];

    /// <exception cref="IOException">A port is taken, a file can't be read, or another KDC runs on that state.</exception>
    /// <exception cref="CryptographicException">A key or certificate does not fit.</exception>
    public static async Task<KdcHost> StartAsync(
        KdcServerConfiguration configuration, string stateDirectory, string? logFile, TimeProvider time, CancellationToken cancellationToken)
    {
        var host = new KdcHost();
        try
        {
            await host.OpenAsync(configuration, stateDirectory, logFile, time, cancellationToken);
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_web is not null)
            await StopAsync(_web);
        foreach (var owned in Enumerable.Reverse(_owned))
        {
            if (owned is IAsyncDisposable later)
                await later.DisposeAsync();
            else
                ((IDisposable)owned).Dispose();
        }
    }

    private async Task StopAsync(WebApplication web)
    {
        using var limit = new CancellationTokenSource(_drain);
        try
        {
            await web.StopAsync(limit.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            // Told below, as where the host returns instead.
        }
        if (limit.IsCancellationRequested)
            _log.RequestsCut(_drain);
        _log.Stopped();
    }

    private async Task OpenAsync(
        KdcServerConfiguration configuration, string stateDirectory, string? logFile, TimeProvider time, CancellationToken cancellationToken)
    {
        var state = KdcState.Open(stateDirectory);
        Own(StateLock.Take(state.Root, "kdc"));
        var logs = Own(ServerLogging.Create(logFile));
        _log = logs.CreateLogger<KdcHost>();
        var keys = Own(await KdcKeys.OpenAsync(state, configuration.Vault, cancellationToken));
        var anchoring = Own(new AuditAnchoring(keys, configuration, state, time, _log));
        keys.Vault.ProblemChanged += problem =>
        {
            if (problem is null)
                _log.VaultBack();
            else
                _log.VaultAway(problem);
        };
        var ports = keys.Ports;
        var limits = configuration.Limits;
        _drain = limits.DrainTimeout;
        var options = new KdcOptions(configuration.Realm, configuration.TicketLifetime, limits.RequestsPerSecond, limits.Burst);
        var kdc = new KdcService(options, ports, time);
        var tls = ServerCertificate(configuration, state, time.GetUtcNow());

        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(logs);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        // The token of StopAsync says when, not the host's own timeout.
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = Timeout.InfiniteTimeSpan);
        builder.Services.AddRoutingCore();
        builder.Services.AddRequestTimeouts(o => o.DefaultPolicy = new RequestTimeoutPolicy { Timeout = limits.RequestTimeout });
        // What lacks in a question is an error of who asks, and said so.
        builder.Services.ConfigureHttpJsonOptions(o => (o.SerializerOptions.RespectNullableAnnotations, o.SerializerOptions.RespectRequiredConstructorParameters) = (true, true));
        Contract.Add(builder.Services);
        builder.Services.AddOutputCache();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => Configure(kestrel, configuration, tls));

        var web = builder.Build();
        Own(web);
        web.UseRouting();
        web.UseRequestTimeouts();
        web.UseOutputCache();
        // Made once: anybody may ask, and making it costs.
        web.MapOpenApi("/openapi/{documentName}.json").CacheOutput(policy => policy.Expire(TimeSpan.FromDays(1)));
        var strangers = Own(new StrangerLimit(limits.StrangerRequestsPerMinute, ports.Principals));
        var exchange = web.MapGroup("/kdc/v1").AddEndpointFilter(strangers);
        exchange.MapExchange(kdc, _log);
        exchange.MapDirectory(kdc, time, ports.Principals);
        exchange.MapEnrolment(new GatewayEnrolment(configuration.Realm, ports, time));
        web.MapHealth(Own(new Readiness(ports, time, _log)));

        var issuing = configuration.Ca is { } ca ? await ServeCaAsync(ca, configuration, keys, state, logs, time, cancellationToken) : null;
        var external = configuration.ExternalCa is { } file ? ExternalCa.Open(file, keys, time) : null;
        if (configuration.Publish is { } directory)
            Own(new DirectoryPublication(directory, keys.Database, time, _log)).Start();
        var desk = Own(new OperatorDesk(keys, new CardAuthority(issuing?.Authority, external), configuration, tls.TargetCertificate.GetCertHashString(HashAlgorithmName.SHA256), time, _log));
        web.MapGroup("/operator/v1").AddEndpointFilter(new OperatorGate(_log)).MapOperators(desk, strangers);
        await web.StartAsync(CancellationToken.None);
        _web = web;
        anchoring.Start();
        desk.Start();
        EndPoints = configuration.Listeners;
        _log.Started(configuration.Realm.Name, string.Join(", ", EndPoints), ports.Vault.Description, tls.TargetCertificate.GetCertHashString(HashAlgorithmName.SHA256));
    }

    private async Task<IssuingCa?> ServeCaAsync(
        CaConfiguration ca, KdcServerConfiguration configuration, KdcKeys keys, KdcState state, ILoggerFactory logs, TimeProvider time, CancellationToken cancellationToken)
    {
        if (IssuingCa.Open(keys, configuration, state, time) is not { } issuing)
        {
            _log.CaIsMissing();
            return null;
        }
        Own(issuing);
        Own(await CaPublication.StartAsync(ca, issuing, keys.OpenOcspKey(), logs, time, cancellationToken));
        return issuing;
    }

    private static void Configure(KestrelServerOptions kestrel, KdcServerConfiguration configuration, SslStreamCertificateContext tls)
    {
        var limits = configuration.Limits;
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxConcurrentConnections = limits.Connections;
        kestrel.Limits.MaxRequestBodySize = limits.RequestSize;
        kestrel.Limits.MaxRequestHeadersTotalSize = 16 << 10;
        kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        kestrel.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
        var perAddress = new ConnectionLimit(limits.ConnectionsPerAddress);
        foreach (var address in configuration.Listeners)
        {
            kestrel.Listen(address, endpoint =>
            {
                endpoint.Use(perAddress.Around);
                endpoint.UseHttps(new TlsHandshakeCallbackOptions
                {
                    HandshakeTimeout = TimeSpan.FromSeconds(10),
                    OnConnection = _ => new(new SslServerAuthenticationOptions
                    {
                        ServerCertificateContext = tls,
                        EnabledSslProtocols = SslProtocols.Tls13,
                        ClientCertificateRequired = true,
                        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
#pragma warning disable CA5359 // Asked for, not demanded, and judged by the principal's record: TLS itself only proves that the peer has its key.
                        RemoteCertificateValidationCallback = (_, _, _, _) => true,
#pragma warning restore CA5359
                    }),
                });
            });
        }
    }

    private static SslStreamCertificateContext ServerCertificate(KdcServerConfiguration configuration, KdcState state, DateTimeOffset now)
    {
        if (configuration.Tls is not { } tls)
            return SslStreamCertificateContext.Create(TrialTlsCertificate.OpenOrCreate(state.TrialTlsCertificate, Dns.GetHostName(), now), [], offline: true);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(tls.Certificate);
        return SslStreamCertificateContext.Create(X509Certificate2.CreateFromPemFile(tls.Certificate, tls.Key), chain, offline: true);
    }

    private T Own<T>(T thing)
        where T : class
    {
        _owned.Add(thing);
        return thing;
    }
}
