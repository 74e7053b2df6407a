using System.Net;
using GatewaySecure.Addresses;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads a configuration file and finds everything that is wrong with it at once. Paths in it are relative to the file.</summary>
internal sealed class ConfigurationLoader
{
    private readonly ProblemList _problems;

    private ConfigurationLoader(string path) => _problems = new ProblemList(path);

    public static ConfigurationResult Load(string path)
    {
        if (string.IsNullOrWhiteSpace(path))
            return new ConfigurationResult(null, [new ConfigurationProblem("(none)", 0, 0, "", "no configuration file is named")]);
        var loader = new ConfigurationLoader(path);
        GatewayConfiguration? configuration = null;
        try
        {
            configuration = loader.Read(path);
        }
        catch (YamlException e)
        {
            loader._problems.Add(e.Start, "", $"is not YAML: {e.Message}");
        }
        catch (FileNotFoundException)
        {
            loader._problems.Add(Mark.Empty, "", "is not there; copy config/gateway.sample.yaml and change it, or name another file");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            loader._problems.Add(Mark.Empty, "", $"can't be read: {e.Message}");
        }
        return new ConfigurationResult(loader._problems.HasErrors ? null : configuration, loader._problems.InOrder());
    }

    private GatewayConfiguration? Read(string path)
    {
        var yaml = new YamlStream();
        using (var text = File.OpenText(path))
            yaml.Load(new UniqueKeys(text, _problems));
        if (yaml.Documents is not [{ RootNode: YamlMappingNode root }])
        {
            _problems.Add(Mark.Empty, "", "must hold keys and values, in one document");
            return null;
        }
        var top = new ConfigurationSection(_problems, root, "", ConfigurationKeys.Top);
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
            Scanners = ScannerReader.Read(top),
            NextHops = hops,
            Routes = NextHopReader.ReadRoutes(top, hops),
            DefaultNextHop = NextHopReader.NameOfHop(top, "default-next-hop", hops),
            Dns = DnsReader.Read(top),
            TlsReports = DnsReader.ReadReports(top),
            Certificates = CertificatesReader.Read(top),
            Signing = CertificatesReader.ReadSigning(top),
            Kdc = KdcReader.Read(top, domains),
            Queue = queue,
            Spool = spool,
            Limits = limits,
            Policy = PolicyReader.Read(top, domains, _problems)!,
        };
        return _problems.HasErrors ? null : configuration;
    }
}
