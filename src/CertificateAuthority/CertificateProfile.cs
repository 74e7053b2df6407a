using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;

namespace GatewaySecure.CertificateAuthority;

/// <summary>What a certificate of each use may be used for (RFC 8550 §4.4, RFC 5280 §4.2.1).</summary>
internal sealed record CertificateProfile(X509KeyUsageFlags Rsa, X509KeyUsageFlags Elliptic, string ExtendedUsage, bool NamesAddresses)
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    private const string EmailProtection = "1.3.6.1.5.5.7.3.4";
    private const string OcspSigning = "1.3.6.1.5.5.7.3.9";

    public static CertificateProfile For(CertificateUse use) => use switch
    {
        CertificateUse.MailSigning => Signing(EmailProtection, true),
        CertificateUse.MailEncryption => new(X509KeyUsageFlags.KeyEncipherment, X509KeyUsageFlags.KeyAgreement, EmailProtection, true),
        CertificateUse.CardLogOn => Signing(ClientAuthentication, true),
        CertificateUse.Gateway => Signing(ClientAuthentication, false),
        CertificateUse.Server => Signing(ServerAuthentication, false),
        CertificateUse.Ocsp => Signing(OcspSigning, false),
        _ => throw new ArgumentOutOfRangeException(nameof(use)),
    };

    public X509KeyUsageFlags UsageOf(PublicKey key)
    {
        using var rsa = key.GetRSAPublicKey();
        return rsa is null ? Elliptic : Rsa;
    }

    /// <summary>Null where the key may be certified, else why not, one plain sentence.</summary>
    public static string? Objection(PublicKey key)
    {
        using var rsa = key.GetRSAPublicKey();
        if (rsa is not null)
        {
            var exponent = rsa.ExportParameters(false).Exponent!;
            if (rsa.KeySize is < 2048 or > 4096)
                return $"The request's RSA key has {rsa.KeySize} bits; from 2048 to 4096 are certified.";
            // Odd and greater than 65536 (NIST SP 800-56B §6.2.1).
            return exponent.Length < 3 || (exponent[^1] & 1) == 0 ? "The request's RSA key has an unsafe exponent." : null;
        }
        using var elliptic = key.GetECDsaPublicKey();
        return elliptic?.ExportParameters(false).Curve.Oid.Value is "1.2.840.10045.3.1.7" or "1.3.132.0.34"
            ? null
            : "The request's key is of a kind that is not certified; use RSA, P-256 or P-384.";
    }

    private static CertificateProfile Signing(string extendedUsage, bool namesAddresses) =>
        new(X509KeyUsageFlags.DigitalSignature, X509KeyUsageFlags.DigitalSignature, extendedUsage, namesAddresses);
}
