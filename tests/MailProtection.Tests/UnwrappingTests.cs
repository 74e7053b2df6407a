using System.Security.Cryptography;
using System.Text;
using GatewaySecure.MailProtection.Recipients;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>What the gateway does with protected mail that comes in (docs/opening.md).</summary>
public sealed class UnwrappingTests : IDisposable
{
    private const string Text = "Content-Type: text/plain\r\n\r\nHello, this is the text.\r\n";

    private static readonly Pki Pki = Pki.Shared;
    private static readonly Leaf Org = Pki.Rsa("domain-confidentiality-authority@example.org");
    private static readonly Leaf OrgBefore = Pki.Ec("domain-confidentiality-authority@example.org", ECCurve.NamedCurves.nistP256);
    private static readonly Leaf Bob = Pki.Rsa("bob@example.org");
    private static readonly Leaf Alice = Pki.Rsa("alice@example.org");
    private static readonly Leaf Mallory = Pki.Rsa("mallory@evil.example");

    private readonly OpensslMail _openssl = new();

    private static OpeningKeys Keys => new()
    {
        SmimeKeys = [Org.ForOpening, OrgBefore.ForOpening],
        Trust = CertificateDirectory.Create([], [Pki.Root], [Pki.Intermediate]),
    };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _openssl.Dispose();

    [Theory]
    [InlineData("", SmimeResult.Pass)]
    [InlineData("-nodetach", SmimeResult.Pass)]
    [InlineData("-md sha1", SmimeResult.Policy)]
    public async Task Signed_mail_is_judged_and_stays_as_it_is(string options, SmimeResult result)
    {
        using var judged = await UnwrapAsync(await _openssl.SignAsync(Octets(Text), options, Alice));
        Assert.Equal((result, false), (judged.Result, judged.WasEncrypted));
        Assert.Null(judged.Content);
        if (result == SmimeResult.Pass)
            Assert.Equal(("alice@example.org", Alice.Certificate.SerialNumber), (judged.Signer!.Address!.ToString(), judged.Signer.Serial));
    }

