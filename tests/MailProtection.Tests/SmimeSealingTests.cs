using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.MailProtection.Recipients;
using GatewaySecure.Trust.Revocation;
using GatewaySecure.TestKit;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>What we seal, OpenSSL and our own opener read.</summary>
public sealed class SmimeSealingTests
{
    private const string Mail = """
        Received: from a by b
        From: Alice <alice@example.org>
        To: bob@partner.example
        Bcc: carol@partner.example
        Subject: Plan
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: 8bit

        Grüße aus Köln.
        -- 
        Ende

        """;

    private static readonly Pki Pki = Pki.Shared;
    private static readonly Leaf RsaSigner = Pki.Rsa("alice@example.org");
    private static readonly Leaf EcSigner = Pki.Ec("alice@example.org", ECCurve.NamedCurves.nistP256);

    public static TheoryData<string, string, bool> Combinations => new()
    {
        { "rsa", "rsa", false }, { "rsa", "rsa", true }, { "ec", "p256", false }, { "rsa", "p256", true },
        { "ec", "p384", true }, { "rsa", "p521", false }, { "pss", "rsa", false }, { "pss", "p256", true }, { "none", "rsa", false }, { "none", "p256", true },
    };

    [Theory]
    [MemberData(nameof(Combinations))]
    public async Task Openssl_and_we_open_what_we_seal(string signer, string recipient, bool gcm)
    {
        var bob = Recipient(recipient);
        var sealedMail = await Sealed.WriteAsync(await SealAsync(MemoryMail.Of(Mail), signer, gcm, bob));

        var text = Encoding.ASCII.GetString(sealedMail);
        Assert.Contains($"smime-type={(gcm ? "authEnveloped-data" : "enveloped-data")};", text);
        Assert.StartsWith("Received: from a by b\r\nFrom: Alice <alice@example.org>\r\n", text);
        Assert.DoesNotContain("\nBcc", text);
        Assert.All(text.Split("\r\n"), line => Assert.True(line.Length <= 78));

        using var folder = new TempDirectory();
        var inner = await OpensslDecryptAsync(folder, sealedMail, bob);
        const string Entity = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße aus Köln.\r\n-- \r\nEnde\r\n";
        Assert.Contains(Entity, Encoding.UTF8.GetString(inner));
        if (signer != "none")
        {
            await File.WriteAllBytesAsync(folder["inner"], inner, TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync(folder["root.pem"], Pki.Root.ExportCertificatePem(), TestContext.Current.CancellationToken);
            var verified = await Tool.RunAsync("openssl", [
                "cms", "-verify", "-in", folder["inner"], "-CAfile", folder["root.pem"], "-purpose", "smimesign", "-attime",
                Pki.Now.ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture)]);
            Assert.Equal(Entity, verified.Checked().Text);
        }

        var (outcome, opened) = await Sealed.OpenAsync(sealedMail, Keys(bob));
        var mail = Assert.IsType<OpenOutcome.Opened>(outcome).Mail;
        Assert.Equal("ca", mail.Method);
        Assert.Equal(signer != "none", mail.SignatureTrusted);
        Assert.Equal(signer != "none" ? VerdictLevel.Good : VerdictLevel.Warning, mail.Worst);
        Assert.Contains("Grüße aus Köln.", Encoding.UTF8.GetString(opened));
        Assert.Contains("Subject: Plan\r\n", Encoding.UTF8.GetString(opened));
    }

