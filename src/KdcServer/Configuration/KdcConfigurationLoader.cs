using System.Net;
using System.Security.Cryptography;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Hosting;
using GatewaySecure.Settings;
using GatewaySecure.Trust;

namespace GatewaySecure.KdcServer.Configuration;

/// <summary>Reads <c>kdc.yaml</c> and finds everything that is wrong with it at once.</summary>
internal static class KdcConfigurationLoader
{
    public static ConfigurationResult<KdcServerConfiguration> Load(string path) =>
        SettingsFile.Load<KdcServerConfiguration>(path, "config/kdc.sample.yaml", KdcConfigurationKeys.Top, Read);

    private static KdcServerConfiguration? Read(ConfigurationSection top, ProblemList problems)
    {
        if (!top.Has("listeners"))
            top.Problem("listeners", "is missing: the addresses with ports that the KDC serves, such as 127.0.0.1:8440");
        var name = top.Required<string>("realm", ValueParsers.Text!);
        if (name is not null && !Realm.TryParse(name, out _))
            top.Problem("realm", $"'{name}' is not a realm: it is written like a domain name, in lower case");
        var configuration = new KdcServerConfiguration
        {
            Realm = Realm.TryParse(name, out var realm) ? realm : Realm.Parse("localhost"),
            Listeners = top.List<IPEndPoint>("listeners", ValueParsers.EndPoint!),
            Tls = top.Section("tls", KdcConfigurationKeys.Tls) is { } tls ? new TlsFiles(tls.RequiredFile("certificate"), tls.RequiredFile("key")) : null,
            Vault = VaultSettings.Read(top),
            TicketLifetime = top.Optional<TimeSpan>("ticket-lifetime", ValueParsers.Duration, TimeSpan.FromDays(7)),
            Limits = top.Section("limits", KdcConfigurationKeys.Limits) is { } limits ? ReadLimits(limits) : new KdcLimits(),
        };
        if (top.Section("audit", KdcConfigurationKeys.Audit) is { } audit)
        {
            var file = audit.Optional<string?>("anchor-file", ValueParsers.Text!, null);
            configuration = configuration with
            {
                Audit = new AuditConfiguration
                {
                    AnchorEvery = audit.Optional<TimeSpan>("anchor-every", ValueParsers.DayAtMost, configuration.Audit.AnchorEvery),
                    AnchorFile = file is null ? null : audit.FullPath(file),
                },
            };
        }
        if (top.Section("ca", KdcConfigurationKeys.Ca) is { } ca)
        {
            configuration = configuration with
            {
                Ca = ca.Has("external") ? null : ReadCa(ca),
                ExternalCa = ReadExternalCa(ca),
                Publish = ca.Section("publish", KdcConfigurationKeys.Publish) is { } publish ? ReadPublication(publish) : null,
            };
        }
        if (top.Section("operators", KdcConfigurationKeys.Operators) is { } operators)
        {
            configuration = configuration with
            {
                Operators = new OperatorsConfiguration(
                    operators.Optional<TimeSpan>("heartbeat", ValueParsers.TimeLimit, configuration.Operators.Heartbeat),
                    operators.Optional<TimeSpan>("idle", ValueParsers.TimeLimit, configuration.Operators.Idle)),
            };
        }
        if (top.Section("cards", KdcConfigurationKeys.Cards) is { } cards)
            configuration = configuration with { EscrowsEncryptionKeys = ReadEscrow(cards) };
        if (configuration is { ExternalCa: not null, EscrowsEncryptionKeys: false })
            top.Problem("cards", "'escrow: forbidden' does not go with 'ca: external': most cards can't sign a request by an encryption key that they made themselves");
        if (configuration.Tls is null)
            top.Warning("tls", "is missing: a self-signed certificate is made, for trials");
        return problems.HasErrors ? null : configuration;
    }