    [Fact]
    public async Task What_changed_after_it_was_signed_fails_and_anothers_signature_is_no_pass()
    {
        var signed = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(Text), "", Alice));
        using var changed = await UnwrapAsync(Octets(signed.Replace("the text", "teh text", StringComparison.Ordinal)));
        Assert.Equal(SmimeResult.Fail, changed.Result);
        using var others = await UnwrapAsync(await _openssl.SignAsync(Octets(Text), "", Mallory));
        Assert.Equal(SmimeResult.Policy, others.Result);
        Assert.Contains("mallory@evil.example", others.Reason, StringComparison.Ordinal);
        using var both = await UnwrapAsync(await _openssl.SignAsync(Octets(Text), "", Alice, Mallory));
        Assert.Equal(SmimeResult.Policy, both.Result);
        Assert.Contains("mallory@evil.example", both.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "-aes256")]
    [InlineData("-nodetach", "-aes256")]
    [InlineData("", "-aes-256-gcm")]
    public async Task Encryption_comes_off_and_the_signature_inside_stays_octet_by_octet(string signing, string cipher)
    {
        var signed = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(Text), signing, Alice))[OpensslMail.Head.Length..];
        foreach (var key in new[] { Org, OrgBefore })
        {
            var mail = Octets("Received: from a by b\r\n" + Encoding.ASCII.GetString(await _openssl.EncryptAsync(Octets(signed), cipher, Bob, key)));
            using var opened = await UnwrapAsync(mail);
            Assert.Equal((SmimeResult.Pass, true), (opened.Result, opened.WasEncrypted));
            var text = await ReadAsync(opened.Content!);
            Assert.StartsWith("Received: from a by b\r\nFrom: alice@example.org\r\nSubject: s\r\nMIME-Version: 1.0\r\nContent-", text, StringComparison.Ordinal);
            Assert.EndsWith(signed[signed.IndexOf("\r\n\r\n", StringComparison.Ordinal)..], text, StringComparison.Ordinal);
            using var again = await UnwrapAsync(Octets(text));
            Assert.Equal(SmimeResult.Pass, again.Result);
        }
    }

    [Fact]
    public async Task Closed_stays_what_nobody_here_can_open_and_what_its_rule_leaves_to_the_reader()
    {
        var forBob = await _openssl.EncryptAsync(Octets(Text), "-aes-256-gcm", Bob);
        using var others = await UnwrapAsync(forBob);
        Assert.Equal((SmimeResult.None, true), (others.Result, others.WasEncrypted));
        Assert.Null(others.Content);
        var ours = await _openssl.EncryptAsync(Octets(Text), "-aes-256-gcm", Org);
        using var left = await UnwrapAsync(ours, new UnwrapOptions(Decrypt: false));
        Assert.Equal((SmimeResult.None, true), (left.Result, left.WasEncrypted));
        Assert.Null(left.Content);
        using var nothing = await UnwrapAsync(Octets(OpensslMail.Head + Text));
        Assert.Null(nothing.Result);
    }

    [Fact]
    public async Task An_inner_layer_for_its_readers_card_stays_and_the_outer_one_comes_off()
    {
        var inner = Encoding.ASCII.GetString(await _openssl.EncryptAsync(Octets(Text), "-aes-256-gcm", Bob))[OpensslMail.Head.Length..];
        using var opened = await UnwrapAsync(await _openssl.EncryptAsync(Octets(inner), "-aes-256-gcm", Org));
        Assert.Equal(SmimeResult.None, opened.Result);
        var (outcome, output) = await Sealed.OpenAsync(Octets(await ReadAsync(opened.Content!)), new OpeningKeys { SmimeKeys = [Bob.ForOpening] });
        Assert.IsType<OpenOutcome.Opened>(outcome);
        Assert.EndsWith(Text, Encoding.ASCII.GetString(output), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cbc_without_a_signature_stays_closed_unless_that_is_wanted()
    {
        var mail = await _openssl.EncryptAsync(Octets(Text), "-aes256", Org);
        using var closed = await UnwrapAsync(mail);
        Assert.Equal(SmimeResult.None, closed.Result);
        Assert.Contains("does not show changes", closed.Reason, StringComparison.Ordinal);
        Assert.Null(closed.Content);
        using var wanted = await UnwrapAsync(mail, new UnwrapOptions(Decrypt: true, OpenUnsigned: true));
        Assert.Equal(SmimeResult.Neutral, wanted.Result);
        Assert.EndsWith(Text, await ReadAsync(wanted.Content!), StringComparison.Ordinal);
        using var authenticated = await UnwrapAsync(await _openssl.EncryptAsync(Octets(Text), "-aes-256-gcm", Org));
        Assert.Equal(SmimeResult.Neutral, authenticated.Result);
        Assert.EndsWith(Text, await ReadAsync(authenticated.Content!), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_protected_part_inside_a_larger_message_is_left_alone()
    {
        var part = Encoding.ASCII.GetString(await _openssl.EncryptAsync(Octets(Text), "-aes-256-gcm", Org))[OpensslMail.Head.Length..];
        var around = OpensslMail.Head + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<img src=\"http://evil.example/\r\n--b\r\n"
            + part + "\r\n--b\r\nContent-Type: text/html\r\n\r\n\">\r\n--b--\r\n";
        using var left = await UnwrapAsync(Octets(around));
        Assert.Equal(SmimeResult.None, left.Result);
        Assert.Contains("inside a larger message", left.Reason, StringComparison.Ordinal);
        Assert.Null(left.Content);
    }

    [Theory]
    [InlineData("-aes256")]
    [InlineData("-aes-256-gcm")]
    public async Task What_was_damaged_stays_closed(string cipher)
    {
        var signed = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(Text), "", Alice))[OpensslMail.Head.Length..];
        var mail = Encoding.ASCII.GetString(await _openssl.EncryptAsync(Octets(signed), cipher, Org));
        var bodyAt = mail.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        var cms = Convert.FromBase64String(mail[bodyAt..]);
        cms[^500] ^= 1;
        using var damaged = await UnwrapAsync(Octets(mail[..bodyAt] + Convert.ToBase64String(cms, Base64FormattingOptions.InsertLineBreaks)));
        Assert.True(damaged.Result is SmimeResult.Fail or SmimeResult.PermError, $"{damaged.Result}");
        Assert.Null(damaged.Content);
    }

    [Fact]
    public async Task The_header_inside_counts_where_it_is_the_senders_own()
    {
        const string inside = "From: alice@example.org\r\nSubject: the true one\r\nAuthentication-Results: gateway.example.org; smime=pass\r\n"
            + "Bcc: hidden@example.org\r\nHP-Outer: Subject: [...]\r\nContent-Type: text/plain; hp=\"cipher\"\r\n\r\nHello, this is the text.\r\n";
        using var opened = await UnwrapAsync(await _openssl.EncryptAsync(Octets(inside), "-aes-256-gcm", Org));
        var text = await ReadAsync(opened.Content!);
        Assert.Equal("From: alice@example.org\r\nSubject: the true one\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello, this is the text.\r\n", text);

        // Signed inside: the header that the signature covers.
        var signed = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(inside), "", Alice))[OpensslMail.Head.Length..];
        using var proved = await UnwrapAsync(await _openssl.EncryptAsync(Octets(signed), "-aes256", Org));
        Assert.Equal(SmimeResult.Pass, proved.Result);
        Assert.Contains("\r\nSubject: the true one\r\n", await ReadAsync(proved.Content!), StringComparison.Ordinal);

        // Somebody else's name inside, and nothing proves it.
        using var other = await UnwrapAsync(await _openssl.EncryptAsync(Octets(inside.Replace("alice@", "boss@", StringComparison.Ordinal)), "-aes-256-gcm", Org));
        var kept = await ReadAsync(other.Content!);
        Assert.StartsWith("From: alice@example.org\r\nSubject: s\r\n", kept, StringComparison.Ordinal);
        Assert.DoesNotContain("boss@", kept, StringComparison.Ordinal);
    }

    private static async Task<UnwrappedMail> UnwrapAsync(byte[] mail, UnwrapOptions? options = null) =>
        await new MailOpener(new FixedTime(Pki.Now)).UnwrapAsync(new MemoryMail(mail), Keys, options ?? new UnwrapOptions(Decrypt: true), Cancel);

    private static async Task<string> ReadAsync(IMailContent content)
    {
        using var output = new MemoryStream();
        await using var stream = content.OpenRead();
        await stream.CopyToAsync(output, Cancel);
        Assert.Equal(content.Length, output.Length);
        return Encoding.ASCII.GetString(output.ToArray());
    }

    private static byte[] Octets(string text) => Encoding.ASCII.GetBytes(text);
}
