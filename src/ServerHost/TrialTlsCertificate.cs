using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.ServerHost;

/// <summary>A self-signed server certificate for gateways whose configuration names none, so that STARTTLS and AUTH can be tried at once.</summary>
public static class TrialTlsCertificate
{
    /// <summary>Reads it, or makes one for ten years and keeps it.</summary>
    public static X509Certificate2 OpenOrCreate(string path, string hostName, DateTimeOffset now)
    {
        if (!File.Exists(path))
            Create(path, hostName, now);
        using var fromPem = X509Certificate2.CreateFromPemFile(path);
        // SslStream on Windows can't use a key that lives only in memory; a PKCS#12 round trip serves every system.
        return X509CertificateLoader.LoadPkcs12(fromPem.Export(X509ContentType.Pkcs12), null);
    }

    private static void Create(string path, string hostName, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={hostName}, O=GatewaySecure trial", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(hostName);
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddYears(10));
        var pem = certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem() + "\n";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var file = new StreamWriter(path, options);
        file.Write(pem);
    }
}
