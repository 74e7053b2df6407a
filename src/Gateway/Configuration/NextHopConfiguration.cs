using System.Collections.Immutable;
using GatewaySecure.Policies;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>One of <paramref name="Smtp"/>, <paramref name="Directory"/> and <paramref name="Mx"/> is set.</summary>
internal sealed record NextHopConfiguration(string Name, SmtpHopConfiguration? Smtp, string? Directory, MxHopConfiguration? Mx = null)
{
    /// <summary>What is handed to it carries the mark of mail that was dealt with.</summary>
    public bool Marks { get; init; }
}

/// <summary>The recipient's own mail hosts, by the DNS.</summary>
/// <param name="RequireTls">Also of domains that demand none.</param>
internal sealed record MxHopConfiguration(bool RequireTls);

/// <summary>A smart host.</summary>
internal sealed record SmtpHopConfiguration(string Host, int Port, TlsPolicy Tls, string? TlsName, string? User, string? Password)
{
    /// <summary>Never shows the password.</summary>
    public override string ToString() => $"{Host}:{Port}";
}

/// <summary>Whose mail goes to which next hop.</summary>
internal sealed record RouteConfiguration(ImmutableArray<AddressPattern> Recipients, string NextHop);
