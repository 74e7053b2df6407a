using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.Trust;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>A peer that may relay because of its certificate.</summary>
/// <param name="Name">What it is called in logs and trace fields.</param>
/// <param name="Fingerprints">SHA-256 of the certificate, in capital hexadecimal digits; each is one of the peer's own.</param>
/// <param name="Authorities">Who issues the peer's certificate: anchors, and authorities in between. Empty: fingerprints only.</param>
/// <param name="Hosts">DNS names of which the certificate of such an authority must hold one, unless it holds one of <paramref name="Mailboxes"/>.</param>
/// <param name="GivesEvidence">Its word about the sender counts as <c>relay</c> evidence (docs/formats/kdc-mail.md §3).</param>
internal sealed record RelayCertificate(
    string Name,
    ImmutableArray<string> Fingerprints,
    ImmutableArray<X509Certificate2> Authorities,
    ImmutableArray<DomainName> Hosts,
    ImmutableArray<MailAddress> Mailboxes,
    bool GivesEvidence);

/// <summary>Tells which peer a client certificate is of. What is out of date, of somebody else or broken is of nobody.</summary>
internal sealed class RelayCertificates(ImmutableArray<RelayCertificate> entries, TimeProvider time)
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    public static RelayCertificates None { get; } = new([], TimeProvider.System);

    /// <summary>Somebody may prove himself so.</summary>
    public bool IsEmpty => entries.IsEmpty;

    /// <summary>The name of the first entry that it fits; null: of nobody.</summary>
    /// <param name="issuers">What the client sent along; not trusted.</param>
    public string? Identify(X509Certificate2 certificate, IReadOnlyList<X509Certificate2> issuers)
    {
        var now = time.GetUtcNow().UtcDateTime;
        if (now < certificate.NotBefore.ToUniversalTime() || now > certificate.NotAfter.ToUniversalTime())
            return null;
        var fingerprint = certificate.GetCertHashString(HashAlgorithmName.SHA256);
        return entries.FirstOrDefault(e =>
            e.Fingerprints.Contains(fingerprint) || (HoldsName(certificate, e) && IsIssuedBy(certificate, issuers, e.Authorities, now)))?.Name;
    }

    public bool GivesEvidence(string name) => entries.Any(e => e.Name == name && e.GivesEvidence);

    private static bool HoldsName(X509Certificate2 certificate, RelayCertificate entry)
    {
        if (entry.Authorities.IsEmpty)
            return false;
        try
        {
            // The subject's common name is free text, and many authorities let their customers write it.
            var hosts = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(e => e.EnumerateDnsNames());
            return hosts.Any(h => DomainName.TryParse(h, out var host) && entry.Hosts.Contains(host))
                || CertificateAddresses.AlternativeNamesOf(certificate).Any(entry.Mailboxes.Contains);
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException)
        {
            return false;
        }
    }

    private static bool IsIssuedBy(
        X509Certificate2 certificate, IReadOnlyList<X509Certificate2> issuers, ImmutableArray<X509Certificate2> authorities, DateTime now)
    {
        using var chain = new X509Chain();
        var policy = chain.ChainPolicy;
        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        foreach (var authority in authorities)
            (authority.SubjectName.RawData.AsSpan().SequenceEqual(authority.IssuerName.RawData) ? policy.CustomTrustStore : policy.ExtraStore).Add(authority);
        foreach (var issuer in issuers)
            policy.ExtraStore.Add(issuer);
        policy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        policy.RevocationMode = X509RevocationMode.NoCheck;
        policy.DisableCertificateDownloads = true;
        policy.VerificationTime = now;
        try
        {
            return chain.Build(certificate);
        }
        catch (CryptographicException)
        {
            return false;
        }
        finally
        {
            foreach (var element in chain.ChainElements)
                element.Certificate.Dispose();
        }
    }
}
