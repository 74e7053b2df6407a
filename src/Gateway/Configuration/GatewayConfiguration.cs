using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection.Trust;
using GatewaySecure.Policies;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>A whole configuration file, checked. Every key is explained in config/gateway.sample.yaml. Paths are absolute.</summary>
internal sealed record GatewayConfiguration
{
    public required DomainName HostName { get; init; }

    public required ImmutableArray<DomainName> OrganisationDomains { get; init; }

    public required ImmutableArray<ListenerConfiguration> Listeners { get; init; }

    /// <summary>Null: a self-signed certificate is made.</summary>
    public TlsConfiguration? Tls { get; init; }

    public ImmutableArray<IPNetwork> RelayNetworks { get; init; } = [];

    public ImmutableArray<IPNetwork> RelayEvidenceFrom { get; init; } = [];

    public ImmutableArray<UserConfiguration> Users { get; init; } = [];

    public required ImmutableArray<NextHopConfiguration> NextHops { get; init; }

    public ImmutableArray<RouteConfiguration> Routes { get; init; } = [];

    public required string DefaultNextHop { get; init; }

    public CertificatesConfiguration Certificates { get; init; } = new();

    public SigningConfiguration Signing { get; init; } = new();

    public required KdcConfiguration Kdc { get; init; }

    public QueueConfiguration Queue { get; init; } = new();

    public LimitsConfiguration Limits { get; init; } = new();

    public required PolicySnapshot Policy { get; init; }
}

/// <summary>How a listener comes to TLS.</summary>
internal enum ListenerTls
{
    None,
    StartTls,
    Implicit,
}

/// <summary>One address at which the gateway listens.</summary>
/// <param name="MaxMessageSize">In octets.</param>
internal sealed record ListenerConfiguration(
    IPEndPoint Address,
    ListenerTls Tls,
    bool Authentication,
    long MaxMessageSize,
    int MaxRecipients,
    ImmutableArray<IPNetwork> NormaliseBareLineEndsFrom);

/// <summary>PEM files of the server certificate with its chain, and of its key.</summary>
internal sealed record TlsConfiguration(string Certificate, string Key);

/// <summary>Somebody who submits mail with a password, and the addresses that he may send from.</summary>
internal sealed record UserConfiguration(string Name, string PasswordHash, ImmutableArray<MailAddress> Mailboxes);

/// <summary>One of <paramref name="Smtp"/> and <paramref name="Directory"/> is set.</summary>
internal sealed record NextHopConfiguration(string Name, SmtpHopConfiguration? Smtp, string? Directory);

/// <summary>A smart host.</summary>
internal sealed record SmtpHopConfiguration(string Host, int Port, TlsPolicy Tls, string? TlsName, string? User, string? Password)
{
    /// <summary>Never shows the password.</summary>
    public override string ToString() => $"{Host}:{Port}";
}

/// <summary>Whose mail goes to which next hop.</summary>
internal sealed record RouteConfiguration(ImmutableArray<AddressPattern> Recipients, string NextHop);

/// <summary>Folders; null: below the state directory.</summary>
internal sealed record CertificatesConfiguration
{
    public string? Recipients { get; init; }

    public string? Trust { get; init; }

    public string? Intermediates { get; init; }

    public string? Crls { get; init; }

    public RevocationPolicy Revocation { get; init; } = RevocationPolicy.WhereKnown;

    public int MinimumRsaBits { get; init; } = 2048;

    /// <summary>Whose owners are known to read AES-256-GCM.</summary>
    public ImmutableArray<AddressPattern> GcmReaders { get; init; } = [];
}

/// <summary>The organisation's signature on S/MIME mail.</summary>
/// <param name="Certificate">PEM file for the vault's signing key; null: a self-signed one.</param>
/// <param name="Chain">PEM file with the authorities in between.</param>
internal sealed record SigningConfiguration(bool Sign = true, string? Certificate = null, string? Chain = null);

/// <summary>The KDC that runs inside the gateway.</summary>
internal sealed record KdcConfiguration(Realm Realm, TimeSpan TicketLifetime);

/// <summary>Sizes in octets.</summary>
internal sealed record QueueConfiguration
{
    public ImmutableArray<TimeSpan> Retry { get; init; } =
        [TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(15), TimeSpan.FromHours(1), TimeSpan.FromHours(4)];

    public TimeSpan ExpireAfter { get; init; } = TimeSpan.FromDays(5);

    public TimeSpan DelayReportAfter { get; init; } = TimeSpan.FromHours(4);

    public TimeSpan RetryHeldAfter { get; init; } = TimeSpan.FromHours(1);

    public int Concurrency { get; init; } = 32;

    public long BytesInFlight { get; init; } = 64L << 20;

    public long MinimumFreeSpace { get; init; } = 256L << 20;
}

/// <summary>What one client, and all together, may take up.</summary>
internal sealed record LimitsConfiguration
{
    public int Connections { get; init; } = 1000;

    public int ConnectionsPerAddress { get; init; } = 100;

    public int Errors { get; init; } = 20;

    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromMinutes(5);

    public TimeSpan DataTimeout { get; init; } = TimeSpan.FromMinutes(3);
}
