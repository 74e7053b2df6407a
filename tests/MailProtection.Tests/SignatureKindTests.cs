using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.MailProtection.Recipients;
using GatewaySecure.TestKit;
using Org.BouncyCastle.Cms;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Operators;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Security;
using Org.BouncyCastle.Utilities.Collections;
using Org.BouncyCastle.X509;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>Signatures by keys of other kinds than everybody's: EdDSA is good, what is out of date is warned of, changed text is neither.</summary>
public sealed class SignatureKindTests
{
    private const string Alice = "alice@example.org";
    private const string Entity = "Content-Type: text/plain\r\n\r\nHello, this is the text.\r\n";
    private static readonly Pki s_pki = Pki.Shared;

    [Fact]
    public async Task Ed25519_is_verified_and_a_changed_text_told()
    {
        var key = new Ed25519PrivateKeyParameters(new SecureRandom());
        var certificate = s_pki.Certify(Alice, new PublicKey(new Oid("1.3.101.112"), null, new AsnEncodedData(key.GeneratePublicKey().GetEncoded())));
        var opened = await OpenedAsync(Sign(key, certificate, "Ed25519"));
        Assert.True(opened.SignatureTrusted, string.Join(' ', opened.Verdicts.Select(v => v.Text)));
        await ChangedIsToldAsync(Sign(key, certificate, "Ed25519"));
        // Signed by another key than the certificate's.
        var other = Sign(new Ed25519PrivateKeyParameters(new SecureRandom()), certificate, "Ed25519");
        Assert.IsType<OpenOutcome.Refused>((await Sealed.OpenAsync(other, Keys(), Pki.Now)).Outcome);
    }

    [Fact]
    public async Task Dsa_holds_with_a_warning()
    {
        using var folder = new TempDirectory();
        (await Tool.RunAsync("openssl", ["genpkey", "-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:2048", "-out", folder["p.pem"]], timeout: TimeSpan.FromMinutes(2))).Checked();
        (await Tool.RunAsync("openssl", ["genpkey", "-paramfile", folder["p.pem"], "-out", folder["k.pem"]])).Checked();
        var pem = await File.ReadAllTextAsync(folder["k.pem"], TestContext.Current.CancellationToken);
        using var dsa = DSA.Create();
        dsa.ImportFromPem(pem);
        var certificate = s_pki.Certify(Alice, PublicKey.CreateFromSubjectPublicKeyInfo(dsa.ExportSubjectPublicKeyInfo(), out _));
        var mail = Sign(PrivateKeyFactory.CreateKey(dsa.ExportPkcs8PrivateKey()), certificate, "SHA256withDSA");
        var opened = await OpenedAsync(mail);
        Assert.False(opened.SignatureTrusted);
        Assert.Contains(opened.Verdicts, v => v.Level == VerdictLevel.Warning && v.Text.Contains("uses DSA, which is out of date", StringComparison.Ordinal));
        await ChangedIsToldAsync(mail);
    }

    [Fact]
    public async Task A_short_rsa_key_holds_with_a_warning()
    {
        var leaf = s_pki.Rsa(Alice, bits: 1024);
        var opened = await OpenedAsync(Sign(DotNetUtilities.GetRsaKeyPair((RSA)leaf.Key).Private, leaf.Certificate, "SHA256withRSA"));
        Assert.False(opened.SignatureTrusted);
        Assert.Contains(opened.Verdicts, v => v.Level == VerdictLevel.Warning && v.Text.Contains("1024 bits only", StringComparison.Ordinal));
    }

    private static byte[] Sign(AsymmetricKeyParameter key, X509Certificate2 certificate, string algorithm)
    {
        var parsed = new X509CertificateParser().ReadCertificate(certificate.RawData);
        var generator = new CmsSignedDataGenerator();
        generator.AddSignerInfoGenerator(new SignerInfoGeneratorBuilder().Build(new Asn1SignatureFactory(algorithm, key), parsed));
        generator.AddCertificates(CollectionUtilities.CreateStore([parsed]));
        var signature = generator.Generate(new CmsProcessableByteArray(Encoding.ASCII.GetBytes(Entity)), encapsulate: false).GetEncoded();
        return Encoding.ASCII.GetBytes(
            $"From: {Alice}\r\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-512; boundary=b\r\n\r\n"
            + $"--b\r\n{Entity}\r\n--b\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + $"{Convert.ToBase64String(signature, Base64FormattingOptions.InsertLineBreaks)}\r\n--b--\r\n");
    }

    private static OpeningKeys Keys() => new() { Trust = CertificateDirectory.Create([], [s_pki.Root], [s_pki.Intermediate]) };

    private static async Task<OpenedMail> OpenedAsync(byte[] mail) =>
        Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(mail, Keys(), Pki.Now)).Outcome).Mail;

    private static async Task ChangedIsToldAsync(byte[] mail)
    {
        var changed = Encoding.ASCII.GetString(mail).Replace("this is the text", "this is the test", StringComparison.Ordinal);
        Assert.IsType<OpenOutcome.Refused>((await Sealed.OpenAsync(Encoding.ASCII.GetBytes(changed), Keys(), Pki.Now)).Outcome);
    }
}
