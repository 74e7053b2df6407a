using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Org.BouncyCastle.Asn1.X509;
using Org.BouncyCastle.Crypto.Operators;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Security;
using Org.BouncyCastle.X509;
using BcName = Org.BouncyCastle.Asn1.X509.X509Name;
using X509Certificate2 = System.Security.Cryptography.X509Certificates.X509Certificate2;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>An authority with an intermediate, and the certificates that tests need, made once.</summary>
internal sealed class Pki
{
    public static readonly DateTimeOffset Now = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);

    private readonly RSA _rootKey = RSA.Create(2048);
    private readonly RSA _caKey = RSA.Create(2048);
    private int _serial = 1000;

    public Pki()
    {
        var root = new CertificateRequest("CN=Test Root", _rootKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        root.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        root.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        root.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(root.PublicKey, false));
        Root = root.CreateSelfSigned(Now.AddYears(-5), Now.AddYears(10));
        Intermediate = IssueAuthority("CN=Test CA", _caKey, Now.AddYears(-4), Now.AddYears(8));
    }

    public static Pki Shared { get; } = new();

    public X509Certificate2 Root { get; }

    public X509Certificate2 Intermediate { get; }

    public X509Certificate2 IssueAuthority(string name, RSA key, DateTimeOffset from, DateTimeOffset until)
    {
        var ca = new CertificateRequest(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        ca.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        ca.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        ca.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(ca.PublicKey, false));
        var unsigned = ca.Create(Root.SubjectName, X509SignatureGenerator.CreateForRSA(_rootKey, RSASignaturePadding.Pkcs1), from, until, NextSerial());
        return X509CertificateLoader.LoadCertificate(unsigned.RawData);
    }

    public Leaf Rsa(string address, int bits = 2048, LeafOptions? options = null)
    {
        var key = RSA.Create(bits);
        var request = new CertificateRequest($"CN={address.Split('@')[0]}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return new Leaf(Issue(request, address, options ?? new(), X509KeyUsageFlags.KeyEncipherment), key);
    }

    public Leaf Ec(string address, ECCurve curve, LeafOptions? options = null)
    {
        var key = ECDsa.Create(curve);
        var request = new CertificateRequest($"CN={address.Split('@')[0]}", key, HashAlgorithmName.SHA256);
        return new Leaf(Issue(request, address, options ?? new(), X509KeyUsageFlags.KeyAgreement), key);
    }

    /// <summary>For a key that the platform has no class for.</summary>
    public X509Certificate2 Certify(string address, PublicKey key) =>
        Issue(new CertificateRequest(new X500DistinguishedName($"CN={address.Split('@')[0]}"), key, HashAlgorithmName.SHA256), address, new(), X509KeyUsageFlags.None);

    /// <summary>A CRL of the intermediate.</summary>
    public byte[] Crl(IEnumerable<X509Certificate2> revoked, DateTimeOffset? thisUpdate = null, DateTimeOffset? nextUpdate = null, RSA? key = null)
        => MakeCrl(Intermediate, key ?? _caKey, revoked, thisUpdate ?? Now.AddDays(-1), nextUpdate ?? Now.AddDays(6));

    /// <summary>A CRL of the root.</summary>
    public byte[] RootCrl(params X509Certificate2[] revoked) => MakeCrl(Root, _rootKey, revoked, Now.AddDays(-1), Now.AddDays(6));

    private static byte[] MakeCrl(
        X509Certificate2 issuer, RSA key, IEnumerable<X509Certificate2> revoked, DateTimeOffset thisUpdate, DateTimeOffset nextUpdate)
    {
        var crl = new X509V2CrlGenerator();
        crl.SetIssuerDN(BcName.GetInstance(issuer.SubjectName.RawData));
        crl.SetThisUpdate(thisUpdate.UtcDateTime);
        crl.SetNextUpdate(nextUpdate.UtcDateTime);
        foreach (var certificate in revoked)
            crl.AddCrlEntry(new BigInteger(1, certificate.SerialNumberBytes.Span), thisUpdate.UtcDateTime, CrlReason.KeyCompromise);
        var pair = DotNetUtilities.GetRsaKeyPair(key);
        return crl.Generate(new Asn1SignatureFactory("SHA256WITHRSA", pair.Private)).GetEncoded();
    }

    private X509Certificate2 Issue(CertificateRequest request, string address, LeafOptions options, X509KeyUsageFlags encipher)
    {
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            options.KeyUsage ?? (X509KeyUsageFlags.DigitalSignature | encipher), true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(options.ExtendedKeyUsage)], false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var names = new SubjectAlternativeNameBuilder();
        foreach (var name in options.Addresses ?? [address])
            names.AddEmailAddress(name);
        request.CertificateExtensions.Add(names.Build());
        if (options.ClaimsGcm)
        {
            var writer = new AsnWriter(AsnEncodingRules.DER);
            using (writer.PushSequence())
            using (writer.PushSequence())
                writer.WriteObjectIdentifier("2.16.840.1.101.3.4.1.46");
            request.CertificateExtensions.Add(new System.Security.Cryptography.X509Certificates.X509Extension("1.2.840.113549.1.9.15", writer.Encode(), false));
        }
        var generator = X509SignatureGenerator.CreateForRSA(_caKey, RSASignaturePadding.Pkcs1);
        return X509CertificateLoader.LoadCertificate(request.Create(
            Intermediate.SubjectName, generator, options.From ?? Now.AddYears(-1), options.Until ?? Now.AddYears(1), NextSerial()).RawData);
    }

    private byte[] NextSerial()
    {
        var serial = Interlocked.Increment(ref _serial);
        return [0x01, (byte)(serial >> 8), (byte)serial];
    }
}

internal sealed record LeafOptions
{
    public DateTimeOffset? From { get; init; }

    public DateTimeOffset? Until { get; init; }

    public X509KeyUsageFlags? KeyUsage { get; init; }

    public string ExtendedKeyUsage { get; init; } = "1.3.6.1.5.5.7.3.4";

    public bool ClaimsGcm { get; init; }

    /// <summary>Null: the one that it is made for.</summary>
    public string[]? Addresses { get; init; }
}

internal sealed record Leaf(X509Certificate2 Certificate, AsymmetricAlgorithm Key)
{
    public SmimeKey ForOpening => new(Certificate, Key);

    public string KeyPem => Key switch
    {
        RSA rsa => rsa.ExportPkcs8PrivateKeyPem(),
        ECDsa ecdsa => ecdsa.ExportPkcs8PrivateKeyPem(),
        _ => throw new NotSupportedException(),
    };
}
