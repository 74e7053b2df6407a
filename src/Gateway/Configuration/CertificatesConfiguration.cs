using System.Collections.Immutable;
using GatewaySecure.Policies;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.Gateway.Configuration;

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
