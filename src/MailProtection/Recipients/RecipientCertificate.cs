using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.MailProtection.Cms;
using GatewaySecure.Trust;

namespace GatewaySecure.MailProtection.Recipients;

/// <summary>
/// A certificate to encrypt to: its parsed key, the addresses it names and the DER of its issuerAndSerialNumber, all made once,
/// because importing a key costs more than using it.
/// </summary>
internal sealed class RecipientCertificate
{
    private const string EmailProtection = "1.3.6.1.5.5.7.3.4";
    private const string AnyExtendedKeyUsage = "2.5.29.37.0";
    private const string NistP256 = "1.2.840.10045.3.1.7";
    private const string NistP384 = "1.3.132.0.34";
    private const string NistP521 = "1.3.132.0.35";

    private readonly X509KeyUsageFlags? _usage;
    private readonly string?[]? _purposes;

    private RecipientCertificate(X509Certificate2 certificate, ImmutableArray<MailAddress> addresses)
    {
        Certificate = certificate;
        Addresses = addresses;
        IssuerAndSerial = CmsWriter.IssuerAndSerial(certificate);
        Rsa = certificate.GetRSAPublicKey();
        if (Rsa is null && certificate.PublicKey.Oid.Value == Oids.EcPublicKey)
            Ecdh = TryGetEcdh(certificate);
        ClaimsGcm = ListsGcm(certificate);
        // Read here, once: the platform decodes an extension when it is first looked at, and two threads that look at once may see half of it.
        _usage = certificate.Extensions.OfType<X509KeyUsageExtension>().FirstOrDefault()?.KeyUsages;
        _purposes = certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().FirstOrDefault()?.EnhancedKeyUsages.Cast<Oid>().Select(o => o.Value).ToArray();
    }

    public X509Certificate2 Certificate { get; }

    public ImmutableArray<MailAddress> Addresses { get; }

    public byte[] IssuerAndSerial { get; }

    public RSA? Rsa { get; }

    /// <summary>The public key, on P-256, P-384 or P-521.</summary>
    public ECDiffieHellman? Ecdh { get; }

    /// <summary>The certificate lists AES-256-GCM among its S/MIME capabilities (RFC 4262).</summary>
    public bool ClaimsGcm { get; }

    public static bool TryCreate(
        X509Certificate2 certificate,
        [NotNullWhen(true)] out RecipientCertificate? entry,
        [NotNullWhen(false)] out string? problem)
    {
        entry = null;
        try
        {
            var addresses = CertificateAddresses.Of(certificate);
            if (addresses.IsEmpty)
            {
                problem = $"The certificate {certificate.Subject} names no mail address.";
                return false;
            }
            entry = new RecipientCertificate(certificate, addresses);
            problem = null;
            return true;
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            problem = $"The certificate {certificate.Subject} is malformed: {e.Message}";
            return false;
        }
    }

    public bool IsOutsideValidity(DateTimeOffset now) =>
        now.UtcDateTime > Certificate.NotAfter.ToUniversalTime() || now.UtcDateTime < Certificate.NotBefore.ToUniversalTime();

    /// <summary>What the certificate itself says, without its path.</summary>
    public IEnumerable<CertificateRejection> JudgeAlone(DateTimeOffset now, int minimumRsaBits)
    {
        var notAfter = Certificate.NotAfter.ToUniversalTime();
        var notBefore = Certificate.NotBefore.ToUniversalTime();
        if (now.UtcDateTime > notAfter)
            yield return new(RejectionReason.Expired, $"It expired on {notAfter:yyyy-MM-dd}.");
        if (now.UtcDateTime < notBefore)
            yield return new(RejectionReason.NotYetValid, $"It is valid only from {notBefore:yyyy-MM-dd}.");

        // RFC 8550 §4.4.2: an absent extension restricts nothing.
        var wanted = Rsa is not null ? X509KeyUsageFlags.KeyEncipherment : X509KeyUsageFlags.KeyAgreement;
        if (_usage is { } usage && (usage & wanted) == 0)
            yield return new(RejectionReason.KeyUsage, $"Its key usage is {usage}, which does not allow encryption to it.");
        if (_purposes is not null && !_purposes.Any(p => p is EmailProtection or AnyExtendedKeyUsage))
            yield return new(RejectionReason.ExtendedKeyUsage, "It was not issued for mail (emailProtection is missing).");
        if (Rsa is null && Ecdh is null)
            yield return new(RejectionReason.UnsupportedKey, "Its key is neither RSA nor elliptic on P-256, P-384 or P-521.");
        else if (Rsa is not null && Rsa.KeySize < minimumRsaBits)
            yield return new(RejectionReason.WeakKey, $"Its RSA key has {Rsa.KeySize} bits; {minimumRsaBits} are demanded.");
    }

    private static ECDiffieHellman? TryGetEcdh(X509Certificate2 certificate)
    {
        try
        {
            var key = certificate.GetECDiffieHellmanPublicKey();
            return key?.ExportParameters(false).Curve.Oid?.Value is NistP256 or NistP384 or NistP521 ? key : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static bool ListsGcm(X509Certificate2 certificate)
    {
        if (certificate.Extensions[Oids.SmimeCapabilities] is not { } extension)
            return false;
        var capabilities = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence();
        while (capabilities.HasData)
        {
            if (capabilities.ReadSequence().ReadObjectIdentifier() == Oids.Aes256Gcm)
                return true;
        }
        return false;
    }
}
