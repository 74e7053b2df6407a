using System.Collections.Frozen;
using GatewaySecure.HsmAdapter;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Every key of every section: what the loader knows, and what config/gateway.schema.json must say too.</summary>
internal static class ConfigurationKeys
{
    /// <summary>In the order of the sample.</summary>
    public static readonly string[] Top =
    [
        "hostname",
        "organisation-domains",
        "listeners",
        "tls",
        "relay-networks",
        "relay-evidence-from",
        "relay-certificates",
        "exchange-peers",
        "exchange-tenants",
        "journal",
        "users",
        "authentication",
        "next-hops",
        "routes",
        "default-next-hop",
        "delivery",
        "dns",
        "tls-reports",
        "certificates",
        "signing",
        "opening",
        "dkim",
        "arc",
        "scanners",
        "kdc",
        "vault",
        "queue",
        "limits",
        "rules",
        "default",
    ];

    public static readonly string[] Listener =
    [
        "address",
        "tls",
        "tls-required",
        "certificate",
        "key",
        "authentication",
        "max-message-size",
        "max-recipients",
        "relay-networks",
        "relay-certificates",
        "proxy-protocol-from",
        "xclient-from",
        "xclient-login",
        "normalise-bare-line-ends-from",
        "limits",
    ];

    public static readonly string[] Tls = ["certificate", "key"];

    public static readonly string[] RelayCertificate = ["name", "fingerprint", "ca", "names", "relay-evidence"];

    public static readonly string[] User = ["name", "password", "mailboxes"];

    public static readonly string[] Authentication = ["authserv-id", "dmarc", "exempt-networks", "trusted-arc-sealers"];

    public static readonly string[] Dkim = ["domain", "selector", "key"];

    public static readonly string[] Scanner = ["name", "milter", "direction", "timeout", "connections", "infected"];

    public static readonly string[] NextHop = 
    [
        "smtp", "tls", "tls-name", "tls-trust", "client-certificate", "client-key", "connections", "user", "password-file", "directory", "mx", "mark-processed",
    ];

    public static readonly string[] Route = ["recipients", "next-hop", "tls"];

    public static readonly string[] Journal = ["recipient", "next-hop", "method"];

    public static readonly string[] Delivery =
        ["connect-timeout", "greeting-timeout", "command-timeout", "data-command-timeout", "block-timeout", "final-dot-timeout"];

    public static readonly string[] Dns = ["resolver", "trusted"];

    public static readonly string[] TlsReports = ["from"];

    public static readonly string[] Certificates = 
    [
        "recipients", "trust", "intermediates", "crls", "revocation", "grace", "wait", "authorities", "fetch", "notify", "warn-before", "minimum-rsa-bits",
        "gcm-readers",
        "domain-certificates",
    ];

    /// <summary>Of one certificate authority.</summary>
    public static readonly string[] Authority = ["name", "revocation", "grace", "wait", "crls", "every"];

    public static readonly string[] Fetch = ["named-crls", "ocsp", "private-addresses", "crls", "every", "max-size", "timeout"];

    public static readonly string[] Signing = ["sign", "certificate", "chain", "rsa-padding"];

    public static readonly string[] Opening = ["keys", "unsigned", "subject-tag"];

    public static readonly string[] OpeningKey = ["file", "passphrase-file", "certificate", "name"];

    public static readonly string[] Kdc = ["realm", "ticket-lifetime", "server", "trust", "client-certificate", "client-key", "timeout"];

    public static readonly string[] Queue =
        ["retry", "expire-after", "delay-report-after", "retry-held-after", "concurrency", "bytes-in-flight", "bytes-in-memory", "minimum-free-space"];

    /// <summary>Of one listener.</summary>
    public static readonly string[] ListenerLimits =
    [
        "connections",
        "connections-per-address",
        "connection-rate",
        "connection-rate-per-address",
        "message-rate",
        "message-rate-per-address",
        "recipient-rate",
        "recipient-rate-per-address",
        "error-rate-per-address",
        "errors",
        "junk-commands",
        "wrong-passwords",
        "hops",
        "passes",
        "command-timeout",
        "data-timeout",
        "message-timeout",
        "tls-handshake-timeout",
        "proxy-header-timeout",
        "session-timeout",
    ];

    public static readonly string[] Limits = [.. ListenerLimits, "wrong-password-rate-per-address", "wrong-password-rate-per-user", "exempt-from", "drain-timeout"];

    public static readonly string[] Outcome = ["method", "action", "when-unavailable", "tnef", "smime"];

    public static readonly string[] Rule = ["name", "direction", "sender", "recipient", "authenticated", "subject", "header", "kind", "mandatory", "exempt", .. Outcome];

    /// <summary>By the names that the schema's definitions have.</summary>
    public static readonly FrozenDictionary<string, string[]> All = new Dictionary<string, string[]>
    {
        [""] = Top,
        ["listener"] = Listener,
        ["tls"] = Tls,
        ["user"] = User,
        ["authentication"] = Authentication,
        ["dkim"] = Dkim,
        ["scanner"] = Scanner,
        ["nextHop"] = NextHop,
        ["route"] = Route,
        ["journal"] = Journal,
        ["delivery"] = Delivery,
        ["dns"] = Dns,
        ["tlsReports"] = TlsReports,
        ["certificates"] = Certificates,
        ["authority"] = Authority,
        ["fetch"] = Fetch,
        ["signing"] = Signing,
        ["opening"] = Opening,
        ["openingKey"] = OpeningKey,
        ["kdc"] = Kdc,
        ["vault"] = [.. VaultSettings.Keys],
        ["queue"] = Queue,
        ["relayCertificate"] = RelayCertificate,
        ["listenerLimits"] = ListenerLimits,
        ["limits"] = Limits,
        ["outcome"] = Outcome,
        ["rule"] = Rule,
    }.ToFrozenDictionary();
}
