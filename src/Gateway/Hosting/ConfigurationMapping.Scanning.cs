using GatewaySecure.Dns;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Gateway.Scanning;
using GatewaySecure.KdcCore;
using GatewaySecure.MailAuthentication;
using GatewaySecure.MailAuthentication.Dkim;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.Gateway.Hosting;

// What is asked about mail: where it comes from, what scanners say, and what is signed.
internal static partial class ConfigurationMapping
{
    /// <summary>Our authserv-id (RFC 8601 §2.5).</summary>
    public static string ServiceId(this GatewayConfiguration configuration) => configuration.Authentication?.ServiceId ?? configuration.HostName.Ascii;

    public static DnsResolver Resolver(this GatewayConfiguration configuration, TimeProvider time) =>
        new(new DnsResolverOptions { Servers = configuration.Dns.Resolvers, TrustAuthenticated = configuration.Dns.Trusted }, time);

    public static SenderAuthentication? SenderAuthentication(this GatewayConfiguration configuration, IDnsResolver dns, TimeProvider time) =>
        configuration.Authentication is { } authentication
            ? new SenderAuthentication(
                new MailAuthenticator(dns, new MailAuthenticationOptions { TrustedSealers = authentication.TrustedSealers }, time),
                new AuthenticationPolicy(
                    configuration.ServiceId(), authentication.Dmarc, authentication.ExemptNetworks))
            : null;

    /// <param name="own">Is given what has to be disposed of at the end.</param>
    public static DkimSigner DkimSigner(this GatewayConfiguration configuration, TimeProvider time, Action<object> own)
    {
        var keys = configuration.Dkim.Select(ReadKey).ToList();
        keys.ForEach(own);
        return new DkimSigner(keys, time);
    }

    /// <param name="own">Is given what has to be disposed of at the end.</param>
    /// <returns>Null where nothing is sealed.</returns>
    public static ArcSealer? ArcSealer(this GatewayConfiguration configuration, TimeProvider time, Action<object> own)
    {
        if (configuration.Arc is not { } arc)
            return null;
        var key = ReadKey(arc);
        own(key);
        return new ArcSealer(key, time);
    }

    private static DkimSigningKey ReadKey(DkimKeyConfiguration key) => DkimSigningKey.FromPem(key.Domain, key.Selector, File.ReadAllText(key.KeyFile));

    public static ContentScan ContentScan(
        this GatewayConfiguration configuration, IAuditChain audit, TimeProvider time, ILogger<ContentScan> log) =>
        new([.. configuration.Scanners.Select(s => new MilterScanner(s, configuration.HostName.Ascii, time))], configuration.Policy, audit, time, log);
}
