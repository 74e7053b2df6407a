using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.Smtp.Server;

/// <summary>
/// Asks for a client certificate in the handshake and keeps what was sent. It refuses none: whether to believe it is the owner's
/// decision, and mail that needs no right goes on without.
/// </summary>
internal static class ClientCertificates
{
    /// <param name="basis">The listener's own.</param>
    /// <param name="issuers">Is given the further certificates that the client sent.</param>
    public static SslServerAuthenticationOptions Asking(SslServerAuthenticationOptions basis, List<X509Certificate2> issuers) => new()
    {
        ServerCertificateContext = basis.ServerCertificateContext,
        ServerCertificate = basis.ServerCertificate,
        EnabledSslProtocols = basis.EnabledSslProtocols,
        CipherSuitesPolicy = basis.CipherSuitesPolicy,
        ClientCertificateRequired = true,
        // Each connection proves its key.
        AllowTlsResume = false,
        // The platform builds a chain before it asks us; a stranger's certificate must not send it to addresses of his choice.
        CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        },
        RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
        {
            if (certificate is not null && chain is not null)
                issuers.AddRange(chain.ChainPolicy.ExtraStore.Select(c => X509CertificateLoader.LoadCertificate(c.RawDataMemory.Span)));
            return true;
        },
    };
}
