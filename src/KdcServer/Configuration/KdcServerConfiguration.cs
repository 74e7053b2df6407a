using System.Collections.Immutable;
using System.Net;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcServer.Configuration;

/// <summary>A whole <c>kdc.yaml</c>, checked. Every key is explained in config/kdc.sample.yaml. Paths are absolute.</summary>
internal sealed record KdcServerConfiguration
{
    public required Realm Realm { get; init; }

    public required ImmutableArray<IPEndPoint> Listeners { get; init; }

    /// <summary>Null: a self-signed certificate is made, for trials.</summary>
    public TlsFiles? Tls { get; init; }

    public VaultSettings Vault { get; init; } = VaultSettings.Software;

    public TimeSpan TicketLifetime { get; init; } = TimeSpan.FromDays(7);

    public KdcLimits Limits { get; init; } = new();

    public AuditConfiguration Audit { get; init; } = new();

    /// <summary>Null: nothing of a CA is served, and its certificates name no addresses.</summary>
    public CaConfiguration? Ca { get; init; }

    /// <summary>PEM with the certificates of a CA elsewhere that certifies cards by files of requests, instead of <see cref="Ca"/>; null: there is none.</summary>
    public string? ExternalCa { get; init; }

    /// <summary>Null: certificates are published nowhere else.</summary>
    public LdapPublication? Publish { get; init; }

    public OperatorsConfiguration Operators { get; init; } = new(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));

    /// <summary>Users' encryption keys are made in the vault and kept there too; else cards make them, and what a lost card opened stays shut.</summary>
    public bool EscrowsEncryptionKeys { get; init; } = true;
}

/// <summary>When an operator's session ends by itself.</summary>
/// <param name="Heartbeat">How often a station says that the card is there; three missing ones end it.</param>
/// <param name="Idle">Without a command.</param>
internal sealed record OperatorsConfiguration(TimeSpan Heartbeat, TimeSpan Idle);

/// <summary>How the issuing CA is reached, over plain HTTP: what it serves is signed.</summary>
/// <param name="Address">As others reach the listener; it stands in certificates, so it must last as long as they do.</param>
internal sealed record CaConfiguration(IPEndPoint Listener, Uri Address, TimeSpan CertificateLifetime)
{
    public static readonly TimeSpan DefaultLifetime = TimeSpan.FromDays(730);
}

/// <summary>The directory that users' encryption certificates go to.</summary>
/// <param name="AddressAttribute">By which an entry is found.</param>
/// <param name="BindDn">Null: anonymous.</param>
internal sealed record LdapPublication(Uri Url, string Base, string AddressAttribute, string? BindDn, string? PasswordFile);

/// <summary>How the audit chain is anchored.</summary>
internal sealed record AuditConfiguration
{
    /// <summary>Where something was added since the last time.</summary>
    public TimeSpan AnchorEvery { get; init; } = TimeSpan.FromHours(1);

    /// <summary>A file that anchors are appended to, best on another machine's disk; null: in the state directory.</summary>
    public string? AnchorFile { get; init; }
}

/// <summary>PEM files of a server certificate (with its chain) and its key.</summary>
internal sealed record TlsFiles(string Certificate, string Key);

/// <summary>What one peer, one principal or all together may cost.</summary>
internal sealed record KdcLimits
{
    /// <summary>At the same time.</summary>
    public int Connections { get; init; } = 1000;

    /// <summary>The same from one address (IPv6: one /64).</summary>
    public int ConnectionsPerAddress { get; init; } = 200;

    /// <summary>Octets of a request's body.</summary>
    public long RequestSize { get; init; } = 512 << 10;

    /// <summary>From a request's first octet to its answer's last.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Of one principal, in a second.</summary>
    public int RequestsPerSecond { get; init; } = 1000;

    /// <summary>Of one principal, at once after a pause.</summary>
    public int Burst { get; init; } = 2000;

    /// <summary>In a minute, from one address (IPv6: one /64) that does not show a gateway's certificate.</summary>
    public int StrangerRequestsPerMinute { get; init; } = 600;

    /// <summary>What requests under way are given to end when the server is told to stop.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(20);
}
