using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
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

    /// <summary>For authorities without an entry of their own.</summary>
    public RevocationRule Revocation { get; init; } = new(RevocationPolicy.WhereKnown, Wait: RevocationRule.DefaultWait);

    public ImmutableArray<AuthorityConfiguration> Authorities { get; init; } = [];

    public FetchConfiguration Fetch { get; init; } = new();

    /// <summary>Who is told of outages and of certificates that end; null: the log alone.</summary>
    public MailAddress? Notify { get; init; }

    /// <summary>How long before a certificate ends that is told first.</summary>
    public TimeSpan WarnBefore { get; init; } = TimeSpan.FromDays(30);

    public int MinimumRsaBits { get; init; } = 2048;

    /// <summary>Whose owners are known to read AES-256-GCM.</summary>
    public ImmutableArray<AddressPattern> GcmReaders { get; init; } = [];

    /// <summary>For whom the organisation's certificate serves where they have none.</summary>
    public ImmutableArray<AddressPattern> DomainCertificates { get; init; } = [];
}

/// <summary>One certificate authority.</summary>
/// <param name="Name">Its distinguished name.</param>
/// <param name="Crls">Where its lists are, besides what certificates say.</param>
/// <param name="Every">How often they are fetched; null: as all are.</param>
internal sealed record AuthorityConfiguration(X500DistinguishedName Name, RevocationRule Rule, ImmutableArray<Uri> Crls, TimeSpan? Every);

/// <summary>What is fetched to know about revocation.</summary>
internal sealed record FetchConfiguration
{
    /// <summary>CRLs at the addresses that certificates in use name.</summary>
    public bool NamedCrls { get; init; } = true;

    /// <summary>Answers of the OCSP responders that certificates in use name.</summary>
    public bool Ocsp { get; init; }

    /// <summary>Addresses in certificates may lead to the own net.</summary>
    public bool PrivateAddresses { get; init; }

    /// <summary>CRLs at preset addresses, whichever authority's.</summary>
    public ImmutableArray<Uri> Crls { get; init; } = [];

    public TimeSpan Every { get; init; } = TimeSpan.FromHours(6);

    public long MaximumOctets { get; init; } = 64L << 20;

    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>The organisation's signature on S/MIME mail.</summary>
/// <param name="Certificate">PEM file for the vault's signing key; null: a self-signed one.</param>
/// <param name="Chain">PEM file with the authorities in between.</param>
/// <param name="Padding">Of an RSA key; null: PKCS #1 v1.5.</param>
internal sealed record SigningConfiguration(bool Sign = true, string? Certificate = null, string? Chain = null, RSASignaturePadding? Padding = null);
