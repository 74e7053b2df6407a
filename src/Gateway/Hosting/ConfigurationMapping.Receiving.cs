using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.ServerHost;
using GatewaySecure.Smtp.Server;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Hosting;

// Who may send what to whom, and over which listener.
internal static partial class ConfigurationMapping
{
    /// <summary>What makes a session of each connection to each listener.</summary>
    /// <param name="settings">What holds for all of them.</param>
    /// <param name="queue">Is given each accepted mail.</param>
    /// <param name="authentication">Null: mail from outside is not examined.</param>
    public static ImmutableArray<(IPEndPoint Address, SmtpConnectionHandler Handler)> Listeners(
        this GatewayConfiguration configuration,
        ReceivingSettings settings,
        StateDirectory state,
        MailSpool spool,
        Action<SpooledMail> queue,
        SenderAuthentication? authentication,
        TimeProvider time,
        ILoggerFactory logs)
    {
        var log = logs.CreateLogger<Intake>();
        var tls = configuration.TlsOptions(state, time.GetUtcNow());
        var refusals = new RefusalLog(log, time);
        var passwords = new PasswordLimits(
            new RateLimiter(new Dictionary<Traffic, Rate>(), Rates((Traffic.WrongPassword, configuration.Limits.WrongPasswordsPerAddress)), time),
            configuration.Limits.WrongPasswordsPerUser,
            time);
        // Listeners with the same limits count together.
        var controls = configuration.Listeners.Select(l => l.Limits.Traffic).Distinct().ToDictionary(l => l, l => new TrafficControl(
            new ConnectionLimiter(l.Connections, l.ConnectionsPerAddress),
            new RateLimiter(
                Rates((Traffic.Connection, l.ConnectionRate), (Traffic.Message, l.MessageRate), (Traffic.Recipient, l.RecipientRate)),
                Rates(
                    (Traffic.Connection, l.ConnectionRatePerAddress),
                    (Traffic.Message, l.MessageRatePerAddress),
                    (Traffic.Recipient, l.RecipientRatePerAddress),
                    (Traffic.Error, l.ErrorRatePerAddress)),
                time),
            passwords,
            configuration.Limits.ExemptFrom,
            refusals,
            time));
        return [.. configuration.Listeners.Select(l => (l.Address, new SmtpConnectionHandler(
            configuration.ToReceivingListener(l, l.Certificate is { } own ? TlsOptions(own) : tls),
            new Intake(
                settings with
                {
                    RelayNetworks = l.RelayNetworks,
                    Certificates = new RelayCertificates(l.RelayCertificates, time),
                    MaxHops = l.Limits.Hops,
                    MaxPasses = l.Limits.Passes,
                },
                spool,
                queue,
                controls[l.Limits.Traffic],
                time,
                log)
            {
                Authentication = authentication,
            })))];
    }

    /// <summary>What holds for every listener; each adds who may relay there.</summary>
    public static ReceivingSettings ReceivingSettings(this GatewayConfiguration configuration) => new()
    {
        HostName = configuration.HostName,
        Policy = configuration.Policy,
        RelayNetworks = [],
        RelayEvidenceFrom = configuration.RelayEvidenceFrom,
        ExchangePeers = configuration.ExchangePeers,
        ExchangeTenants = configuration.ExchangeTenants,
        Journal = configuration.Journal is { } journal ? (journal.Recipient, journal.Method) : null,
        Accounts = configuration.Users.ToFrozenDictionary(u => u.Name, u => new Account(u.Name, u.PasswordHash, u.Mailboxes)),
    };

    /// <summary>TLS of the listeners without a certificate of their own; one context, so that its sessions can be resumed.</summary>
    private static SslServerAuthenticationOptions TlsOptions(this GatewayConfiguration configuration, StateDirectory state, DateTimeOffset now) =>
        configuration.Tls is { } tls
            ? TlsOptions(tls)
            : TlsOptions(TrialTlsCertificate.OpenOrCreate(state.TlsCertificate, configuration.HostName.Ascii, now), []);

    private static SslServerAuthenticationOptions TlsOptions(TlsConfiguration tls)
    {
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(tls.Certificate);
        return TlsOptions(X509Certificate2.CreateFromPemFile(tls.Certificate, tls.Key), chain);
    }

    private static SslServerAuthenticationOptions TlsOptions(X509Certificate2 certificate, X509Certificate2Collection chain) => new()
    {
        ServerCertificateContext = SslStreamCertificateContext.Create(certificate, chain, offline: true),
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
    };

    private static ReceivingListener ToReceivingListener(
        this GatewayConfiguration configuration, ListenerConfiguration listener, SslServerAuthenticationOptions tls) => new()
    {
        Options = new SmtpServerOptions
        {
            ServerName = configuration.HostName,
            PostmasterDomain = configuration.OrganisationDomains.Contains(configuration.HostName)
                ? configuration.HostName
                : configuration.OrganisationDomains[0],
            Tls = listener.Tls == ListenerTls.None ? null : tls,
            ImplicitTls = listener.Tls == ListenerTls.Implicit,
            RequireTls = listener.TlsRequired,
            AskForClientCertificate = !listener.RelayCertificates.IsEmpty,
            OfferAuthentication = listener.Authentication != ListenerAuthentication.Off,
            RequireAuthentication = listener.Authentication == ListenerAuthentication.Required,
            BelieveXclientLogin = listener.XclientLogin,
            MaxMessageSize = listener.MaxMessageSize,
            MaxRecipients = listener.MaxRecipients,
            MaxErrors = listener.Limits.Errors,
            MaxJunkCommands = listener.Limits.JunkCommands,
            MaxAuthenticationAttempts = listener.Limits.WrongPasswords,
            CommandTimeout = listener.Limits.CommandTimeout,
            DataTimeout = listener.Limits.DataTimeout,
            MessageTimeout = listener.Limits.MessageTimeout,
            TlsHandshakeTimeout = listener.Limits.TlsHandshakeTimeout,
            SessionTimeout = listener.Limits.SessionTimeout,
        },
        NormaliseFrom = listener.NormaliseBareLineEndsFrom,
        ProxyFrom = listener.ProxyProtocolFrom,
        XclientFrom = listener.XclientFrom,
        ProxyHeaderTimeout = listener.Limits.ProxyHeaderTimeout,
    };

    private static Dictionary<Traffic, Rate> Rates(params (Traffic Kind, Rate? Rate)[] rates) =>
        rates.Where(r => r.Rate is not null).ToDictionary(r => r.Kind, r => r.Rate!);
}