    [Fact]
    public async Task Length_is_exact_around_every_block_boundary()
    {
        var bob = Recipient("p256");
        var sizes = Enumerable.Range(0, 100)
            .Concat(Around(24 * 1024)).Concat(Around(32 * 1024)).Concat(Around(64 * 1024)).Concat(Around(48 * 1024)).Concat([130_000, 300_001]);
        foreach (var size in sizes)
        {
            var mail = new LargeMail("From: alice@example.org\nContent-Type: text/plain\n", size);
            foreach (var gcm in new[] { false, true })
            {
                // Sealed.WriteAsync compares Length with what was written.
                var octets = await Sealed.WriteAsync(await SealAsync(mail, "ec", gcm, bob));
                if (size % 7 == 0)
                    Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(octets, Keys(bob))).Outcome);
            }
        }

        static IEnumerable<int> Around(int size) => [size - 70, size - 17, size - 1, size, size + 1, size + 17];
    }

    [Theory]
    [InlineData("")]
    [InlineData("\r\n")]
    [InlineData("no header at all")]
    [InlineData("From: a@b.example")]
    [InlineData("From: a@b.example\r\n")]
    [InlineData("From: a@b.example\r\n\r\n")]
    [InlineData("\r\nbody only\r\n")]
    [InlineData(" folded first line\r\nFrom: a@b.example\r\n\r\nx")]
    [InlineData("From a@b Mon Jan 1\r\nFrom: a@b.example\r\n\r\nx")]
    [InlineData("From: a@b.example\r\nbroken line\r\nTo: c@d.example\r\n\r\nx")]
    [InlineData("Content-Type: multipart/mixed\r\n\r\n--\r\n----\r\n")]
    [InlineData("Content-Type: multipart/mixed; boundary=\"\r\nContent-Type: ;;=;*=;x*0*=\r\n\r\n--x")]
    [InlineData("Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\n")]
    public async Task Malformed_mail_is_sealed_and_opened_without_loss(string text)
    {
        var bob = Recipient("rsa");
        var sealedMail = await Sealed.WriteAsync(await SealAsync(new MemoryMail(Encoding.ASCII.GetBytes(text)), "rsa", false, bob));
        var (outcome, output) = await Sealed.OpenAsync(sealedMail, Keys(bob));
        Assert.IsType<OpenOutcome.Opened>(outcome);
        var headerEnd = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        var body = headerEnd < 0 ? "" : text[(headerEnd + 4)..];
        Assert.Contains(body, Encoding.ASCII.GetString(output));
        Assert.IsType<OpenOutcome.Refused>((await Sealed.OpenAsync(Encoding.ASCII.GetBytes(text), Keys(bob))).Outcome);
    }

    [Fact]
    public async Task Header_above_a_megabyte_is_refused_with_a_reason()
    {
        var mail = new MemoryMail(Encoding.ASCII.GetBytes("Subject: " + string.Concat(Enumerable.Repeat("x\r\n ", 700_000)) + "\r\n\r\nb"));
        var failed = Assert.IsType<ProtectionOutcome.Failed>(await SealAsync(mail, "rsa", false, Recipient("rsa")));
        Assert.Contains("megabyte", failed.Reason);
    }

    [Fact]
    public async Task Gcm_is_used_only_where_everybody_reads_it()
    {
        var bob = Recipient("rsa");
        var dora = Pki.Rsa("dora@partner.example", options: new() { ClaimsGcm = true });
        var directory = Directory([bob, dora], _ => false);
        var both = await Sealed.WriteAsync(await SealAsync(directory, "bob@partner.example", "dora@partner.example"));
        Assert.Contains("smime-type=enveloped-data", Encoding.ASCII.GetString(both));
        Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(both, Keys(bob))).Outcome);
        Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(both, Keys(dora))).Outcome);
        var alone = await Sealed.WriteAsync(await SealAsync(directory, "dora@partner.example"));
        Assert.Contains("smime-type=authEnveloped-data", Encoding.ASCII.GetString(alone));
    }

    [Fact]
    public async Task One_recipient_without_certificate_fails_the_order_and_is_named()
    {
        var outcome = await SealAsync(Directory([Recipient("rsa")], _ => false), "bob@partner.example", "nobody@partner.example");
        Assert.Contains("nobody@partner.example", Assert.IsType<ProtectionOutcome.Failed>(outcome).Reason);
    }

    [Fact]
    public async Task Mail_that_lacks_only_news_of_a_revocation_waits_and_a_revoked_recipient_fails_it()
    {
        var bob = Recipient("rsa");
        var wait = TimeSpan.FromHours(31);
        CertificateDirectory With(params byte[][] lists) => CertificateDirectory.Create(
            [bob.Certificate], [Pki.Root], [Pki.Intermediate], lists, new() { Revocation = new(new(RevocationPolicy.Required, Wait: wait)) });
        var waits = Assert.IsType<ProtectionOutcome.Deferred>(await SealAsync(With(), "bob@partner.example"));
        Assert.Contains("No revocation list", waits.Reason, StringComparison.Ordinal);
        Assert.IsType<ProtectionOutcome.Failed>(await SealAsync(With(), "bob@partner.example", "nobody@partner.example"));
        Assert.IsType<ProtectionOutcome.Ready>(await SealAsync(With(Pki.RootCrl(), Pki.Crl([])), "bob@partner.example"));
        var revoked = await SealAsync(With(Pki.RootCrl(), Pki.Crl([bob.Certificate])), "bob@partner.example");
        Assert.Contains("revoked", Assert.IsType<ProtectionOutcome.Failed>(revoked).Reason, StringComparison.Ordinal);
        // The mail is thirty hours old.
        wait = TimeSpan.FromHours(29);
        Assert.IsType<ProtectionOutcome.Failed>(await SealAsync(With(), "bob@partner.example"));
    }

    [Fact]
    public async Task Signed_content_is_encrypted_untouched()
    {
        const string Signed = "From: alice@example.org\r\n"
            + "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n";
        var bob = Recipient("rsa");
        using var folder = new TempDirectory();
        var octets = await Sealed.WriteAsync(await SealAsync(new MemoryMail(Encoding.ASCII.GetBytes(Signed)), "rsa", false, bob));
        Assert.Equal(Signed["From: alice@example.org\r\n".Length..], Encoding.ASCII.GetString(await OpensslDecryptAsync(folder, octets, bob)));
    }

    [Fact]
    public async Task Content_that_changed_since_it_was_measured_does_not_leave_whole()
    {
        var growing = new ShrinkingMail();
        var ready = Assert.IsType<ProtectionOutcome.Ready>(await SealAsync(growing, "rsa", false, Recipient("rsa")));
        await Assert.ThrowsAnyAsync<IOException>(
            async () => await ready.Message.WriteToAsync(Stream.Null, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Hundred_megabytes_take_little_memory_to_seal()
    {
        const long Size = 100L * 1024 * 1024;
        var mail = new LargeMail("From: alice@example.org\nContent-Type: text/plain\n", Size);
        foreach (var gcm in new[] { false, true })
        {
            var ready = Assert.IsType<ProtectionOutcome.Ready>(await SealAsync(mail, "rsa", gcm, Recipient("rsa")));
            var sink = new CountingStream();
            // Content and sink answer at once, so all of it runs on this thread.
            var before = GC.GetAllocatedBytesForCurrentThread();
            await ready.Message.WriteToAsync(sink, TestContext.Current.CancellationToken);
            Assert.Equal(ready.Message.Length, sink.Count);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 4 * 1024 * 1024);
        }
    }

    private static Leaf Recipient(string kind) => kind switch
    {
        "p256" => Cached(kind, () => Pki.Ec("bob@partner.example", ECCurve.NamedCurves.nistP256)),
        "p384" => Cached(kind, () => Pki.Ec("bob@partner.example", ECCurve.NamedCurves.nistP384)),
        "p521" => Cached(kind, () => Pki.Ec("bob@partner.example", ECCurve.NamedCurves.nistP521)),
        _ => Cached(kind, () => Pki.Rsa("bob@partner.example")),
    };

    private static readonly System.Collections.Concurrent.ConcurrentDictionary<string, Leaf> Leaves = new();

    private static Leaf Cached(string kind, Func<Leaf> make) => Leaves.GetOrAdd(kind, _ => make());

    private static CertificateDirectory Directory(Leaf[] recipients, Func<Addresses.MailAddress, bool> readsGcm) => CertificateDirectory.Create(
        recipients.Select(r => r.Certificate), [Pki.Root], [Pki.Intermediate], options: new() { ReadsGcm = readsGcm });

    private static OpeningKeys Keys(Leaf leaf) => new()
    {
        SmimeKeys = [leaf.ForOpening],
        Trust = CertificateDirectory.Create([], [Pki.Root]),
    };

    [Fact]
    public async Task A_partners_gateway_opens_what_its_domain_certificate_protects()
    {
        var gateway = Pki.Rsa("domain-confidentiality-authority@partner.example");
        var bob = Pki.Rsa("bob@partner.example");
        var directory = CertificateDirectory.Create(
            [gateway.Certificate, bob.Certificate], [Pki.Root], [Pki.Intermediate],
            options: new TrustOptions { HasDomainCertificate = a => a.Domain.ToString() == "partner.example" });
        var outcome = await SealAsync(directory, "dana@partner.example", "erik@partner.example", "bob@partner.example");
        Assert.Contains("dana@partner.example by the organisation's certificate", Assert.IsType<ProtectionOutcome.Ready>(outcome).Message.Record.Summary, StringComparison.Ordinal);
        using var folder = new TempDirectory();
        var mail = await Sealed.WriteAsync(outcome);
        foreach (var reader in new[] { gateway, bob })
            Assert.Contains("Grüße aus Köln.", Encoding.UTF8.GetString(await OpensslDecryptAsync(folder, mail, reader)), StringComparison.Ordinal);
    }

    private static Task<ProtectionOutcome> SealAsync(IMailContent mail, string signer, bool gcm, Leaf recipient) =>
        SealAsync(mail, Directory([recipient], _ => gcm), signer, "bob@partner.example");

    private static Task<ProtectionOutcome> SealAsync(CertificateDirectory directory, params string[] recipients) =>
        SealAsync(MemoryMail.Of(Mail), directory, "rsa", recipients);

    private static Task<ProtectionOutcome> SealAsync(IMailContent mail, CertificateDirectory directory, string signer, params string[] recipients)
    {
        var key = signer switch { "rsa" or "pss" => RsaSigner, "ec" => EcSigner, _ => null };
        var order = new SmimeOrder(
            mail,
            [.. recipients.Select(Sealed.Address)],
            key is null ? null : new SmimeSigner(key.Certificate, key.Key, [Pki.Intermediate], signer == "pss" ? RSASignaturePadding.Pss : null),
            directory,
            Pki.Now.AddHours(-30));
        return new MailProtector(new FixedTime(Pki.Now)).SealCaAsync(order, TestContext.Current.CancellationToken).AsTask();
    }

    private static async Task<byte[]> OpensslDecryptAsync(TempDirectory folder, byte[] mail, Leaf recipient)
    {
        await File.WriteAllBytesAsync(folder["mail"], mail, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(folder["cert.pem"], recipient.Certificate.ExportCertificatePem(), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(folder["key.pem"], recipient.KeyPem, TestContext.Current.CancellationToken);
        var result = await Tool.RunAsync("openssl", ["cms", "-decrypt", "-in", folder["mail"], "-recip", folder["cert.pem"], "-inkey", folder["key.pem"]]);
        return result.Checked().Output;
    }

    /// <summary>Gives less the second time it is read.</summary>
    private sealed class ShrinkingMail : IMailContent
    {
        private int _reads;

        public long Length => 200_000;

        public Stream OpenRead()
        {
            var octets = new byte[_reads++ == 0 ? 200_000 : 199_999];
            "From: a@b.example\r\n\r\n"u8.CopyTo(octets);
            return new MemoryStream(octets);
        }
    }
}

internal sealed class CountingStream : Stream
{
    public long Count { get; private set; }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => Count;

    public override long Position { get => Count; set => throw new NotSupportedException(); }

    public override void Write(ReadOnlySpan<byte> buffer) => Count += buffer.Length;

    public override void Write(byte[] buffer, int offset, int count) => Count += count;

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Count += buffer.Length;
        return ValueTask.CompletedTask;
    }

    public override void Flush() { }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
