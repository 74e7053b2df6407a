using System.Collections.Immutable;
using GatewaySecure.Policies;
using GatewaySecure.Settings;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>next-hops</c> and <c>routes</c>.</summary>
internal static class NextHopReader
{
    private static readonly string[] Kinds = ["smtp", "mx", "directory"];

    public static ImmutableArray<NextHopConfiguration> Read(ConfigurationSection top)
    {
        var hops = ImmutableArray.CreateBuilder<NextHopConfiguration>();
        foreach (var (name, section) in top.Named("next-hops", ConfigurationKeys.NextHop))
        {
            if (Kinds.Count(section.Has) != 1)
                section.Problem(Kinds.LastOrDefault(section.Has) ?? "smtp", "one of 'smtp' (host:port, or a list), 'mx' and 'directory' must be there");
            if (section.Has("mx"))
            {
                hops.Add(WithConnections(section, new NextHopConfiguration(name, null, null, ReadMxHop(section))));
                continue;
            }
            if (section.Has("directory"))
            {
                RefuseBeside(section, "directory", []);
                var directory = section.Optional<string>("directory", ValueParsers.Text!, "");
                hops.Add(new NextHopConfiguration(name, null, section.FullPath(directory)));
                continue;
            }
            hops.Add(WithConnections(section, new NextHopConfiguration(name, ReadSmtpHop(section), null)
            {
                Marks = section.Optional<bool>("mark-processed", ValueParsers.Switch, false),
            }));
        }
        if (!top.Has("next-hops"))
            top.Problem("next-hops", "is missing: where mail goes from here");
        return hops.ToImmutable();
    }

    public static ImmutableArray<RouteConfiguration> ReadRoutes(ConfigurationSection top, ImmutableArray<NextHopConfiguration> hops)
    {
        var routes = ImmutableArray.CreateBuilder<RouteConfiguration>();
        foreach (var section in top.Sections("routes", ConfigurationKeys.Route))
        {
            if (!section.Has("recipients"))
                section.Problem("recipients", "is missing: whose mail takes this route");
            var route = new RouteConfiguration(
                section.List<AddressPattern>("recipients", MailValues.Pattern!),
                NameOfHop(section, "next-hop", hops),
                section.Optional("tls", ValueParsers.Word(("required", true)), false));
            if (route.RequireTls && hops.FirstOrDefault(h => h.Name == route.NextHop) is { Directory: not null } or { Smtp.Tls: TlsPolicy.Never })
                section.Problem("tls", $"'{route.NextHop}' is a next hop without TLS");
            routes.Add(route);
        }
        return routes.ToImmutable();
    }

    public static string NameOfHop(ConfigurationSection section, string key, ImmutableArray<NextHopConfiguration> hops)
    {
        var name = section.Required<string>(key, ValueParsers.Text!);
        if (name is not null && !hops.Any(h => h.Name == name))
            section.Problem(key, $"'{name}' is not the name of a next hop{ValueParsers.Suggest(name, hops.Select(h => h.Name))}");
        return name!;
    }

    private static MxHopConfiguration ReadMxHop(ConfigurationSection section)
    {
        RefuseBeside(section, "mx", ["tls", "connections", "client-certificate", "client-key"]);
        if (!section.Optional<bool>("mx", ValueParsers.Switch, true))
            section.Problem("mx", "must be true, or be left out");
        // Not "never": it would contradict the domains' own policies.
        return new MxHopConfiguration(section.Optional("tls", ValueParsers.Word(("opportunistic", false), ("required", true)), false));
    }

    private static NextHopConfiguration WithConnections(ConfigurationSection section, NextHopConfiguration hop)
    {
        var certificate = section.OptionalFile("client-certificate");
        var key = section.OptionalFile("client-key");
        if (certificate is null != key is null)
            section.Problem(certificate is null ? "client-certificate" : "client-key", "'client-certificate' and 'client-key' belong together");
        if (certificate is not null && hop.Smtp?.Tls == TlsPolicy.Never)
            section.Problem("client-certificate", "has no meaning beside 'tls: never'");
        return hop with
        {
            Connections = section.Optional("connections", ValueParsers.Number(1, 1000), hop.Connections),
            ClientCertificate = certificate is null || key is null ? null : CertificateFiles.ReadOwn(section, "client-certificate", certificate, key),
        };
    }

    private static void RefuseBeside(ConfigurationSection section, string kind, string[] allowed)
    {
        foreach (var other in ConfigurationKeys.NextHop.Where(k => !Kinds.Contains(k) && !allowed.Contains(k) && section.Has(k)))
            section.Problem(other, $"has no meaning beside '{kind}'");
    }

    private static SmtpHopConfiguration ReadSmtpHop(ConfigurationSection section)
    {
        var hosts = section.List<HostAndPort>("smtp", MailValues.Host!);
        var tls = section.Optional(
            "tls",
            ValueParsers.Word(("never", TlsPolicy.Never), ("opportunistic", TlsPolicy.Opportunistic), ("required", TlsPolicy.Required)),
            TlsPolicy.Opportunistic);
        var user = section.Optional<string?>("user", ValueParsers.Text!, null);
        var passwordFile = section.OptionalFile("password-file");
        if (user is null != passwordFile is null)
            section.Problem(user is null ? "password-file" : "user", "'user' and 'password-file' belong together");
        if (user is not null && tls != TlsPolicy.Required)
            section.Problem("user", "needs 'tls: required': passwords never travel in clear");
        if (section.Has("tls-trust") && tls != TlsPolicy.Required)
            section.Problem("tls-trust", "needs 'tls: required': otherwise any certificate will do");
        var trust = section.OptionalFile("tls-trust") is { } file ? CertificateFiles.Read(section, "tls-trust", file) : null;
        var password = passwordFile is null ? null : ReadPassword(section, passwordFile);
        return new SmtpHopConfiguration(hosts, tls, section.Optional<string?>("tls-name", ValueParsers.Text!, null), trust, user, password);
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
}
