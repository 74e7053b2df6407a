using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Carol, outside, whose company's authority certified her key; she signs, and encrypts to our organisation, with OpenSSL.</summary>
internal sealed class OutsideSigner : IDisposable
{
    public const string Address = "carol@partner.example";

    /// <summary>Outside of every relay network of the tests.</summary>
    public const string Peer = "127.0.0.9";

    private readonly TempDirectory _folder = new();
    private readonly ECDsa _authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _authority;

    public OutsideSigner()
    {
        var now = DateTimeOffset.UtcNow;
        var root = new CertificateRequest("CN=Outside CA", _authorityKey, HashAlgorithmName.SHA256);
        root.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        root.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        root.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(root.PublicKey, critical: false));
        _authority = root.CreateSelfSigned(now.AddDays(-2), now.AddYears(2));
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=Carol", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        Name(request, Address, X509KeyUsageFlags.DigitalSignature);
        File.WriteAllText(_folder["carol.pem"], Issue(request).ExportCertificatePem());
        File.WriteAllText(_folder["carol.key"], key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>The gateway trusts her authority.</summary>
    public void TellAuthority(GatewayProcess gateway) =>
        File.WriteAllText(Path.Combine(gateway.TrustFolder, "outside-ca.pem"), _authority.ExportCertificatePem());

    /// <summary>A key of our organisation that her authority certified.</summary>
    /// <returns>A PKCS #12 file, and the certificate's file for her.</returns>
    public (string Keys, string Certificate) MakeOrganisation(string passphrase)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=example.org", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        Name(request, "domain-confidentiality-authority@example.org", X509KeyUsageFlags.KeyEncipherment);
        using var certificate = Issue(request);
        using var whole = certificate.CopyWithPrivateKey(key);
        File.WriteAllBytes(_folder["org.p12"], whole.Export(X509ContentType.Pkcs12, passphrase));
        File.WriteAllText(_folder["org.pem"], certificate.ExportCertificatePem());
        return (_folder["org.p12"], _folder["org.pem"]);
    }

    /// <summary>Certifies what <c>gateway smime csr</c> printed.</summary>
    public X509Certificate2 Certify(string requestPem) => Issue(CertificateRequest.LoadSigningRequestPem(
        requestPem, HashAlgorithmName.SHA256, CertificateRequestLoadOptions.UnsafeLoadCertificateExtensions, RSASignaturePadding.Pkcs1));

    /// <param name="header">Of the mail, without those that describe its content.</param>
    /// <param name="entity">Content fields, empty line, body.</param>
    public async Task<byte[]> SignAsync(string header, string entity) =>
        Whole(header, await SignedAsync(entity));

    /// <summary>Signed, then encrypted to that certificate.</summary>
    public async Task<byte[]> SignAndEncryptAsync(string header, string entity, string certificateFile) =>
        await EncryptAsync(header, await SignedAsync(entity), certificateFile, "-aes256");

    public async Task<byte[]> EncryptAsync(string header, string entity, string certificateFile, string cipher)
    {
        await File.WriteAllTextAsync(_folder["entity"], entity);
        var made = await Tool.RunAsync("openssl", ["cms", "-encrypt", "-in", _folder["entity"], "-binary", "-crlfeol", cipher, "-recip", certificateFile]);
        return Whole(header, made.Checked().Text.ReplaceLineEndings("\r\n"));
    }

    public void Dispose()
    {
        _authority.Dispose();
        _authorityKey.Dispose();
        _folder.Dispose();
    }

    private async Task<string> SignedAsync(string entity)
    {
        await File.WriteAllTextAsync(_folder["entity"], entity);
        var made = await Tool.RunAsync("openssl",
            ["cms", "-sign", "-in", _folder["entity"], "-binary", "-crlfeol", "-signer", _folder["carol.pem"], "-inkey", _folder["carol.key"]]);
        return made.Checked().Text.ReplaceLineEndings("\r\n");
    }

    private static byte[] Whole(string header, string entity) => Encoding.ASCII.GetBytes(header.ReplaceLineEndings("\r\n") + entity);

    private static void Name(CertificateRequest request, string address, X509KeyUsageFlags usage)
    {
        var names = new SubjectAlternativeNameBuilder();
        names.AddEmailAddress(address);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.4")], critical: false));
    }

    private X509Certificate2 Issue(CertificateRequest request)
    {
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        var now = DateTimeOffset.UtcNow;
        return request.Create(
            _authority.SubjectName, X509SignatureGenerator.CreateForECDsa(_authorityKey), now.AddDays(-1), now.AddYears(1), [1, .. RandomNumberGenerator.GetBytes(8)]);
    }
}
