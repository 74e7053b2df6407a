using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.Bench;

/// <summary>An RSA-2048 signer and an RSA-2048 recipient under one root, made anew for each run.</summary>
internal sealed class BenchKeys : IDisposable
{
    private readonly RSA _rootKey = RSA.Create(2048);
    private readonly RSA _recipientKey = RSA.Create(2048);

    public BenchKeys(string sender, string recipient)
    {
        var now = DateTimeOffset.UtcNow;
        var root = new CertificateRequest("CN=Bench root", _rootKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        root.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        root.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        root.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(root.PublicKey, false));
        Root = root.CreateSelfSigned(now.AddDays(-1), now.AddDays(30));
        Signer = Issue(sender, SignerKey, X509KeyUsageFlags.DigitalSignature, now);
        Recipient = Issue(recipient, _recipientKey, X509KeyUsageFlags.KeyEncipherment, now);
    }

    public X509Certificate2 Root { get; }

    public RSA SignerKey { get; } = RSA.Create(2048);

    /// <summary>Without its key.</summary>
    public X509Certificate2 Signer { get; }

    public X509Certificate2 Recipient { get; }

    /// <summary>A certificate like the signer's for another key, without it.</summary>
    public X509Certificate2 CertifySigner(string address, AsymmetricAlgorithm key) => Issue(address, key, X509KeyUsageFlags.DigitalSignature, DateTimeOffset.UtcNow);

    public string RecipientPublicKeyPem => _recipientKey.ExportSubjectPublicKeyInfoPem();

    public void Dispose()
    {
        Recipient.Dispose();
        Signer.Dispose();
        Root.Dispose();
        _recipientKey.Dispose();
        SignerKey.Dispose();
        _rootKey.Dispose();
    }

    private X509Certificate2 Issue(string address, AsymmetricAlgorithm key, X509KeyUsageFlags usage, DateTimeOffset now)
    {
        var name = new X500DistinguishedName($"CN={address}");
        var publicKey = PublicKey.CreateFromSubjectPublicKeyInfo(key.ExportSubjectPublicKeyInfo(), out _);
        var request = new CertificateRequest(name, publicKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddEmailAddress(address);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.4")], false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(Root, true, false));
        var serial = RandomNumberGenerator.GetBytes(16);
        // Positive and not shorter than it looks (RFC 5280 §4.1.2.2).
        serial[0] = (byte)(serial[0] & 0x7F | 0x40);
        var root = X509SignatureGenerator.CreateForRSA(_rootKey, RSASignaturePadding.Pkcs1);
        return request.Create(Root.SubjectName, root, now.AddDays(-1), now.AddDays(20), serial);
    }
}
