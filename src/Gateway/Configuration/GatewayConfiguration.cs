using System.Collections.Immutable;
using System.Net;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Queue;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Gateway.Scanning;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>A whole configuration file, checked. Every key is explained in config/gateway.sample.yaml. Paths are absolute.</summary>
internal sealed record GatewayConfiguration
{
    public required DomainName HostName { get; init; }

    public required ImmutableArray<DomainName> OrganisationDomains { get; init; }

    public required ImmutableArray<ListenerConfiguration> Listeners { get; init; }

    /// <summary>Null: a self-signed certificate is made.</summary>
    public TlsConfiguration? Tls { get; init; }

    public ImmutableArray<IPNetwork> RelayEvidenceFrom { get; init; } = [];

    /// <summary>Exchange servers, whose own header fields are believed.</summary>
    public ExchangePeers ExchangePeers { get; init; } = ExchangePeers.None;

    /// <summary>Our own tenants, where the peers' addresses are those of Exchange Online; empty: nobody shares them.</summary>
    public ImmutableArray<DomainName> ExchangeTenants { get; init; } = [];

    /// <summary>Null: journal reports are refused.</summary>
    public JournalConfiguration? Journal { get; init; }

    public ImmutableArray<UserConfiguration> Users { get; init; } = [];

    /// <summary>Null: mail from outside is not examined.</summary>
    public AuthenticationConfiguration? Authentication { get; init; }

    public ImmutableArray<DkimKeyConfiguration> Dkim { get; init; } = [];

    /// <summary>Null: nothing is sealed with ARC.</summary>
    public DkimKeyConfiguration? Arc { get; init; }

    public ImmutableArray<Scanner> Scanners { get; init; } = [];

    public required ImmutableArray<NextHopConfiguration> NextHops { get; init; }

    public ImmutableArray<RouteConfiguration> Routes { get; init; } = [];

    public required string DefaultNextHop { get; init; }

    public DeliveryConfiguration Delivery { get; init; } = new();

    public DnsConfiguration Dns { get; init; } = DnsConfiguration.System;

    /// <summary>Null: none are sent.</summary>
    public TlsReportsConfiguration? TlsReports { get; init; }

    public CertificatesConfiguration Certificates { get; init; } = new();

    public SigningConfiguration Signing { get; init; } = new();

    /// <summary>Null: nothing is opened.</summary>
    public OpeningConfiguration? Opening { get; init; }

    public required KdcConfiguration Kdc { get; init; }

    public required VaultSettings Vault { get; init; }

    public QueueOptions Queue { get; init; } = new();

    public SpoolOptions Spool { get; init; } = new();

    public LimitsConfiguration Limits { get; init; } = new();

    public required PolicySnapshot Policy { get; init; }
}

/// <summary>Somebody who submits mail with a password, and the addresses that he may send from.</summary>
internal sealed record UserConfiguration(string Name, string PasswordHash, ImmutableArray<MailAddress> Mailboxes);

/// <summary>The realm's KDC.</summary>
/// <param name="TicketLifetime">Of the KDC inside the gateway.</param>
/// <param name="Server">Null: it runs inside the gateway.</param>
internal sealed record KdcConfiguration(Realm Realm, TimeSpan TicketLifetime, KdcServerConfiguration? Server = null);

/// <summary>A KDC that runs elsewhere.</summary>
/// <param name="Trust">PEM: its certificate, or the authority's that its certificate is from.</param>
/// <param name="Certificate">PEM: the gateway's TLS client certificate, which the KDC has on record; <paramref name="Key"/> is its key.</param>
internal sealed record KdcServerConfiguration(Uri Url, string Trust, string Certificate, string Key, TimeSpan Timeout);

/// <summary>Where Exchange's journal reports go, and nothing else.</summary>
/// <param name="Recipient">The one address.</param>
/// <param name="NextHop">The one way there.</param>
/// <param name="Method">How they are protected.</param>
internal sealed record JournalConfiguration(MailAddress Recipient, string NextHop, ProtectionMethod Method);
