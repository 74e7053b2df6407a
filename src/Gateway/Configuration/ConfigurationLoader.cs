using System.Net;
using GatewaySecure.Addresses;
using GatewaySecure.HsmAdapter;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads a configuration file and finds everything that is wrong with it at once. Paths in it are relative to the file.</summary>
internal static class ConfigurationLoader
{
    public static ConfigurationResult<GatewayConfiguration> Load(string path) =>
        SettingsFile.Load<GatewayConfiguration>(path, "config/gateway.sample.yaml", ConfigurationKeys.Top, Read);

    private static GatewayConfiguration? Read(ConfigurationSection top, ProblemList problems)
    {
        var domains = top.List<DomainName>("organisation-domains", ValueParsers.Domain!);
        if (!top.Has("organisation-domains"))
            top.Problem("organisation-domains", "is missing: the mail domains of your organisation");
        var hops = NextHopReader.Read(top);
        var (queue, spool) = QueueReader.Read(top);
        var limits = LimitsReader.Read(top);
        var listeners = ListenerReader.Read(top, limits);
        var configuration = new GatewayConfiguration
        {
            HostName = top.Required<DomainName>("hostname", ValueParsers.Domain!)!,
            OrganisationDomains = domains,
            Listeners = listeners,
            Tls = top.Section("tls", ConfigurationKeys.Tls) is { } tls ? new TlsConfiguration(tls.RequiredFile("certificate"), tls.RequiredFile("key")) : null,
            RelayEvidenceFrom = top.List<IPNetwork>("relay-evidence-from", ValueParsers.Network, mayBeEmpty: true),
            ExchangePeers = ExchangeReader.ReadPeers(top, listeners),
            ExchangeTenants = ExchangeReader.ReadTenants(top),
            Journal = ExchangeReader.ReadJournal(top, hops),
            Users = UserReader.Read(top),
            Authentication = AuthenticationReader.Read(top),
            Dkim = AuthenticationReader.ReadKeys(top),
            Arc = AuthenticationReader.ReadArc(top),
            Scanners = ScannerReader.Read(top),
            NextHops = hops,
            Routes = NextHopReader.ReadRoutes(top, hops),
            DefaultNextHop = NextHopReader.NameOfHop(top, "default-next-hop", hops),
            Delivery = DeliveryReader.Read(top),
            Dns = DnsReader.Read(top),
            TlsReports = DnsReader.ReadReports(top),
            Certificates = CertificatesReader.Read(top),
            Signing = CertificatesReader.ReadSigning(top),
            Opening = OpeningReader.Read(top),
            Kdc = KdcReader.Read(top, domains),
            Vault = VaultSettings.Read(top),
            Queue = queue,
            Spool = spool,
            Limits = limits,
            Policy = PolicyReader.Read(top, domains, problems)!,
        };
        return problems.HasErrors ? null : configuration;
    }
}
