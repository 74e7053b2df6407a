using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Exchange;
using GatewaySecure.Policies;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>What the receiving side goes by: one immutable record, made from the configuration.</summary>
internal sealed record ReceivingSettings
{
    /// <summary>In greeting, EHLO and trace fields.</summary>
    public required DomainName HostName { get; init; }

    public required PolicySnapshot Policy { get; init; }

    /// <summary>Peers that may relay to any domain, without authentication.</summary>
    public required ImmutableArray<IPNetwork> RelayNetworks { get; init; }

    /// <summary>Peers whose claim of a sender counts as <c>relay</c> evidence (docs/formats/kdc-mail.md §3); empty by default.</summary>
    public required ImmutableArray<IPNetwork> RelayEvidenceFrom { get; init; }

    /// <summary>Peers that may relay to any domain because of their certificate.</summary>
    public RelayCertificates Certificates { get; init; } = RelayCertificates.None;

    /// <summary>A message with more Received fields goes round in circles (RFC 5321 §6.3).</summary>
    public int MaxHops { get; init; } = 50;

    /// <summary>So often a message may come through this gateway.</summary>
    public int MaxPasses { get; init; } = 4;

    /// <summary>Exchange servers: only they may bring what Exchange writes of itself. Being one gives no right to relay.</summary>
    public ExchangePeers ExchangePeers { get; init; } = ExchangePeers.None;

    /// <summary>Our own tenants, where strangers send from the Exchange peers' addresses too; empty: they don't.</summary>
    public ImmutableArray<DomainName> ExchangeTenants { get; init; } = [];

    /// <summary>The one address for journal reports, and how they are protected; null: they are refused.</summary>
    public (MailAddress Recipient, ProtectionMethod Method)? Journal { get; init; }

    /// <summary>Knows mail that was dealt with and comes back; null: nothing is marked.</summary>
    public ProcessedMark? Mark { get; init; }

    /// <summary>By user name.</summary>
    public required FrozenDictionary<string, Account> Accounts { get; init; }

    /// <summary>A hash that no password has, to be compared with where the user name is unknown.</summary>
    public string NobodysPassword { get; } = PasswordHash.Create(Convert.ToHexString(RandomNumberGenerator.GetBytes(32)));

    public bool IsRelayNetwork(IPAddress address) => Contains(RelayNetworks, address);

    public bool GivesRelayEvidence(IPAddress address) => Contains(RelayEvidenceFrom, address);

    public bool IsExchangePeer(SmtpPeer peer) =>
        Contains(ExchangePeers.Networks, peer.RemoteEndPoint.Address) || (peer.CertifiedAs is { } name && ExchangePeers.Certificates.Contains(name));

    internal static bool Contains(ImmutableArray<IPNetwork> networks, IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return networks.Any(n => n.Contains(plain));
    }
}

/// <summary>Somebody who may submit mail by AUTH, and the senders he may use.</summary>
internal sealed record Account(string Name, string PasswordHash, ImmutableArray<MailAddress> Mailboxes);

/// <summary>The organisation's Exchange servers.</summary>
/// <param name="Certificates">Names of relay certificates that they prove themselves with.</param>
internal sealed record ExchangePeers(ImmutableArray<IPNetwork> Networks, ImmutableArray<string> Certificates)
{
    public static ExchangePeers None { get; } = new([], []);
}
