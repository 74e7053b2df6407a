using System.Security.Cryptography.X509Certificates;
using GatewaySecure.MailRouting.TlsReports;

namespace GatewaySecure.MailRouting.Dane;

/// <summary>Does the peer's certificate match the TLSA records (RFC 7672 §3)?</summary>
internal static class DaneCheck
{
    public static TlsFailure? Check(DaneTls dane, X509Certificate2? server, X509Chain? peerChain, DateTimeOffset now)
    {
        if (server is null)
            return new TlsFailure(TlsResult.ValidationFailure, "no certificate");
        // DANE-EE(3): the record alone decides; neither name nor dates count (RFC 7672 §3.1.1).
        if (dane.Records.MeansServer(server))
            return null;

        var whole = dane.Records.WholeAnchors();
        try
        {
            return CheckIssuers(dane, server, peerChain, whole, now);
        }
        finally
        {
            foreach (var anchor in whole)
                anchor.Dispose();
        }
    }

    /// <summary>DANE-TA(2): an issuer is meant, and the server's certificate is valid below it and has one of our names (RFC 7672 §3.1.2, §3.2.2).</summary>
    private static TlsFailure? CheckIssuers(
        DaneTls dane, X509Certificate2 server, X509Chain? peerChain, IReadOnlyList<X509Certificate2> whole, DateTimeOffset now)
    {
        var known = new X509Certificate2Collection(whole.ToArray());
        if (peerChain is not null)
            known.AddRange(peerChain.ChainPolicy.ExtraStore);
        var meant = known.Where(dane.Records.MeansAnchor).ToList();
        if (meant.Count == 0)
            return new TlsFailure(TlsResult.ValidationFailure, "the certificate matches no TLSA record");

        using var chain = PkixCheck.NewChain(now);
        chain.ChainPolicy.ExtraStore.AddRange(known);
        // The anchors are the records' and no others; one that another CA issued ends the chain just as well.
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(meant.ToArray());
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority;
        try
        {
            if (!chain.Build(server))
                return PkixCheck.Failure(chain);
            if (!chain.ChainElements.Skip(1).Any(e => dane.Records.MeansAnchor(e.Certificate)))
                return new TlsFailure(TlsResult.CertificateNotTrusted, "no issuer of the certificate matches a TLSA record");
        }
        finally
        {
            PkixCheck.DisposeElements(chain, server);
        }
        return dane.OtherNames.Prepend(dane.BaseDomain).Any(n => server.MatchesHostname(n, allowWildcards: true, allowCommonName: true))
            ? null
            : TlsFailure.HostMismatch(dane.BaseDomain);
    }
}
