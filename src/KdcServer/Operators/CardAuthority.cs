using GatewaySecure.CertificateAuthority;
using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>Who certifies cards: the KDC's own CA, or one elsewhere that gets files of requests; at most one of them.</summary>
internal sealed record CardAuthority(IssuingAuthority? Own, ExternalAuthority? External)
{
    /// <summary>Null where there is none.</summary>
    public ICertificateStanding? Standing => (ICertificateStanding?)Own ?? External;

    /// <summary>Uses for which a card's issuing still needs a PKCS #10. Our own CA takes the encryption key from escrow as it is.</summary>
    public IEnumerable<CardKeyUse> RequestsWanted(CardRecord card) =>
        card.Step >= CardStep.Certified
            ? []
            : new[] { CardKeyUse.Sign, CardKeyUse.Decipher, CardKeyUse.Authenticate }
                .Where(use => External is not null || use != CardKeyUse.Decipher)
                .Where(use => card.Keys.FirstOrDefault(k => k.Use == use) is not { } key || key is { Certificate: null, Request.IsEmpty: true });
}
