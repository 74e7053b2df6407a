using System.Diagnostics.CodeAnalysis;
using System.Net;
using GatewaySecure.Addresses;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>dns</c> and <c>tls-reports</c>.</summary>
internal static class DnsReader
{
    private const int DnsPort = 53;

    public static DnsConfiguration Read(ConfigurationSection top)
    {
        if (top.Section("dns", ConfigurationKeys.Dns) is not { } section)
            return DnsConfiguration.System;
        var resolvers = section.List<IPEndPoint>("resolver", Resolver!);
        var trusted = section.Optional<bool>("trusted", ValueParsers.Switch, false);
        if (trusted && resolvers.IsEmpty)
            section.Problem("trusted", "needs 'resolver': the system's may be anywhere on the network");
        else if (trusted && resolvers.FirstOrDefault(r => !IPAddress.IsLoopback(r.Address)) is { } far)
            section.Problem("trusted", $"can't be said of {far}: anybody on the way could write its answers; run a validating resolver on this machine, such as unbound");
        return new DnsConfiguration(resolvers, trusted);
    }

    public static TlsReportsConfiguration? ReadReports(ConfigurationSection top) =>
        top.Section("tls-reports", ConfigurationKeys.TlsReports) is { } section
            ? new TlsReportsConfiguration(section.Required<MailAddress>("from", ValueParsers.Address!)!)
            : null;

    /// <summary><c>127.0.0.1</c>, <c>127.0.0.1:5353</c>, <c>[::1]:53</c>.</summary>
    private static bool Resolver(string text, [NotNullWhen(true)] out IPEndPoint? value, [NotNullWhen(false)] out string? problem)
    {
        // A bare number is an address too, for the platform and for nobody else.
        if (IPEndPoint.TryParse(text, out value) && text.AsSpan().ContainsAny('.', ':'))
        {
            value.Port = value.Port == 0 ? DnsPort : value.Port;
            problem = null;
            return true;
        }
        problem = "is not an address such as 127.0.0.1 or 127.0.0.1:53";
        return false;
    }
}
