using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>kdc</c>.</summary>
internal static class KdcReader
{
    private static readonly string[] OfServer = ["trust", "client-certificate", "client-key", "timeout"];

    public static KdcConfiguration Read(ConfigurationSection top, ImmutableArray<DomainName> domains)
    {
        var section = top.Section("kdc", ConfigurationKeys.Kdc);
        var lifetime = section?.Optional<TimeSpan>("ticket-lifetime", ValueParsers.Duration, TimeSpan.FromDays(7)) ?? TimeSpan.FromDays(7);
        var text = section?.Optional<string?>("realm", ValueParsers.Text!, null) ?? domains.FirstOrDefault()?.Ascii ?? "localhost";
        var server = section is null ? null : ReadServer(section);
        if (Realm.TryParse(text, out var realm))
            return new KdcConfiguration(realm, lifetime, server);
        section?.Problem("realm", $"'{text}' is not a realm: it is written like a domain name");
        return new KdcConfiguration(Realm.Parse("localhost"), lifetime, server);
    }

    private static KdcServerConfiguration? ReadServer(ConfigurationSection section)
    {
        if (!section.Has("server"))
        {
            foreach (var key in OfServer.Where(section.Has))
                section.Problem(key, "is for a KDC of its own: 'server' says where that is");
            return null;
        }
        if (section.Has("ticket-lifetime"))
            section.Problem("ticket-lifetime", "is the KDC server's own matter: it stands in its kdc.yaml");
        return new KdcServerConfiguration(
            section.Required<Uri>("server", ServerUrl!)!,
            section.RequiredFile("trust"),
            section.RequiredFile("client-certificate"),
            section.RequiredFile("client-key"),
            section.Optional<TimeSpan>("timeout", ValueParsers.TimeLimit, TimeSpan.FromSeconds(20)));
    }

    private static bool ServerUrl(string text, [NotNullWhen(true)] out Uri? value, [NotNullWhen(false)] out string? problem) =>
        ValueParsers.Done(
            Uri.TryCreate(text, UriKind.Absolute, out value) && value.Scheme == Uri.UriSchemeHttps && value.PathAndQuery == "/" && value.UserInfo.Length == 0,
            "is not an https address such as https://kdc.example.org:8440",
            out problem);
}
