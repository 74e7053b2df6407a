using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>listeners</c>, and who may relay.</summary>
internal static class ListenerReader
{
    private const long DefaultMessageSize = 100L << 20;

    private static readonly string[] NeedTls = ["tls-required", "certificate", "relay-certificates"];

    public static ImmutableArray<ListenerConfiguration> Read(ConfigurationSection top, LimitsConfiguration limits)
    {
        var listeners = ImmutableArray.CreateBuilder<ListenerConfiguration>();
        var networks = ReadNetworks(top);
        var certificates = RelayCertificateReader.Read(top);
        foreach (var section in top.Sections("listeners", ConfigurationKeys.Listener))
        {
            var listener = ReadOne(section, networks, certificates, limits);
            if (listener.Address is not null && listeners.Any(l => listener.Address.Equals(l.Address)))
                section.Problem("address", $"'{listener.Address}' is the address of another listener too");
            listeners.Add(listener);
        }
        if (!top.Has("listeners"))
            top.Problem("listeners", "is missing: where the gateway listens");
        else if (top.IsEmptyList("listeners"))
            top.Problem("listeners", "is an empty list: the gateway would listen nowhere");
        foreach (var unused in certificates.Values.Where(c => !listeners.Any(l => l.RelayCertificates.Contains(c))))
            top.Warning("relay-certificates", $"'{unused.Name}' is named by the relay-certificates of no listener, so nobody is asked for it");
        return listeners.ToImmutable();
    }

    private static ListenerConfiguration ReadOne(
        ConfigurationSection section, ImmutableArray<IPNetwork> networks, Dictionary<string, RelayCertificate> certificates, LimitsConfiguration limits)
    {
        var tls = section.Optional(
            "tls",
            ValueParsers.Word(("none", ListenerTls.None), ("starttls", ListenerTls.StartTls), ("implicit", ListenerTls.Implicit)),
            ListenerTls.StartTls);
        var listener = new ListenerConfiguration
        {
            Address = section.Required<IPEndPoint>("address", ValueParsers.EndPoint!)!,
            Tls = tls,
            TlsRequired = section.Optional<bool>("tls-required", ValueParsers.Switch, false),
            Authentication = section.Optional("authentication", Authentication, ListenerAuthentication.Off),
            MaxMessageSize = section.Optional<long>("max-message-size", ValueParsers.Size, DefaultMessageSize),
            // The KDC's limit for one request.
            MaxRecipients = section.Optional("max-recipients", ValueParsers.Number(100, 1000), 1000),
            Limits = LimitsReader.ReadListener(section, limits),
            Certificate = section.Has("certificate") || section.Has("key")
                ? new TlsConfiguration(section.RequiredFile("certificate"), section.RequiredFile("key"))
                : null,
            RelayNetworks = section.Has("relay-networks") ? ReadNetworks(section) : networks,
            RelayCertificates = [.. section.List("relay-certificates", RelayCertificateReader.NameOf(certificates), mayBeEmpty: true)],
            ProxyProtocolFrom = section.List<IPNetwork>("proxy-protocol-from", ValueParsers.Network, mayBeEmpty: true),
            XclientFrom = section.List<IPNetwork>("xclient-from", ValueParsers.Network, mayBeEmpty: true),
            XclientLogin = section.Optional<bool>("xclient-login", ValueParsers.Switch, false),
            NormaliseBareLineEndsFrom = section.List<IPNetwork>("normalise-bare-line-ends-from", ValueParsers.Network, mayBeEmpty: true),
        };
        if (listener.Authentication != ListenerAuthentication.Off && tls == ListenerTls.None)
            section.Problem("authentication", "needs TLS: passwords never travel in clear");
        if (tls == ListenerTls.None)
        {
            foreach (var key in NeedTls.Where(section.Has))
                section.Problem(key, "needs TLS, which 'tls: none' switches off");
        }
        foreach (var proxy in listener.ProxyProtocolFrom.Concat(listener.XclientFrom).Where(p => listener.RelayNetworks.Any(n => n.Contains(p.BaseAddress))))
            section.Warning("address", $"the proxy '{proxy}' is of a relay network: what it brings without naming a client may go anywhere");
        if (listener.XclientLogin && listener.XclientFrom.IsEmpty)
            section.Problem("xclient-login", "has no effect without xclient-from");
        return listener;
    }

    private static bool Authentication(
        string text, out ListenerAuthentication value, [System.Diagnostics.CodeAnalysis.NotNullWhen(false)] out string? problem)
    {
        value = ListenerAuthentication.Required;
        problem = null;
        if (text == "required")
            return true;
        var known = ValueParsers.Switch(text, out var isOn, out _);
        value = isOn ? ListenerAuthentication.Offered : ListenerAuthentication.Off;
        problem = known ? null : "is not true, false or required";
        return known;
    }

    private static ImmutableArray<IPNetwork> ReadNetworks(ConfigurationSection section)
    {
        var networks = section.List<IPNetwork>("relay-networks", ValueParsers.Network, mayBeEmpty: true);
        foreach (var wide in networks.Where(n => n.PrefixLength < (n.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 8 : 16)))
            section.Warning("relay-networks", $"'{wide}' lets so many use the gateway as a relay that it is hardly meant");
        return networks;
    }
}
