using System.Collections.Frozen;
using GatewaySecure.HsmAdapter;

namespace GatewaySecure.KdcServer.Configuration;

/// <summary>Every key of every section: what the loader knows, and what config/kdc.schema.json must say too.</summary>
internal static class KdcConfigurationKeys
{
    /// <summary>In the order of the sample.</summary>
    public static readonly string[] Top = ["realm", "listeners", "tls", "vault", "ticket-lifetime", "limits", "audit", "ca", "operators", "cards"];

    public static readonly string[] Tls = ["certificate", "key"];

    public static readonly string[] Limits =
    [
        "connections", "connections-per-address", "request-size", "request-timeout", "requests-per-second", "burst", "stranger-requests-per-minute", "drain-timeout",
    ];

    public static readonly string[] Audit = ["anchor-every", "anchor-file"];

    public static readonly string[] Operators = ["heartbeat", "idle"];

    public static readonly string[] Cards = ["escrow"];

    /// <summary>Of a CA that this KDC is itself.</summary>
    public static readonly string[] OwnCa = ["listener", "address", "certificate-lifetime"];

    public static readonly string[] Ca = [.. OwnCa, "external", "publish"];

    public static readonly string[] Publish = ["url", "base", "address-attribute", "bind-dn", "password-file"];

    /// <summary>By the names that the schema's definitions have.</summary>
    public static readonly FrozenDictionary<string, string[]> All = new Dictionary<string, string[]>
    {
        [""] = Top,
        ["tls"] = Tls,
        ["vault"] = [.. VaultSettings.Keys],
        ["limits"] = Limits,
        ["audit"] = Audit,
        ["ca"] = Ca,
        ["publish"] = Publish,
        ["operators"] = Operators,
        ["cards"] = Cards,
    }.ToFrozenDictionary();
}
