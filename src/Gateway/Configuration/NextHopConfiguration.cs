using System.Collections.Immutable;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Policies;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>One of <paramref name="Smtp"/>, <paramref name="Directory"/> and <paramref name="Mx"/> is set.</summary>
internal sealed record NextHopConfiguration(string Name, SmtpHopConfiguration? Smtp, string? Directory, MxHopConfiguration? Mx = null)
{
    /// <summary>Whose connections count together: it and what became of it under other demands.</summary>
    public string Destination { get; init; } = Name;

    /// <summary>What is handed to it carries the mark of mail that was dealt with.</summary>
    public bool Marks { get; init; }

    /// <summary>Deliveries that may be under way at once: to it, with <paramref name="Mx"/> to each domain.</summary>
    public int Connections { get; init; } = 20;

    /// <summary>Shown to hosts that ask for one, with what stands above it.</summary>
    public SslStreamCertificateContext? ClientCertificate { get; init; }
}

/// <summary>The recipient's own mail hosts, by the DNS.</summary>
/// <param name="RequireTls">Also of domains that demand none.</param>
internal sealed record MxHopConfiguration(bool RequireTls);

/// <summary>Smart hosts, in the order in which they are tried.</summary>
/// <param name="TlsName">That their certificates must have; null: each its own.</param>
/// <param name="Trust">Whose certificates count under <see cref="TlsPolicy.Required"/>; null: the system's CAs.</param>
internal sealed record SmtpHopConfiguration(
    ImmutableArray<HostAndPort> Hosts, TlsPolicy Tls, string? TlsName, X509Certificate2Collection? Trust, string? User, string? Password)
{
    /// <summary>Never shows the password.</summary>
    public override string ToString() => string.Join(", ", Hosts);
}

/// <summary>A host's name or address, and a port.</summary>
internal sealed record HostAndPort(string Host, int Port)
{
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}

/// <summary>Whose mail goes to which next hop.</summary>
/// <param name="RequireTls">Whatever the next hop would do without.</param>
internal sealed record RouteConfiguration(ImmutableArray<AddressPattern> Recipients, string NextHop, bool RequireTls);
