using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads certificates in PEM that a section names; what is wrong with a file is the section's problem. Null where it is.</summary>
internal static class CertificateFiles
{
    /// <summary>All certificates of a file, one at least.</summary>
    public static X509Certificate2Collection? Read(ConfigurationSection section, string key, string file)
    {
        // That it is missing was said before.
        if (!File.Exists(file))
            return null;
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPemFile(file);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            section.Problem(key, $"can't be read: {e.Message}");
            return null;
        }
        if (certificates.Count > 0)
            return certificates;
        section.Problem(key, "holds no certificate in PEM");
        return null;
    }

    /// <summary>Our own certificate, with what stands above it in the same file.</summary>
    public static SslStreamCertificateContext? ReadOwn(ConfigurationSection section, string key, string certificate, string privateKey)
    {
        if (Read(section, key, certificate) is not { } chain || !File.Exists(privateKey))
            return null;
        try
        {
            return SslStreamCertificateContext.Create(X509Certificate2.CreateFromPemFile(certificate, privateKey), chain, offline: true);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            section.Problem(key, $"can't be used with its key: {e.Message}");
            return null;
        }
    }
}
