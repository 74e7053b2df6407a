using System.Collections.Immutable;
using GatewaySecure.Policies;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>One of <paramref name="Smtp"/> and <paramref name="Directory"/> is set.</summary>
internal sealed record NextHopConfiguration(string Name, SmtpHopConfiguration? Smtp, string? Directory)
{
    /// <summary>What is handed to it carries the mark of mail that was dealt with.</summary>
    public bool Marks { get; init; }
}

/// <summary>A smart host.</summary>
internal sealed record SmtpHopConfiguration(string Host, int Port, TlsPolicy Tls, string? TlsName, string? User, string? Password)
{
    /// <summary>Never shows the password.</summary>
    public override string ToString() => $"{Host}:{Port}";
}

/// <summary>Whose mail goes to which next hop.</summary>
internal sealed record RouteConfiguration(ImmutableArray<AddressPattern> Recipients, string NextHop);
