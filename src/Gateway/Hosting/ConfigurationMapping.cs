using System.Collections.Frozen;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Delivery;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.Gateway.Queue;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.HsmAdapter;
using GatewaySecure.MailProtection;
using GatewaySecure.MailProtection.Trust;
using GatewaySecure.Smtp.Client;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Gateway.Hosting;

/// <summary>From what the configuration says to what each part of the gateway goes by. The one place that knows both.</summary>
internal static class ConfigurationMapping
{
    public static DirectoryFolders CertificateFolders(this GatewayConfiguration configuration, StateDirectory state)
    {
        var certificates = configuration.Certificates;
        return new DirectoryFolders
        {
            Recipients = [certificates.Recipients ?? state.Recipients],
            Anchors = [certificates.Trust ?? state.Anchors],
            Intermediates = certificates.Intermediates is { } folder ? [folder] : [],
            RevocationLists = [certificates.Crls ?? state.RevocationLists],
        };
    }

    public static TrustOptions TrustOptions(this GatewayConfiguration configuration) => new()
    {
        Revocation = configuration.Certificates.Revocation,
        MinimumRsaBits = configuration.Certificates.MinimumRsaBits,
        ReadsGcm = address => configuration.Certificates.GcmReaders.Any(p => p.Matches(address)),
    };

    public static SpoolOptions SpoolOptions(this GatewayConfiguration configuration) => new(configuration.Queue.MinimumFreeSpace);

    public static QueueOptions QueueOptions(this GatewayConfiguration configuration) => new()
    {
        Retry = configuration.Queue.Retry,
        ExpireAfter = configuration.Queue.ExpireAfter,
        DelayReportAfter = configuration.Queue.DelayReportAfter,
        RetryHeldAfter = configuration.Queue.RetryHeldAfter,
        Concurrency = configuration.Queue.Concurrency,
        BytesInFlight = configuration.Queue.BytesInFlight,
    };

    public static ReceivingSettings ReceivingSettings(this GatewayConfiguration configuration) => new()
    {
        HostName = configuration.HostName,
        Policy = configuration.Policy,
        RelayNetworks = configuration.RelayNetworks,
        RelayEvidenceFrom = configuration.RelayEvidenceFrom,
        Accounts = configuration.Users.ToFrozenDictionary(u => u.Name, u => new Account(u.Name, u.PasswordHash, u.Mailboxes)),
    };

    /// <param name="own">Is given what has to be disposed of at the end.</param>
    public static NextHopResolver NextHops(this GatewayConfiguration configuration, TimeProvider time, Action<object> own)
    {
        var hops = configuration.NextHops.ToDictionary(h => h.Name, INextHop (h) =>
        {
            if (h.Directory is { } directory)
                return new EmlDirectoryNextHop(h.Name, directory, time);
            var agent = new SmtpDeliveryAgent(configuration.ToSmartHost(h, time), time);
            own(agent);
            return agent;
        });
        return new NextHopResolver([.. configuration.Routes.Select(r => new Route(r.Recipients, hops[r.NextHop]))], hops[configuration.DefaultNextHop]);
    }

    /// <summary>TLS of all listeners; one context, so that its sessions can be resumed.</summary>
    public static SslServerAuthenticationOptions TlsOptions(this GatewayConfiguration configuration, StateDirectory state, DateTimeOffset now)
    {
        var chain = new X509Certificate2Collection();
        X509Certificate2 certificate;
        if (configuration.Tls is { } tls)
        {
            certificate = X509Certificate2.CreateFromPemFile(tls.Certificate, tls.Key);
            chain.ImportFromPemFile(tls.Certificate);
        }
        else
            certificate = TrialTlsCertificate.OpenOrCreate(state.TlsCertificate, configuration.HostName.Ascii, now);
        return new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(certificate, chain, offline: true),
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        };
    }

    public static SmtpServerOptions ServerOptions(this GatewayConfiguration configuration, ListenerConfiguration listener, SslServerAuthenticationOptions tls) => new()
    {
        ServerName = configuration.HostName,
        Tls = listener.Tls == ListenerTls.None ? null : tls,
        ImplicitTls = listener.Tls == ListenerTls.Implicit,
        OfferAuthentication = listener.Authentication,
        MaxMessageSize = listener.MaxMessageSize,
        MaxRecipients = listener.MaxRecipients,
        MaxErrors = configuration.Limits.Errors,
        CommandTimeout = configuration.Limits.CommandTimeout,
        DataTimeout = configuration.Limits.DataTimeout,
    };

    public static SmimeSigner? OpenSigner(this GatewayConfiguration configuration, SoftwareVault vault, StateDirectory state, DateTimeOffset now) =>
        configuration.Signing.Sign
            ? OrganisationSigner.Open(
                vault,
                configuration.Signing.Certificate,
                configuration.Signing.Chain,
                state.OrganisationCertificate,
                configuration.OrganisationDomains[0],
                now)
            : null;

    private static SmartHost ToSmartHost(this GatewayConfiguration configuration, NextHopConfiguration hop, TimeProvider time)
    {
        var smtp = hop.Smtp!;
        return new SmartHost(hop.Name, smtp.Host, smtp.Port, new SmtpClientOptions
        {
            LocalName = configuration.HostName,
            TargetHost = smtp.TlsName ?? smtp.Host,
            Tls = smtp.Tls,
            Credentials = smtp.User is { } user ? new SmtpCredentials(user, smtp.Password ?? "") : null,
            TimeProvider = time,
            // RFC 5321 §4.5.3.2.1 asks for five minutes; a worker is too dear for that, and the mail is tried again.
            GreetingTimeout = TimeSpan.FromMinutes(1),
        });
    }
}
