using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection.Trust;
using GatewaySecure.Policies;
using GatewaySecure.Smtp.Client;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads a configuration file and finds everything that is wrong with it at once. Paths in it are relative to the file.</summary>
internal sealed class ConfigurationLoader
{
    private const long DefaultMessageSize = 100L << 20;

    private readonly string _folder;
    private readonly ProblemList _problems;

    private ConfigurationLoader(string path)
    {
        _folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        _problems = new ProblemList(Path.GetFileName(path));
    }

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
        var hops = ReadNextHops(top);
        var configuration = new GatewayConfiguration
        {
            HostName = top.Required<DomainName>("hostname", ValueParsers.Domain!)!,
            OrganisationDomains = domains,
            Listeners = ReadListeners(top),
            Tls = top.Section("tls", ConfigurationKeys.Tls) is { } tls ? new TlsConfiguration(RequiredFile(tls, "certificate"), RequiredFile(tls, "key")) : null,
            RelayNetworks = ReadRelayNetworks(top),
            RelayEvidenceFrom = top.List<IPNetwork>("relay-evidence-from", ValueParsers.Network, mayBeEmpty: true),
            Users = ReadUsers(top),
            NextHops = hops,
            Routes = ReadRoutes(top, hops),
            DefaultNextHop = HopName(top, "default-next-hop", hops),
            Certificates = ReadCertificates(top),
            Signing = ReadSigning(top),
            Kdc = ReadKdc(top, domains),
            Queue = ReadQueue(top),
            Limits = ReadLimits(top),
            Policy = PolicyReader.Read(top, domains, _problems)!,
        };
        return _problems.HasErrors ? null : configuration;
    }

    private static ImmutableArray<IPNetwork> ReadRelayNetworks(ConfigurationSection top)
    {
        var networks = top.List<IPNetwork>("relay-networks", ValueParsers.Network, mayBeEmpty: true);
        foreach (var wide in networks.Where(n => n.PrefixLength < (n.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 8 : 16)))
            top.Warning("relay-networks", $"'{wide}' lets so many use the gateway as a relay that it is hardly meant");
        return networks;
    }

    private static ImmutableArray<ListenerConfiguration> ReadListeners(ConfigurationSection top)
    {
        var listeners = ImmutableArray.CreateBuilder<ListenerConfiguration>();
        foreach (var section in top.Sections("listeners", ConfigurationKeys.Listener))
        {
            var address = section.Required<IPEndPoint>("address", ValueParsers.EndPoint!);
            var tls = section.Optional(
                "tls",
                ValueParsers.Word(("none", ListenerTls.None), ("starttls", ListenerTls.StartTls), ("implicit", ListenerTls.Implicit)),
                ListenerTls.StartTls);
            var authentication = section.Optional<bool>("authentication", ValueParsers.Switch, false);
            if (authentication && tls == ListenerTls.None)
                section.Problem("authentication", "needs TLS: passwords never travel in clear");
            if (address is not null && listeners.Any(l => address.Equals(l.Address)))
                section.Problem("address", $"'{address}' is the address of another listener too");
            listeners.Add(new ListenerConfiguration(
                address!,
                tls,
                authentication,
                section.Optional<long>("max-message-size", ValueParsers.Size, DefaultMessageSize),
                // The KDC's limit for one request.
                section.Optional("max-recipients", ValueParsers.Number(100, 1000), 1000),
                section.List<IPNetwork>("normalise-bare-line-ends-from", ValueParsers.Network, mayBeEmpty: true)));
        }
        if (!top.Has("listeners"))
            top.Problem("listeners", "is missing: where the gateway listens");
        else if (top.IsEmptyList("listeners"))
            top.Problem("listeners", "is an empty list: the gateway would listen nowhere");
        return listeners.ToImmutable();
    }

    private static ImmutableArray<UserConfiguration> ReadUsers(ConfigurationSection top)
    {
        var users = ImmutableArray.CreateBuilder<UserConfiguration>();
        foreach (var section in top.Sections("users", ConfigurationKeys.User))
        {
            var name = section.Required<string>("name", ValueParsers.Text!);
            if (users.Any(u => u.Name == name))
                section.Problem("name", $"'{name}' is the name of another user too");
            if (!section.Has("mailboxes"))
                section.Problem("mailboxes", "is missing: the addresses that this user may send from");
            users.Add(new UserConfiguration(
                name!,
                section.Required<string>("password", ValueParsers.PasswordHash!)!,
                section.List<MailAddress>("mailboxes", ValueParsers.Address!)));
        }
        return users.ToImmutable();
    }

    private ImmutableArray<NextHopConfiguration> ReadNextHops(ConfigurationSection top)
    {
        var hops = ImmutableArray.CreateBuilder<NextHopConfiguration>();
        foreach (var (name, section) in top.Named("next-hops", ConfigurationKeys.NextHop))
        {
            if (section.Has("smtp") == section.Has("directory"))
                section.Problem(section.Has("smtp") ? "directory" : "smtp", "one of 'smtp' (host:port) and 'directory' must be there");
            if (section.Has("directory"))
            {
                foreach (var other in ConfigurationKeys.NextHop.Where(k => k != "directory" && k != "smtp" && section.Has(k)))
                    section.Problem(other, "has no meaning beside 'directory'");
                var directory = section.Optional<string>("directory", ValueParsers.Text!, "");
                hops.Add(new NextHopConfiguration(name, null, Path.GetFullPath(directory, _folder)));
                continue;
            }
            hops.Add(new NextHopConfiguration(name, ReadSmtpHop(section), null));
        }
        if (!top.Has("next-hops"))
            top.Problem("next-hops", "is missing: where mail goes from here");
        return hops.ToImmutable();
    }

    private SmtpHopConfiguration ReadSmtpHop(ConfigurationSection section)
    {
        var (host, port) = section.Has("smtp") ? section.Required<(string Host, int Port)>("smtp", ValueParsers.HostAndPort) : default;
        var tls = section.Optional(
            "tls",
            ValueParsers.Word(("never", TlsPolicy.Never), ("opportunistic", TlsPolicy.Opportunistic), ("required", TlsPolicy.Required)),
            TlsPolicy.Opportunistic);
        var user = section.Optional<string?>("user", ValueParsers.Text!, null);
        var passwordFile = OptionalFile(section, "password-file");
        if (user is null != passwordFile is null)
            section.Problem(user is null ? "password-file" : "user", "'user' and 'password-file' belong together");
        if (user is not null && tls != TlsPolicy.Required)
            section.Problem("user", "needs 'tls: required': passwords never travel in clear");
        var password = passwordFile is null ? null : ReadPassword(section, passwordFile);
        return new SmtpHopConfiguration(host, port, tls, section.Optional<string?>("tls-name", ValueParsers.Text!, null), user, password);
    }

    private static string? ReadPassword(ConfigurationSection section, string file)
    {
        // That it is missing was said before.
        if (!File.Exists(file))
            return null;
        try
        {
            var password = File.ReadLines(file).FirstOrDefault();
            if (string.IsNullOrEmpty(password))
                section.Problem("password-file", $"{file} holds no password in its first line");
            return password;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            section.Problem("password-file", $"{file} can't be read: {e.Message}");
            return null;
        }
    }

    private static ImmutableArray<RouteConfiguration> ReadRoutes(ConfigurationSection top, ImmutableArray<NextHopConfiguration> hops)
    {
        var routes = ImmutableArray.CreateBuilder<RouteConfiguration>();
        foreach (var section in top.Sections("routes", ConfigurationKeys.Route))
        {
            if (!section.Has("recipients"))
                section.Problem("recipients", "is missing: whose mail takes this route");
            routes.Add(new RouteConfiguration(section.List<AddressPattern>("recipients", ValueParsers.Pattern!), HopName(section, "next-hop", hops)));
        }
        return routes.ToImmutable();
    }

    private static string HopName(ConfigurationSection section, string key, ImmutableArray<NextHopConfiguration> hops)
    {
        var name = section.Required<string>(key, ValueParsers.Text!);
        if (name is not null && !hops.Any(h => h.Name == name))
            section.Problem(key, $"'{name}' is not the name of a next hop{ValueParsers.Suggest(name, hops.Select(h => h.Name))}");
        return name!;
    }

    private CertificatesConfiguration ReadCertificates(ConfigurationSection top)
    {
        var defaults = new CertificatesConfiguration();
        if (top.Section("certificates", ConfigurationKeys.Certificates) is not { } section)
            return defaults;
        return new CertificatesConfiguration
        {
            Recipients = OptionalFolder(section, "recipients"),
            Trust = OptionalFolder(section, "trust"),
            Intermediates = OptionalFolder(section, "intermediates"),
            Crls = OptionalFolder(section, "crls"),
            Revocation = section.Optional(
                "revocation",
                ValueParsers.Word(("off", RevocationPolicy.Off), ("where-known", RevocationPolicy.WhereKnown), ("required", RevocationPolicy.Required)),
                defaults.Revocation),
            MinimumRsaBits = section.Optional("minimum-rsa-bits", ValueParsers.Number(2048, 16384), defaults.MinimumRsaBits),
            GcmReaders = section.List<AddressPattern>("gcm-readers", ValueParsers.Pattern!, mayBeEmpty: true),
        };
    }

    private SigningConfiguration ReadSigning(ConfigurationSection top)
    {
        if (top.Section("signing", ConfigurationKeys.Signing) is not { } section)
            return new SigningConfiguration();
        return new SigningConfiguration(
            section.Optional<bool>("sign", ValueParsers.Switch, true), OptionalFile(section, "certificate"), OptionalFile(section, "chain"));
    }

    private static KdcConfiguration ReadKdc(ConfigurationSection top, ImmutableArray<DomainName> domains)
    {
        var section = top.Section("kdc", ConfigurationKeys.Kdc);
        var lifetime = section?.Optional<TimeSpan>("ticket-lifetime", ValueParsers.Duration, TimeSpan.FromDays(7)) ?? TimeSpan.FromDays(7);
        var text = section?.Optional<string?>("realm", ValueParsers.Text!, null) ?? domains.FirstOrDefault()?.Ascii ?? "localhost";
        if (Realm.TryParse(text, out var realm))
            return new KdcConfiguration(realm, lifetime);
        section?.Problem("realm", $"'{text}' is not a realm: it is written like a domain name");
        return new KdcConfiguration(Realm.Parse("localhost"), lifetime);
    }

    private static QueueConfiguration ReadQueue(ConfigurationSection top)
    {
        var defaults = new QueueConfiguration();
        if (top.Section("queue", ConfigurationKeys.Queue) is not { } section)
            return defaults;
        var retry = section.List<TimeSpan>("retry", ValueParsers.Duration);
        return new QueueConfiguration
        {
            Retry = retry.IsEmpty ? defaults.Retry : retry,
            ExpireAfter = section.Optional<TimeSpan>("expire-after", ValueParsers.Duration, defaults.ExpireAfter),
            DelayReportAfter = section.Optional<TimeSpan>("delay-report-after", ValueParsers.Duration, defaults.DelayReportAfter),
            RetryHeldAfter = section.Optional<TimeSpan>("retry-held-after", ValueParsers.Duration, defaults.RetryHeldAfter),
            Concurrency = section.Optional("concurrency", ValueParsers.Number(1, 1000), defaults.Concurrency),
            BytesInFlight = section.Optional<long>("bytes-in-flight", ValueParsers.Size, defaults.BytesInFlight),
            MinimumFreeSpace = section.Optional<long>("minimum-free-space", ValueParsers.Size, defaults.MinimumFreeSpace),
        };
    }

    private static LimitsConfiguration ReadLimits(ConfigurationSection top)
    {
        var defaults = new LimitsConfiguration();
        if (top.Section("limits", ConfigurationKeys.Limits) is not { } section)
            return defaults;
        return new LimitsConfiguration
        {
            Connections = section.Optional("connections", ValueParsers.Number(1, 1_000_000), defaults.Connections),
            ConnectionsPerAddress = section.Optional("connections-per-address", ValueParsers.Number(1, 1_000_000), defaults.ConnectionsPerAddress),
            Errors = section.Optional("errors", ValueParsers.Number(1, 10_000), defaults.Errors),
            CommandTimeout = section.Optional<TimeSpan>("command-timeout", ValueParsers.TimeLimit, defaults.CommandTimeout),
            DataTimeout = section.Optional<TimeSpan>("data-timeout", ValueParsers.TimeLimit, defaults.DataTimeout),
        };
    }

    private string RequiredFile(ConfigurationSection section, string key)
    {
        if (!section.Has(key))
            section.Problem(key, "is missing");
        return OptionalFile(section, key) ?? "";
    }

    private string? OptionalFile(ConfigurationSection section, string key) => OptionalPath(section, key, File.Exists, "file");

    private string? OptionalFolder(ConfigurationSection section, string key) => OptionalPath(section, key, Directory.Exists, "folder");

    private string? OptionalPath(ConfigurationSection section, string key, Func<string, bool> exists, string kind)
    {
        if (section.Optional<string?>(key, ValueParsers.Text!, null) is not { } text)
            return null;
        var path = Path.GetFullPath(text, _folder);
        if (!exists(path))
            section.Problem(key, $"there is no {kind} {path}");
        return path;
    }
}
