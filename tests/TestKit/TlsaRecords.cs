using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.TestKit;

/// <summary>TLSA records for zone files.</summary>
public static class TlsaRecords
{
    /// <summary><c>3 1 1</c>: the certificate's key, by SHA-256.</summary>
    public static string OfKey(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        return $"3 1 1 {Convert.ToHexStringLower(SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo()))}";
    }
}
