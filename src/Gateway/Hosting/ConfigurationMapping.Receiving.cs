using System.Collections.Frozen;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Gateway.Hosting;

// Who may send what to whom, and over which listener.
internal static partial class ConfigurationMapping
{
    public static ReceivingSettings ReceivingSettings(this GatewayConfiguration configuration) => new()
    {
        HostName = configuration.HostName,
        Policy = configuration.Policy,
        RelayNetworks = configuration.RelayNetworks,
        RelayEvidenceFrom = configuration.RelayEvidenceFrom,
        ExchangePeers = configuration.ExchangePeers,
        ExchangeTenants = configuration.ExchangeTenants,
        Journal = configuration.Journal is { } journal ? (journal.Recipient, journal.Method) : null,
        Accounts = configuration.Users.ToFrozenDictionary(u => u.Name, u => new Account(u.Name, u.PasswordHash, u.Mailboxes)),
    };

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
}
