namespace GatewaySecure.CertificateAuthority;

/// <summary>How an issuing CA issues.</summary>
/// <param name="CrlAddress">Where its CRL is to be had, for certificates to name; null: they name none.</param>
/// <param name="OcspAddress">Where its responder is; null: none.</param>
public sealed record AuthorityOptions(Uri? CrlAddress, Uri? OcspAddress)
{
    /// <summary>Of a card's or gateway's certificate; cut where the CA's own ends.</summary>
    public TimeSpan CertificateLifetime { get; init; } = TimeSpan.FromDays(730);

    public TimeSpan ResponderLifetime { get; init; } = TimeSpan.FromDays(30);

    /// <summary>From thisUpdate to nextUpdate.</summary>
    public TimeSpan CrlLifetime { get; init; } = TimeSpan.FromDays(7);

    /// <summary>After which the CRL is made anew though nothing changed.</summary>
    public TimeSpan CrlInterval { get; init; } = TimeSpan.FromDays(1);
}
