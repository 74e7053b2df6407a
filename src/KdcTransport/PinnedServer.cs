using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.KdcTransport;

/// <summary>Whether the certificate that a server shows is the KDC's. The system's own authorities count for nothing here.</summary>
internal static class PinnedServer
{
    public static bool Accepts(X509Certificate2Collection trust, X509Certificate2? shown, X509Chain? sent, SslPolicyErrors errors, DateTimeOffset now)
    {
        if (shown is null)
            return false;
        // The very certificate: its name says nothing more, and only its dates could be wrong.
        if (trust.Any(pinned => pinned.RawDataMemory.Span.SequenceEqual(shown.RawDataMemory.Span)))
            return shown.NotBefore.ToUniversalTime() <= now.UtcDateTime && now.UtcDateTime <= shown.NotAfter.ToUniversalTime();
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(trust);
        foreach (var element in sent?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
            chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        chain.ChainPolicy.VerificationTimeIgnored = false;
        // id-kp-serverAuth
        chain.ChainPolicy.ApplicationPolicy.Add(new System.Security.Cryptography.Oid("1.3.6.1.5.5.7.3.1"));
        return chain.Build(shown);
    }
}
