using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.Trust;

/// <summary>Where a certificate says that news of its revocation is to be had.</summary>
public static class CertificatePointers
{
    private const string FreshestCrl = "2.5.29.46";
    private const string AuthorityInformationAccess = "1.3.6.1.5.5.7.1.1";
    private const string Ocsp = "1.3.6.1.5.5.7.48.1";
    private static readonly Asn1Tag s_uri = new(TagClass.ContextSpecific, 6);

    /// <summary>CRLs: distribution points and freshest CRL (RFC 5280 §4.2.1.13, §4.2.1.15). None for a malformed extension.</summary>
    public static ImmutableArray<Uri> Lists(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        try
        {
            var parsed = ParsedCertificate.Of(certificate);
            var points = parsed.DistributionPoints.AsEnumerable();
            if (certificate.Extensions[FreshestCrl] is { } freshest)
                points = points.Concat(DistributionPoint.ReadAll(freshest.RawData, parsed.IssuerKey));
            return Addresses(points.SelectMany(p => p.Uris));
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException)
        {
            return [];
        }
    }

    /// <summary>OCSP responders (RFC 5280 §4.2.2.1). None for a malformed extension.</summary>
    public static ImmutableArray<Uri> Responders(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        if (certificate.Extensions[AuthorityInformationAccess] is not { } extension)
            return [];
        try
        {
            var found = new List<string>();
            var descriptions = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence();
            while (descriptions.HasData)
            {
                var description = descriptions.ReadSequence();
                if (description.ReadObjectIdentifier() == Ocsp && description.PeekTag().HasSameClassAndValue(s_uri))
                    found.Add(description.ReadCharacterString(UniversalTagNumber.IA5String, s_uri));
            }
            return Addresses(found);
        }
        catch (AsnContentException)
        {
            return [];
        }
    }

    private static ImmutableArray<Uri> Addresses(IEnumerable<string> texts) =>
        [.. texts.Select(t => Uri.TryCreate(t, UriKind.Absolute, out var uri) ? uri : null).OfType<Uri>().Distinct()];
}
