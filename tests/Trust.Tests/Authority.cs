using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Org.BouncyCastle.Asn1.X509;
using Org.BouncyCastle.Crypto.Operators;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Ocsp;
using Org.BouncyCastle.Security;
using Org.BouncyCastle.X509;
using BcCertificate = Org.BouncyCastle.X509.X509Certificate;
using BcExtensions = Org.BouncyCastle.Asn1.X509.X509Extensions;
using X509Certificate2 = System.Security.Cryptography.X509Certificates.X509Certificate2;

namespace GatewaySecure.Trust.Tests;

/// <summary>A certificate authority that makes what tests need: certificates, lists, OCSP answers.</summary>
internal sealed class Authority
{
    public static readonly DateTimeOffset Now = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);
    private static int s_serial = 100;

    private readonly RSA _key = RSA.Create(2048);

    private Authority(X509Certificate2 certificate, RSA key)
    {
        Certificate = certificate;
        _key = key;
    }

    public X509Certificate2 Certificate { get; }

    public RSA Key => _key;

    public static Authority Root(string name = "CN=Root")
    {
        var key = RSA.Create(2048);
        var request = Request(name, key, isAuthority: true);
        return new(request.CreateSelfSigned(Now.AddYears(-5), Now.AddYears(10)), key);
    }

    public Authority Below(string name, int bits = 2048)
    {
        var key = RSA.Create(bits);
        return new(Sign(Request(name, key, isAuthority: true)), key);
    }

    /// <summary>The same name and key certified by somebody else, too.</summary>
    public X509Certificate2 CrossCertify(Authority other) => Sign(Request(other.Certificate.Subject, other._key, isAuthority: true));

    public X509Certificate2 Issue(string name, Action<CertificateRequest>? more = null)
    {
        using var key = RSA.Create(2048);
        var request = Request(name, key, isAuthority: false);
        more?.Invoke(request);
        return Sign(request);
    }

    /// <summary>With a signature that the platform does not make any more.</summary>
    public X509Certificate2 IssueWithSha1(string name)
    {
        var old = new X509V3CertificateGenerator();
        old.SetSerialNumber(BigInteger.ValueOf(Interlocked.Increment(ref s_serial)));
        old.SetIssuerDN(X509Name.GetInstance(Certificate.SubjectName.RawData));
        old.SetSubjectDN(new X509Name(name));
        old.SetNotBefore(Now.AddYears(-1).UtcDateTime);
        old.SetNotAfter(Now.AddYears(2).UtcDateTime);
        var pair = DotNetUtilities.GetRsaKeyPair(_key);
        old.SetPublicKey(pair.Public);
        return X509CertificateLoader.LoadCertificate(old.Generate(new Asn1SignatureFactory("SHA1WITHRSA", pair.Private)).GetEncoded());
    }

    /// <summary>A responder of this authority's.</summary>
    public Authority Responder(bool forOcsp = true)
    {
        var key = RSA.Create(2048);
        var request = Request("CN=Responder", key, isAuthority: false);
        if (forOcsp)
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.9")], false));
        return new(Sign(request), key);
    }

    /// <summary>One that breaks RFC 5280 §5.1.2.5.</summary>
    public byte[] ListWithoutEnd()
    {
        var crl = new X509V2CrlGenerator();
        crl.SetIssuerDN(X509Name.GetInstance(Certificate.SubjectName.RawData));
        crl.SetThisUpdate(Now.AddHours(-1).UtcDateTime);
        return crl.Generate(new Asn1SignatureFactory("SHA256WITHRSA", DotNetUtilities.GetRsaKeyPair(_key).Private)).GetEncoded();
    }

    public byte[] List(
        IEnumerable<X509Certificate2> revoked, DateTimeOffset? thisUpdate = null, DateTimeOffset? nextUpdate = null, int? number = null, int? baseNumber = null,
        int reason = CrlReason.KeyCompromise, Authority? signer = null)
    {
        var crl = new X509V2CrlGenerator();
        crl.SetIssuerDN(X509Name.GetInstance(Certificate.SubjectName.RawData));
        crl.SetThisUpdate((thisUpdate ?? Now.AddDays(-1)).UtcDateTime);
        crl.SetNextUpdate((nextUpdate ?? Now.AddDays(6)).UtcDateTime);
        foreach (var certificate in revoked)
            crl.AddCrlEntry(new BigInteger(certificate.SerialNumberBytes.ToArray()), (thisUpdate ?? Now.AddDays(-1)).UtcDateTime, reason);
        if (number is { } n)
            crl.AddExtension(BcExtensions.CrlNumber, critical: false, new CrlNumber(BigInteger.ValueOf(n)));
        if (baseNumber is { } b)
            crl.AddExtension(BcExtensions.DeltaCrlIndicator, critical: true, new CrlNumber(BigInteger.ValueOf(b)));
        return crl.Generate(new Asn1SignatureFactory("SHA256WITHRSA", DotNetUtilities.GetRsaKeyPair((signer ?? this)._key).Private)).GetEncoded();
    }

    /// <summary>An OCSP response about one certificate of this authority's.</summary>
    public byte[] Answer(
        X509Certificate2 about, CertificateStatus? status, Authority? responder = null, byte[]? nonce = null, DateTimeOffset? thisUpdate = null,
        DateTimeOffset? nextUpdate = null)
    {
        var signer = responder ?? this;
        var own = Parsed(signer.Certificate);
        var generator = new BasicOcspRespGenerator(own.GetPublicKey());
        var id = new CertificateID(
            new AlgorithmIdentifier(Org.BouncyCastle.Asn1.Oiw.OiwObjectIdentifiers.IdSha1, Org.BouncyCastle.Asn1.DerNull.Instance), Parsed(Certificate), Parsed(about).SerialNumber);
        generator.AddResponse(id, status, (thisUpdate ?? Now.AddHours(-1)).UtcDateTime, (nextUpdate ?? Now.AddHours(6)).UtcDateTime, null);
        if (nonce is not null)
        {
            var extensions = new X509ExtensionsGenerator();
            extensions.AddExtension(Org.BouncyCastle.Asn1.Ocsp.OcspObjectIdentifiers.PkixOcspNonce, false, new Org.BouncyCastle.Asn1.DerOctetString(nonce));
            generator.SetResponseExtensions(extensions.Generate());
        }
        var basic = generator.Generate(
            new Asn1SignatureFactory("SHA256WITHRSA", DotNetUtilities.GetRsaKeyPair(signer._key).Private), [own], Now.UtcDateTime);
        return new OCSPRespGenerator().Generate(OcspRespStatus.Successful, basic).GetEncoded();
    }

    private static BcCertificate Parsed(X509Certificate2 certificate) => new(X509CertificateStructure.GetInstance(certificate.RawData));

    private static CertificateRequest Request(string name, RSA key, bool isAuthority)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            isAuthority ? X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign : X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request;
    }

    private X509Certificate2 Sign(CertificateRequest request)
    {
        var serial = Interlocked.Increment(ref s_serial);
        var signed = request.Create(
            Certificate.SubjectName, X509SignatureGenerator.CreateForRSA(_key, RSASignaturePadding.Pkcs1), Now.AddYears(-1), Now.AddYears(2),
            [1, (byte)(serial >> 8), (byte)serial]);
        return X509CertificateLoader.LoadCertificate(signed.RawData);
    }
}
