using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Trust.Revocation;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Security;
using Bc = Org.BouncyCastle.Asn1.X509;
using BcCertificate = Org.BouncyCastle.X509.X509Certificate;

namespace GatewaySecure.Trust;

/// <summary>What paths and revocation need of a certificate, read once. Immutable.</summary>
internal sealed class ParsedCertificate
{
    private const string KeyIdentifier = "2.5.29.35";
    private const string SubjectKeyIdentifierOid = "2.5.29.14";
    private static readonly ConditionalWeakTable<X509Certificate2, ParsedCertificate> s_parsed = [];

    private ParsedCertificate(X509Certificate2 certificate)
    {
        Certificate = certificate;
        Path = new BcCertificate(Bc.X509CertificateStructure.GetInstance(certificate.RawData));
        Key = Path.GetPublicKey();
        SubjectKey = NameKeys.OfName(certificate.SubjectName.RawData);
        IssuerKey = NameKeys.OfName(certificate.IssuerName.RawData);
        IsAuthority = Path.GetBasicConstraints() >= 0;
        var points = Path.GetExtensionValue(Bc.X509Extensions.CrlDistributionPoints);
        DistributionPoints = points is null ? [] : DistributionPoint.ReadAll(points.GetOctets(), IssuerKey);
        SubjectKeyIdentifier = certificate.Extensions[SubjectKeyIdentifierOid] is { } subject
            ? (ReadOnlyMemory<byte>?)new AsnReader(subject.RawData, AsnEncodingRules.DER).ReadOctetString()
            : null;
        AuthorityKeyIdentifier = certificate.Extensions[KeyIdentifier] is { } extension
            ? new X509AuthorityKeyIdentifierExtension(extension.RawData).KeyIdentifier
            : null;
    }

    public X509Certificate2 Certificate { get; }

    /// <summary>The same for the library that walks paths.</summary>
    public BcCertificate Path { get; }

    public AsymmetricKeyParameter Key { get; }

    public string SubjectKey { get; }

    public string IssuerKey { get; }

    public bool IsAuthority { get; }

    public ImmutableArray<DistributionPoint> DistributionPoints { get; }

    public ReadOnlyMemory<byte>? SubjectKeyIdentifier { get; }

    public ReadOnlyMemory<byte>? AuthorityKeyIdentifier { get; }

    /// <summary>RFC 5280 §6.3.3 (f): where a key usage stands, it must have cRLSign.</summary>
    public bool MaySignLists => Path.GetKeyUsage() is not { } usage || (usage.Length > 6 && usage[6]);

    /// <exception cref="CryptographicException">Malformed, or with a key that is not read.</exception>
    public static ParsedCertificate Of(X509Certificate2 certificate)
    {
        try
        {
            return s_parsed.GetValue(certificate, static c => new ParsedCertificate(c));
        }
        catch (Exception e) when (e is AsnContentException or GeneralSecurityException or ArgumentException or IOException or InvalidCastException or InvalidOperationException or FormatException)
        {
            throw new CryptographicException($"The certificate is malformed: {e.Message}", e);
        }
    }

    public static ParsedCertificate? TryOf(X509Certificate2 certificate)
    {
        try
        {
            return Of(certificate);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    public bool IsSameAs(ParsedCertificate other) => Certificate.RawDataMemory.Span.SequenceEqual(other.Certificate.RawDataMemory.Span);

    /// <summary>The key identifier that it states for its issuer is this one's: a hint, no proof.</summary>
    public bool NamesKeyOf(ParsedCertificate issuer) =>
        AuthorityKeyIdentifier is { } wanted && issuer.SubjectKeyIdentifier is { } has && wanted.Span.SequenceEqual(has.Span);

    public bool IsSignedBy(ParsedCertificate issuer)
    {
        try
        {
            Path.Verify(issuer.Key);
            return true;
        }
        catch (Exception e) when (e is GeneralSecurityException or CryptoException or ArgumentException or InvalidCastException or IOException)
        {
            // Malformed, or of another kind than the issuer's key.
            return false;
        }
    }

    public bool IsOutsideValidity(DateTimeOffset at) =>
        at.UtcDateTime > Certificate.NotAfter.ToUniversalTime() || at.UtcDateTime < Certificate.NotBefore.ToUniversalTime();
}
