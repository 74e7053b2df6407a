using System.Security.Cryptography.X509Certificates;
using GatewaySecure.MailRouting.TlsReports;

namespace GatewaySecure.MailRouting;

/// <summary>Is this a certificate of a trusted CA for that name (RFC 8461 §3.3, §4.2)? Says what is wrong in the words of RFC 8460 §4.3.</summary>
internal static class PkixCheck
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <param name="peerChain">As the platform gives it: the certificates that the peer sent are in its extra store.</param>
    /// <param name="anchors">Null: those of the system.</param>
    public static TlsFailure? Check(
        string name, X509Certificate2? server, X509Chain? peerChain, DateTimeOffset now, X509Certificate2Collection? anchors)
    {
        if (server is null)
            return new TlsFailure(TlsResult.ValidationFailure, "no certificate");
        using var chain = NewChain(now);
        if (peerChain is not null)
            chain.ChainPolicy.ExtraStore.AddRange(peerChain.ChainPolicy.ExtraStore);
        if (anchors is not null)
        {
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(anchors);
        }
        try
        {
            if (!chain.Build(server))
                return Failure(chain);
        }
        finally
        {
            DisposeElements(chain, server);
        }
        // RFC 8461 §4.2: a DNS-ID; the common name does not count.
        return server.MatchesHostname(name, allowWildcards: true, allowCommonName: false) ? null : TlsFailure.HostMismatch(name);
    }

    /// <summary>For server certificates. Nothing is fetched: an address in a certificate would be the peer's choice.</summary>
    public static X509Chain NewChain(DateTimeOffset now)
    {
        var chain = new X509Chain();
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        chain.ChainPolicy.VerificationTimeIgnored = false;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new System.Security.Cryptography.Oid(ServerAuthentication));
        return chain;
    }

    public static TlsFailure Failure(X509Chain chain)
    {
        var all = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (flags, s) => flags | s.Status);
        var result = all.HasFlag(X509ChainStatusFlags.NotTimeValid) ? TlsResult.CertificateExpired : TlsResult.CertificateNotTrusted;
        return new TlsFailure(result, all.ToString());
    }

    public static void DisposeElements(X509Chain chain, X509Certificate2 server)
    {
        foreach (var element in chain.ChainElements.Where(e => !ReferenceEquals(e.Certificate, server)))
            element.Certificate.Dispose();
    }
}
