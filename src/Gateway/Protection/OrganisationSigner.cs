using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.HsmAdapter;
using GatewaySecure.MailProtection;

namespace GatewaySecure.Gateway.Protection;

/// <summary>
/// The organisation's signature on S/MIME mail (RFC 3183): its key lives in the vault, its certificate comes from a CA or, until
/// there is one, is self-signed.
/// </summary>
internal static class OrganisationSigner
{
    private const string KeyName = "organisation";

    /// <summary>Reads the configured certificate, whose key must be one of the vault's; or makes a self-signed one and keeps it.</summary>
    /// <exception cref="CryptographicException">No key of the vault belongs to the certificate.</exception>
    public static SmimeSigner Open(
        IKeyVault vault, string? certificateFile, string? chainFile, RSASignaturePadding padding, string trialFile, DomainName domain, DateTimeOffset now)
    {
        if (certificateFile is null)
            return OpenTrial(vault, trialFile, domain, now);
        var certificate = X509Certificate2.CreateFromPem(File.ReadAllText(certificateFile));
        var chain = new X509Certificate2Collection();
        if (chainFile is not null)
            chain.ImportFromPemFile(chainFile);
        foreach (AsymmetricAlgorithm key in new AsymmetricAlgorithm[] { vault.OrganisationEcdsaKey(KeyName), vault.OrganisationRsaKey(KeyName) })
        {
            if (key.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(certificate.PublicKey.ExportSubjectPublicKeyInfo()))
                return new SmimeSigner(certificate, key, chain, padding);
            key.Dispose();
        }
        throw new CryptographicException(
            $"{certificateFile} does not belong to a signing key of this gateway. Ask your CA for one with the request that 'gateway smime csr' prints.");
    }

    /// <summary>A certificate request for the organisation's key, as PEM.</summary>
    public static string Request(IKeyVault vault, DomainName domain, bool rsa)
    {
        using AsymmetricAlgorithm key = rsa ? vault.OrganisationRsaKey(KeyName) : vault.OrganisationEcdsaKey(KeyName);
        return RequestFor(key, domain).CreateSigningRequestPem() + "\n";
    }

    private static SmimeSigner OpenTrial(IKeyVault vault, string trialFile, DomainName domain, DateTimeOffset now)
    {
        // P-256: every current reader verifies it, and it signs ten times as fast as RSA-2048.
        var key = vault.OrganisationEcdsaKey(KeyName);
        if (!File.Exists(trialFile))
        {
            var request = RequestFor(key, domain);
            // Not CreateSelfSigned: that wants the private key itself, which an HSM keeps.
            using var made = request.Create(
                request.SubjectName, X509SignatureGenerator.CreateForECDsa(key), now.AddDays(-1), now.AddYears(5), SerialNumber());
            File.WriteAllText(trialFile, made.ExportCertificatePem() + "\n");
        }
        return new SmimeSigner(X509Certificate2.CreateFromPem(File.ReadAllText(trialFile)), key);
    }

    /// <summary>Positive and without leading zeros (RFC 5280 §4.1.2.2).</summary>
    private static byte[] SerialNumber()
    {
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)(serial[0] & 0x7F | 0x40);
        return serial;
    }

    private static CertificateRequest RequestFor(AsymmetricAlgorithm key, DomainName domain) =>
        RequestFor(key, domain, "domain-signing-authority", X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.NonRepudiation);

    /// <param name="authority">RFC 3183 §4.1: the name by which readers know a domain's certificate from a person's.</param>
    internal static CertificateRequest RequestFor(AsymmetricAlgorithm key, DomainName domain, string authority, X509KeyUsageFlags usage)
    {
        var name = new X500DistinguishedNameBuilder();
        name.AddOrganizationName(domain.Unicode);
        name.AddCommonName(authority);
        var request = key is RSA rsa
            ? new CertificateRequest(name.Build(), rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(name.Build(), (ECDsa)key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddEmailAddress($"{authority}@{domain.Ascii}");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.4")], critical: false));
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        return request;
    }
}