    private static bool ReadEscrow(ConfigurationSection section)
    {
        var word = section.Optional<string>("escrow", ValueParsers.Text!, "required");
        if (word is not ("required" or "forbidden"))
            section.Problem("escrow", $"'{word}' is neither 'required' (the vault makes users' encryption keys and keeps them) nor 'forbidden' (each card makes its own)");
        return word != "forbidden";
    }

    private static CaConfiguration? ReadCa(ConfigurationSection section)
    {
        var listener = section.Required<IPEndPoint>("listener", ValueParsers.EndPoint!);
        var text = section.Required<string>("address", ValueParsers.Text!);
        if (text is not null && !(Uri.TryCreate(text, UriKind.Absolute, out var parsed) && parsed is { Scheme: "http", Query: "", Fragment: "" }))
            section.Problem("address", $"'{text}' is not an address such as http://kdc.example.org; not https, which would need what is fetched there (RFC 5280 §8)");
        var lifetime = section.Optional<TimeSpan>("certificate-lifetime", ValueParsers.Duration, CaConfiguration.DefaultLifetime);
        return listener is null || !Uri.TryCreate(text?.TrimEnd('/') + "/", UriKind.Absolute, out var address)
            ? null
            : new CaConfiguration(listener, address, lifetime);
    }

    private static string? ReadExternalCa(ConfigurationSection section)
    {
        if (!section.Has("external"))
            return null;
        foreach (var ours in KdcConfigurationKeys.OwnCa.Where(section.Has))
            section.Problem(ours, "does not go with 'external': that CA publishes its own lists and answers");
        var file = section.RequiredFile("external");
        try
        {
            if (file.Length > 0)
                CertificateFiles.ParseCertificates(File.ReadAllBytes(file));
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            section.Problem("external", $"'{file}' can't be used: {e.Message}");
        }
        return file;
    }

    private static LdapPublication? ReadPublication(ConfigurationSection section)
    {
        var text = section.Required<string>("url", ValueParsers.Text!);
        var top = section.Required<string>("base", ValueParsers.Text!);
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url))
            section.Problem("url", $"'{text}' is not an address such as ldaps://ldap.example.org");
        else if (LdapDirectory.Objection(url) is { } objection)
            section.Problem("url", $"'{text}': {objection}");
        var attribute = section.Optional<string>("address-attribute", ValueParsers.Text!, "mail");
        var bind = section.Optional<string?>("bind-dn", ValueParsers.Text!, null);
        if (bind is not null != section.Has("password-file"))
            section.Problem(bind is null ? "password-file" : "bind-dn", "needs the other one: bind-dn and password-file belong together");
        return url is null || top is null ? null : new LdapPublication(url, top, attribute, bind, section.Has("password-file") ? section.RequiredFile("password-file") : null);
    }

    private static KdcLimits ReadLimits(ConfigurationSection section)
    {
        var defaults = new KdcLimits();
        return new KdcLimits
        {
            Connections = section.Optional("connections", ValueParsers.Number(1, 1_000_000), defaults.Connections),
            ConnectionsPerAddress = section.Optional("connections-per-address", ValueParsers.Number(1, 1_000_000), defaults.ConnectionsPerAddress),
            RequestSize = section.Optional<long>("request-size", ValueParsers.Size, defaults.RequestSize),
            RequestTimeout = section.Optional<TimeSpan>("request-timeout", ValueParsers.TimeLimit, defaults.RequestTimeout),
            RequestsPerSecond = section.Optional("requests-per-second", ValueParsers.Number(1, 1_000_000), defaults.RequestsPerSecond),
            Burst = section.Optional("burst", ValueParsers.Number(1, 1_000_000), defaults.Burst),
            StrangerRequestsPerMinute =
                section.Optional("stranger-requests-per-minute", ValueParsers.Number(1, 1_000_000), defaults.StrangerRequestsPerMinute),
            DrainTimeout = section.Optional<TimeSpan>("drain-timeout", ValueParsers.TimeLimit, defaults.DrainTimeout),
        };
    }
}
