using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.KdcServer.Hosting;
using GatewaySecure.TestKit;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>A KDC server of the realm example.org on a free port, with its state in a folder of its own; an operator works beside it as another process would.</summary>
internal sealed class RunningKdc : IAsyncDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly List<IDisposable> _made = [];
    private readonly TimeProvider _time;
    private KdcHost? _host;

    private RunningKdc(KdcLimits? limits, TimeProvider time, VaultSettings? vault) => (_time, Configuration) = (time, new KdcServerConfiguration
    {
        Vault = vault ?? VaultSettings.Software,
        Realm = Realm.Parse("example.org"),
        Listeners = [new IPEndPoint(IPAddress.Loopback, Loopback.FreePort())],
        Limits = limits ?? new KdcLimits(),
        // Tests that don't look at heartbeats send none, and a busy machine may take long.
        Operators = new OperatorsConfiguration(TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(10)),
    });

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public KdcServerConfiguration Configuration { get; private set; }

    public KdcKeys Keys { get; private set; } = null!;

    public KdcAdministration Operator { get; private set; } = null!;

    public string State => _directory["state"];

    public string LogText => File.ReadAllText(_directory["log"]);

    /// <summary>The one that the server made for itself.</summary>
    public X509Certificate2 ServerCertificate => X509CertificateLoader.LoadCertificateFromFile(Path.Combine(State, "tls-trial.pem"));

    public Uri Url => new($"https://{Configuration.Listeners[0]}/");

    /// <param name="prepare">Done with the state directory before the first start.</param>
    public static async Task<RunningKdc> StartAsync(
        KdcLimits? limits = null, TimeProvider? time = null, VaultSettings? vault = null, Action<string>? prepare = null,
        Func<KdcServerConfiguration, KdcServerConfiguration>? configure = null)
    {
        var kdc = new RunningKdc(limits, time ?? TimeProvider.System, vault);
        kdc.Configuration = configure?.Invoke(kdc.Configuration) ?? kdc.Configuration;
        prepare?.Invoke(kdc.State);
        await kdc.RestartAsync();
        return kdc;
    }

    /// <summary>With an issuing CA.</summary>
    public static async Task<RunningKdc> StartWithCaAsync(
        VaultSettings? vault = null, Action<string>? prepare = null, Func<KdcServerConfiguration, KdcServerConfiguration>? configure = null)
    {
        var port = Loopback.FreePort();
        var kdc = new RunningKdc(null, TimeProvider.System, vault);
        kdc.Configuration = kdc.Configuration with
        {
            Ca = new CaConfiguration(new IPEndPoint(IPAddress.Loopback, port), new Uri($"http://127.0.0.1:{port}/"), CaConfiguration.DefaultLifetime),
        };
        kdc.Configuration = configure?.Invoke(kdc.Configuration) ?? kdc.Configuration;
        prepare?.Invoke(kdc.State);
        await using (var keys = await KdcKeys.OpenAsync(KdcState.Open(kdc.State), vault, Cancel))
            IssuingCa.Create(keys, KdcState.At(kdc.State), "Example CA", TimeSpan.FromDays(365), TimeProvider.System);
        await kdc.RestartAsync();
        return kdc;
    }

    /// <summary>Ends the server, if it runs, and starts it again on the same state.</summary>
    public async Task RestartAsync()
    {
        await StopAsync();
        _host = await KdcHost.StartAsync(Configuration, State, _directory["log"], _time, Cancel);
        Keys = await KdcKeys.OpenAsync(KdcState.At(State), null, Cancel);
        Operator = Keys.Administration(Configuration, "test", _time);
    }

    /// <summary>A user, with the key that his card would hold.</summary>
    public async Task<WireHolder> AddUserAsync(string name)
    {
        var user = await Operator.CreateAsync(PrincipalKind.User, name, [MailAddress.Parse($"{name}@example.org")], [], null, Cancel);
        return await IssueCardAsync(user.Id);
    }

    public async Task<WireHolder> IssueCardAsync(PrincipalId user)
    {
        byte[] key = [];
        var issued = await Operator.IssueCardAsync(
            user, "a test's card", false,
            (_, clear, _) =>
            {
                key = clear.ToArray();
                return default;
            },
            Cancel);
        return new WireHolder("example.org", user.ToOctets(), issued.Kvno, key);
    }

    /// <summary>A gateway for example.org, with the key that its vault would hold.</summary>
    public async Task<WireHolder> AddGatewayAsync(string name, X509Certificate2? certificate)
    {
        var gateway = await Operator.EnsureGatewayAsync(name, [DomainName.Parse("example.org")], Cancel);
        if (certificate is not null)
            await Operator.SetCertificatesAsync(gateway.Id, [certificate.GetCertHashString(HashAlgorithmName.SHA256)], Cancel);
        byte[] key = [];
        await ((IClearMasterKeyVault)Keys.Vault).ReleaseAsync(
            (await Keys.Ports.Keys.FindAsync(new MasterKeyName(gateway.Id, gateway.Kvno), Cancel))!,
            (clear, _) =>
            {
                key = clear.ToArray();
                return default;
            },
            Cancel);
        return new WireHolder("example.org", gateway.Id.ToOctets(), gateway.Kvno, key);
    }

    /// <summary>A client that takes this server's certificate and no other.</summary>
    public HttpClient Client(X509Certificate2? certificate = null, SslProtocols protocols = SslProtocols.Tls13)
    {
        var hash = ServerCertificate.GetCertHashString(HashAlgorithmName.SHA256);
        var handler = new SocketsHttpHandler();
        handler.SslOptions.EnabledSslProtocols = protocols;
        handler.SslOptions.RemoteCertificateValidationCallback = (_, shown, _, _) => shown?.GetCertHashString(HashAlgorithmName.SHA256) == hash;
        if (certificate is not null)
            handler.SslOptions.ClientCertificates = [certificate];
        var client = new HttpClient(handler) { BaseAddress = Url, Timeout = TimeSpan.FromSeconds(30) };
        _made.Add(client);
        return client;
    }

    public async Task StopAsync()
    {
        if (_host is null)
            return;
        await Keys.DisposeAsync();
        await _host.DisposeAsync();
        _host = null;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var made in _made)
            made.Dispose();
        await StopAsync();
        _directory.Dispose();
    }
}
