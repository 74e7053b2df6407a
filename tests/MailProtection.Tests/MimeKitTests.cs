using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.MailProtection.Recipients;
using MimeKit;
using MimeKit.Cryptography;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>Round trips with MimeKit's own S/MIME, which stands on BouncyCastle: what it makes we open, and what we make it opens.</summary>
public sealed class MimeKitTests
{
    private const string Secret = "Grüße aus Köln.";

    private static readonly Pki Pki = Pki.Shared;
    private static readonly Leaf Alice = Pki.Rsa("alice@example.org");
    private static readonly Leaf AliceEc = Pki.Ec("alice@example.org", ECCurve.NamedCurves.nistP256);
    private static readonly Leaf Bob = Pki.Rsa("bob@partner.example");
    private static readonly Leaf Bob256 = Pki.Ec("bob@partner.example", ECCurve.NamedCurves.nistP256);
    private static readonly Leaf Bob384 = Pki.Ec("bob@partner.example", ECCurve.NamedCurves.nistP384);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>AES-GCM is not among them: MimeKit does not read AuthEnvelopedData.</summary>
    public static TheoryData<string, string> Ours => new()
    {
        { "rsa", "rsa" }, { "pss", "rsa" }, { "ec", "rsa" },
    };

    /// <summary>What it can't open, and would be told by this test if it could some day.</summary>
    [Fact]
    public async Task Mimekit_derives_keys_on_curves_with_a_null_that_the_standard_does_not_have()
    {
        using var message = await MimeMessage.LoadAsync(new MemoryStream(await SealAsync(Alice, null, Bob256)), Cancel);
        using var context = Context(Bob256);
        var e = Assert.ThrowsAny<Exception>(() => ((ApplicationPkcs7Mime)message.Body!).Decrypt(context, Cancel));
        Assert.Contains("originator key invalid", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Ours))]
    public async Task Mimekit_opens_and_verifies_what_we_seal(string signer, string recipient)
    {
        var bob = Recipient(recipient);
        var mail = await SealAsync(signer == "ec" ? AliceEc : Alice, signer == "pss" ? RSASignaturePadding.Pss : null, bob);

        using var context = Context(bob);
        using var message = await MimeMessage.LoadAsync(new MemoryStream(mail), Cancel);
        var inner = Assert.IsType<MultipartSigned>(Assert.IsType<ApplicationPkcs7Mime>(message.Body).Decrypt(context, Cancel));
        Assert.Contains(Secret, ((TextPart)inner[0]).Text, StringComparison.Ordinal);
        var signature = Assert.Single(await inner.VerifyAsync(context, Cancel));
        Assert.True(signature.Verify(verifySignatureOnly: true));
        Assert.Equal("alice@example.org", signature.SignerCertificate!.Email);
    }

    public static TheoryData<string, EncryptionAlgorithm, string> Theirs => new()
    {
        { "rsa", EncryptionAlgorithm.Aes256, "pkcs1" }, { "rsa", EncryptionAlgorithm.Aes192, "pkcs1" }, { "rsa", EncryptionAlgorithm.Aes128, "pkcs1" },
        { "rsa", EncryptionAlgorithm.TripleDes, "pkcs1" }, { "rsa", EncryptionAlgorithm.Aes256, "oaep-sha1" }, { "rsa", EncryptionAlgorithm.Aes256, "oaep-sha256" },
        { "rsa", EncryptionAlgorithm.Aes256, "oaep-sha512" }, { "p256", EncryptionAlgorithm.Aes256, "" }, { "p384", EncryptionAlgorithm.Aes128, "" },
    };

    [Theory]
    [MemberData(nameof(Theirs))]
    public async Task We_open_what_mimekit_encrypts(string recipient, EncryptionAlgorithm algorithm, string padding)
    {
        var bob = Recipient(recipient);
        using var context = Context(bob);
        var to = new CmsRecipient(bob.Certificate) { EncryptionAlgorithms = [algorithm] };
        to.RsaEncryptionPadding = padding switch
        {
            "oaep-sha1" => RsaEncryptionPadding.OaepSha1,
            "oaep-sha256" => RsaEncryptionPadding.OaepSha256,
            "oaep-sha512" => RsaEncryptionPadding.OaepSha512,
            _ => RsaEncryptionPadding.Pkcs1,
        };
        using var message = Message(ApplicationPkcs7Mime.Encrypt(context, [to], Body(), Cancel));
        var (outcome, output) = await Sealed.OpenAsync(await WrittenAsync(message), Keys(bob));
        var opened = Assert.IsType<OpenOutcome.Opened>(outcome).Mail;
        Assert.Equal(algorithm == EncryptionAlgorithm.TripleDes, opened.Verdicts.Any(v => v.Text.Contains("Triple-DES", StringComparison.Ordinal)));
        Assert.Contains(Secret, Encoding.UTF8.GetString(output), StringComparison.Ordinal);
    }

    public static TheoryData<string, DigestAlgorithm, bool> Signatures => new()
    {
        { "rsa", DigestAlgorithm.Sha256, false }, { "rsa", DigestAlgorithm.Sha512, true }, { "pss", DigestAlgorithm.Sha256, false }, { "pss", DigestAlgorithm.Sha384, true },
        { "ec", DigestAlgorithm.Sha256, true }, { "ec", DigestAlgorithm.Sha384, false },
    };

    [Theory]
    [MemberData(nameof(Signatures))]
    public async Task We_verify_what_mimekit_signs_in_clear_and_opaque(string signer, DigestAlgorithm digest, bool isOpaque)
    {
        var alice = signer == "ec" ? AliceEc : Alice;
        using var context = Context(Bob);
        using var withKey = WithKey(alice);
        var by = new CmsSigner(withKey) { DigestAlgorithm = digest };
        if (signer == "pss")
            by.RsaSignaturePadding = RsaSignaturePadding.Pss;
        using var message = Message(isOpaque ? ApplicationPkcs7Mime.Sign(context, by, Body(), Cancel) : MultipartSigned.Create(context, by, Body(), Cancel));
        var (outcome, output) = await Sealed.OpenAsync(await WrittenAsync(message), Keys(Bob));
        var opened = Assert.IsType<OpenOutcome.Opened>(outcome).Mail;
        Assert.True(opened.SignatureTrusted, string.Join(' ', opened.Verdicts.Select(v => v.Text)));
        // Signing in clear, MimeKit makes seven bits of eight.
        using var written = await MimeMessage.LoadAsync(new MemoryStream(output), Cancel);
        Assert.Contains(Secret, Assert.Single(written.BodyParts.OfType<TextPart>()).Text, StringComparison.Ordinal);
    }

    private static async Task<byte[]> SealAsync(Leaf alice, RSASignaturePadding? padding, Leaf bob)
    {
        var order = new SmimeOrder(
            new MemoryMail(Encoding.UTF8.GetBytes($"From: alice@example.org\r\nTo: bob@partner.example\r\nSubject: s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{Secret}\r\n")),
            [Sealed.Address("bob@partner.example")],
            new SmimeSigner(alice.Certificate, alice.Key, [Pki.Intermediate], padding),
            CertificateDirectory.Create([bob.Certificate], [Pki.Root], [Pki.Intermediate]),
            Pki.Now);
        return await Sealed.WriteAsync(await new MailProtector(new FixedTime(Pki.Now)).SealCaAsync(order, Cancel));
    }

    private static Leaf Recipient(string kind) => kind switch { "p256" => Bob256, "p384" => Bob384, _ => Bob };

    private static OpeningKeys Keys(Leaf leaf) =>
        new() { SmimeKeys = [leaf.ForOpening], Trust = CertificateDirectory.Create([], [Pki.Root], [Pki.Intermediate]) };

    /// <summary>With one key to open with.</summary>
    private static TemporarySecureMimeContext Context(Leaf leaf)
    {
        var context = new TemporarySecureMimeContext();
        using var withKey = WithKey(leaf);
        context.Import(new MemoryStream(withKey.Export(X509ContentType.Pkcs12, "secret")), "secret", Cancel);
        return context;
    }

    private static X509Certificate2 WithKey(Leaf leaf) => leaf.Key switch
    {
        RSA rsa => leaf.Certificate.CopyWithPrivateKey(rsa),
        _ => leaf.Certificate.CopyWithPrivateKey((ECDsa)leaf.Key),
    };

    private static TextPart Body() => new("plain") { Text = Secret + "\n", ContentTransferEncoding = ContentEncoding.EightBit };

    private static MimeMessage Message(MimeEntity body) =>
        new([new MailboxAddress("", "alice@example.org")], [new MailboxAddress("", "bob@partner.example")], "s", body);

    private static async Task<byte[]> WrittenAsync(MimeMessage message)
    {
        using var output = new MemoryStream();
        var options = FormatOptions.Default.Clone();
        options.NewLineFormat = NewLineFormat.Dos;
        await message.WriteToAsync(options, output, Cancel);
        return output.ToArray();
    }
}
