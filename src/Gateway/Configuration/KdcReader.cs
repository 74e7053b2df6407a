using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>kdc</c>.</summary>
internal static class KdcReader
{
    public static KdcConfiguration Read(ConfigurationSection top, ImmutableArray<DomainName> domains)
    {
        var section = top.Section("kdc", ConfigurationKeys.Kdc);
        var lifetime = section?.Optional<TimeSpan>("ticket-lifetime", ValueParsers.Duration, TimeSpan.FromDays(7)) ?? TimeSpan.FromDays(7);
        var text = section?.Optional<string?>("realm", ValueParsers.Text!, null) ?? domains.FirstOrDefault()?.Ascii ?? "localhost";
        if (Realm.TryParse(text, out var realm))
            return new KdcConfiguration(realm, lifetime);
        section?.Problem("realm", $"'{text}' is not a realm: it is written like a domain name");
        return new KdcConfiguration(Realm.Parse("localhost"), lifetime);
    }
}
