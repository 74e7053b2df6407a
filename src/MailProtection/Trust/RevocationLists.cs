using System.Security.Cryptography.X509Certificates;
using Org.BouncyCastle.Asn1;
using Org.BouncyCastle.Asn1.X509;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Security;
using Org.BouncyCastle.X509;
using BcCertificate = Org.BouncyCastle.X509.X509Certificate;

namespace GatewaySecure.MailProtection.Trust;

/// <summary>What the lists at hand say of a certificate.</summary>
internal enum RevocationKind
{
    Good,
    Revoked,
    Unknown,
    Stale,
}

/// <summary>The answer for one certificate, with the date of a revocation.</summary>
internal readonly record struct RevocationStatus(RevocationKind Kind, DateTime? Since = null);

/// <summary>
/// Complete CRLs by issuer (RFC 5280 §6.3). A list counts only where the issuer's key signed it and may sign lists, and where we
/// understand its scope: indirect lists, deltas, lists for some reasons only and unknown critical extensions are not used.
/// </summary>
internal sealed class RevocationLists
{
    private readonly Dictionary<string, List<Entry>> _byIssuer = [];

    private RevocationLists() { }

    public static RevocationLists Parse(IEnumerable<byte[]> lists, List<string> problems)
    {
        var result = new RevocationLists();
        var parser = new X509CrlParser();
        foreach (var der in lists)
        {
            try
            {
                var crl = parser.ReadCrl(der) ?? throw new InvalidOperationException("No CRL in it.");
                var entry = new Entry(crl);
                if (entry.WhyUnusable is { } why)
                {
                    problems.Add($"The CRL of {crl.IssuerDN} is not used: {why}");
                    continue;
                }
                var key = Convert.ToHexString(crl.IssuerDN.GetEncoded());
                if (!result._byIssuer.TryGetValue(key, out var entries))
                    result._byIssuer[key] = entries = [];
                entries.Add(entry);
            }
            catch (Exception e) when (e is GeneralSecurityException or IOException or ArgumentException or InvalidOperationException)
            {
                problems.Add($"A CRL is malformed: {e.Message}");
            }
        }
        foreach (var entries in result._byIssuer.Values)
            entries.Sort((a, b) => b.Crl.ThisUpdate.CompareTo(a.Crl.ThisUpdate));
        return result;
    }

    /// <summary>Revocation in any list that counts holds, even in a stale one: it is not taken back by time.</summary>
    public RevocationStatus Check(X509Certificate2 certificate, X509Certificate2 issuer, DateTimeOffset at)
    {
        if (!_byIssuer.TryGetValue(Convert.ToHexString(certificate.IssuerName.RawData), out var entries))
            return new(RevocationKind.Unknown);
        var subject = new X509CertificateParser().ReadCertificate(certificate.RawData);
        var authority = new X509CertificateParser().ReadCertificate(issuer.RawData);
        var best = RevocationKind.Unknown;
        foreach (var entry in entries)
        {
            if (!entry.Covers(subject) || !entry.IsSignedBy(authority))
                continue;
            if (entry.Crl.GetRevokedCertificate(new BigInteger(1, certificate.SerialNumberBytes.Span)) is { } revoked
                && revoked.RevocationDate.ToUniversalTime() <= at.UtcDateTime)
            {
                return new(RevocationKind.Revoked, revoked.RevocationDate.ToUniversalTime());
            }
            var current = entry.Crl.ThisUpdate.ToUniversalTime() <= at.UtcDateTime
                && entry.Crl.NextUpdate is { } next && at.UtcDateTime <= next.ToUniversalTime();
            if (current)
                best = RevocationKind.Good;
            else if (best == RevocationKind.Unknown)
                best = RevocationKind.Stale;
        }
        return new(best);
    }

    private sealed class Entry
    {
        private readonly IssuingDistributionPoint? _scope;

        public Entry(X509Crl crl)
        {
            Crl = crl;
            if (crl.GetExtensionValue(X509Extensions.IssuingDistributionPoint) is { } scope)
                _scope = IssuingDistributionPoint.GetInstance(Asn1Object.FromByteArray(scope.GetOctets()));
            WhyUnusable = FindFault(crl);
        }

        public X509Crl Crl { get; }

        public string? WhyUnusable { get; }

        public bool Covers(BcCertificate certificate)
        {
            if (_scope is null)
                return true;
            var isAuthority = certificate.GetBasicConstraints() >= 0;
            if ((_scope.OnlyContainsUserCerts && isAuthority) || (_scope.OnlyContainsCACerts && !isAuthority))
                return false;
            return _scope.DistributionPoint is null || NamesPoint(certificate, _scope.DistributionPoint);
        }

        public bool IsSignedBy(BcCertificate issuer)
        {
            // RFC 5280 §6.3.3 (f): an issuer with a key usage must have cRLSign in it.
            if (issuer.GetKeyUsage() is { } usage && !(usage.Length > 6 && usage[6]))
                return false;
            try
            {
                Crl.Verify(issuer.GetPublicKey());
                return true;
            }
            catch (Exception e) when (e is GeneralSecurityException or ArgumentException or InvalidCastException)
            {
                // A signature of another kind than the issuer's key.
                return false;
            }
        }

        /// <summary>RFC 5280 §6.3.3 (b)(2): one of the certificate's distribution points has to be the list's.</summary>
        private static bool NamesPoint(BcCertificate certificate, DistributionPointName listPoint)
        {
            if (certificate.GetExtensionValue(X509Extensions.CrlDistributionPoints) is not { } value
                || listPoint.Type != DistributionPointName.FullName)
            {
                return false;
            }
            var listNames = GeneralNames.GetInstance(listPoint.Name).GetNames();
            return CrlDistPoint.GetInstance(Asn1Object.FromByteArray(value.GetOctets())).GetDistributionPoints()
                .Where(p => p.DistributionPointName is { Type: DistributionPointName.FullName } && p.Reasons is null)
                .SelectMany(p => GeneralNames.GetInstance(p.DistributionPointName.Name).GetNames())
                .Any(name => listNames.Any(name.Equals));
        }

        private string? FindFault(X509Crl crl)
        {
            var known = X509Extensions.IssuingDistributionPoint.Id;
            if (crl.GetExtensionValue(X509Extensions.DeltaCrlIndicator) is not null)
                return "it is a delta.";
            if (crl.GetCriticalExtensionOids()?.FirstOrDefault(o => o != known) is { } unknown)
                return $"it has the critical extension {unknown}.";
            if (_scope is { IsIndirectCrl: true } or { OnlyContainsAttributeCerts: true } || _scope?.OnlySomeReasons is not null)
                return "its scope is indirect, attribute certificates or some reasons only.";
            foreach (var revoked in crl.GetRevokedCertificates() ?? Enumerable.Empty<X509CrlEntry>())
            {
                if (revoked.GetCriticalExtensionOids()?.FirstOrDefault() is { } critical)
                    return $"an entry has the critical extension {critical}.";
            }
            return null;
        }
    }
}
