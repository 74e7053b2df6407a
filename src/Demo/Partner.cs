using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.Demo;

/// <summary>Carol at another company: her company's CA, and her S/MIME certificate with its key.</summary>
internal sealed class Partner : IDisposable
{
    private Partner(X509Certificate2 authority, X509Certificate2 certificate, RSA key) => (Authority, Certificate, Key) = (authority, certificate, key);

    public X509Certificate2 Authority { get; }

    public X509Certificate2 Certificate { get; }

    public RSA Key { get; }

    public static Partner Create(string address)
    {
        var now = DateTimeOffset.UtcNow;
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var root = new CertificateRequest("CN=Partner Inc. CA", authorityKey, HashAlgorithmName.SHA256);
        root.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        root.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        var authority = root.CreateSelfSigned(now.AddDays(-1), now.AddYears(2));

        var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=Carol, O=Partner Inc.", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddEmailAddress(address);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyEncipherment, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.4")], critical: false));
        var certificate = request.Create(
            authority.SubjectName,
            X509SignatureGenerator.CreateForECDsa(authorityKey),
            now.AddDays(-1),
            now.AddYears(1),
            RandomNumberGenerator.GetBytes(8));
        return new Partner(authority, certificate, key);
    }

    public void Dispose()
    {
        Authority.Dispose();
        Certificate.Dispose();
        Key.Dispose();
    }
}
