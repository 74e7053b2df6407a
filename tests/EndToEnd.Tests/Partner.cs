using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Somebody outside with an S/MIME certificate of his company's authority, who opens his mail with OpenSSL.</summary>
internal sealed class Partner : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly X509Certificate2 _authority;
    private readonly X509Certificate2 _certificate;

    private readonly ECDsa _authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private int _listNumber;

    public Partner(params string[] addresses)
        : this(null, addresses)
    {
    }

    /// <param name="listAddress">Where his certificate says that his authority's revocation list is; null: it does not say.</param>
    public Partner(Uri? listAddress, params string[] addresses)
    {
        var now = DateTimeOffset.UtcNow;
        var root = new CertificateRequest("CN=Partner CA", _authorityKey, HashAlgorithmName.SHA256);
        root.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        root.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        root.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(root.PublicKey, critical: false));
        _authority = root.CreateSelfSigned(now.AddDays(-2), now.AddYears(2));

        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=Partner", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        foreach (var address in addresses)
            names.AddEmailAddress(address);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyEncipherment, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.4")], critical: false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        if (listAddress is not null)
            request.CertificateExtensions.Add(CertificateRevocationListBuilder.BuildCrlDistributionPointExtension([listAddress.AbsoluteUri]));
        _certificate = request.Create(
            _authority.SubjectName, X509SignatureGenerator.CreateForECDsa(_authorityKey), now.AddDays(-1), now.AddYears(1), [1, .. RandomNumberGenerator.GetBytes(8)]);
        File.WriteAllText(CertificateFile, _certificate.ExportCertificatePem());
        File.WriteAllText(KeyFile, key.ExportPkcs8PrivateKeyPem());
    }

    private string CertificateFile => _directory["partner.pem"];

    private string KeyFile => _directory["partner.key"];

    public string Serial => _certificate.SerialNumber;

    /// <summary>The gateway trusts his authority, but has no certificate of his yet.</summary>
    public void TellAuthority(GatewayProcess gateway) =>
        File.WriteAllText(Path.Combine(gateway.TrustFolder, "partner-ca.pem"), _authority.ExportCertificatePem());

    public void TellCertificate(GatewayProcess gateway) => File.Copy(CertificateFile, Path.Combine(gateway.RecipientsFolder, "partner.pem"));

    /// <summary>A revocation list of his authority, newer than those before.</summary>
    public byte[] List(bool revoked, TimeSpan? until = null)
    {
        var list = new CertificateRevocationListBuilder();
        if (revoked)
            list.AddEntry(_certificate);
        var now = DateTimeOffset.UtcNow;
        return list.Build(_authority, ++_listNumber, now + (until ?? TimeSpan.FromHours(1)), HashAlgorithmName.SHA256, thisUpdate: now.AddMinutes(-1));
    }

    /// <summary>Decrypts with his key alone.</summary>
    /// <returns>The file with what was encrypted, octet by octet.</returns>
    public async Task<string> DecryptAsync(string mailFile)
    {
        var opened = _directory[Guid.NewGuid().ToString("N")];
        (await Tool.RunAsync("openssl",
            ["cms", "-decrypt", "-binary", "-in", mailFile, "-recip", CertificateFile, "-inkey", KeyFile, "-out", opened])).Checked();
        return opened;
    }

    /// <summary>Decrypts with his key and checks the organisation's signature, streaming; OpenSSL says what is wrong.</summary>
    /// <returns>The file with the entity that was signed.</returns>
    public async Task<string> OpenAsync(string mailFile, GatewayProcess gateway)
    {
        var signed = await DecryptAsync(mailFile);
        var entity = signed + ".entity";
        (await Tool.RunAsync("openssl",
            ["cms", "-verify", "-in", signed, "-CAfile", gateway.OrganisationCertificate, "-partial_chain", "-purpose", "any", "-out", entity])).Checked();
        return entity;
    }

    public void Dispose()
    {
        _authority.Dispose();
        _authorityKey.Dispose();
        _certificate.Dispose();
        _directory.Dispose();
    }
}
