using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Trust;
using GatewaySecure.Trust.Revocation;
using GatewaySecure.TrustFetch;

namespace GatewaySecure.Gateway.Jobs;

/// <summary>
/// Where to fetch: the preset addresses, and those that certificates in use name. In use are certificates of the directory and our own signer's
/// that lead to an anchor, with the authorities between; never those that a stranger's mail brought.
/// </summary>
internal static class RevocationSources
{
    /// <summary>Each certificate in use with its issuer.</summary>
    public static IEnumerable<(X509Certificate2 Certificate, X509Certificate2 Issuer)> Links(IEnumerable<PathVerdict> verdicts) =>
        verdicts.Where(LeadsSomewhere).SelectMany(v => v.Path.Zip(v.Path.Skip(1))).DistinctBy(l => l.First.Thumbprint);

    public static IReadOnlyDictionary<string, FetchSource> Lists(CertificatesConfiguration configuration, IEnumerable<PathVerdict> verdicts)
    {
        var fetch = configuration.Fetch;
        var found = new Dictionary<string, FetchSource>(StringComparer.Ordinal);
        void Add(FetchSource source) => found.TryAdd(source.Key, source);
        foreach (var authority in configuration.Authorities)
        {
            foreach (var address in authority.Crls)
                Add(new FetchSource(address, IsListed: true, authority.Every ?? fetch.Every));
        }
        foreach (var address in fetch.Crls)
            Add(new FetchSource(address, IsListed: true, fetch.Every));
        if (!fetch.NamedCrls)
            return found;
        foreach (var (certificate, issuer) in Links(verdicts))
        {
            var authority = configuration.Authorities.FirstOrDefault(a => a.Name.RawData.AsSpan().SequenceEqual(issuer.SubjectName.RawData));
            if ((authority?.Rule ?? configuration.Revocation).Policy == RevocationPolicy.Off)
                continue;
            foreach (var address in CertificatePointers.Lists(certificate).Where(FetchSource.IsFetchable))
                Add(new FetchSource(address, fetch.PrivateAddresses, authority?.Every ?? fetch.Every));
        }
        return found;
    }

    private static bool LeadsSomewhere(PathVerdict verdict) =>
        verdict.Path.Length > 1 && verdict.Rejections.All(r => r.Reason is not (RejectionReason.PathInvalid or RejectionReason.Untrusted));
}
