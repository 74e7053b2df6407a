using System.Security.Cryptography;
using GatewaySecure.CertificateAuthority;
using GatewaySecure.Trust;

namespace GatewaySecure.KdcServer.Hosting;

/// <summary>The CA elsewhere, by the certificates that the configuration names.</summary>
internal static class ExternalCa
{
    /// <exception cref="IOException">The file can't be read.</exception>
    /// <exception cref="CryptographicException">No certificate is in it.</exception>
    public static ExternalAuthority Open(string file, KdcKeys keys, TimeProvider time) =>
        new(CertificateFiles.ParseCertificates(File.ReadAllBytes(file)), keys.Database.Certificates, keys.Database.Audit, time);
}
