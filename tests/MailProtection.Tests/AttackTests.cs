using System.Security.Cryptography;
using System.Text;
using GatewaySecure.MailProtection.Recipients;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>Mail made to deceive its reader, to find something out, or to cost more than it may.</summary>
public sealed class AttackTests : IDisposable
{
    private const string Text = "Content-Type: text/plain\r\n\r\nHello, this is the text.\r\n";

    private static readonly Pki Pki = Pki.Shared;
    private static readonly Leaf Bob = Pki.Rsa("bob@partner.example");
    private static readonly Leaf Alice = Pki.Rsa("alice@example.org");
    private static readonly Leaf Mallory = Pki.Rsa("mallory@evil.example");

    private readonly OpensslMail _openssl = new();

    private static OpeningKeys Keys => new() { SmimeKeys = [Bob.ForOpening], Trust = CertificateDirectory.Create([], [Pki.Root], [Pki.Intermediate]) };

    public void Dispose() => _openssl.Dispose();

    // Who signed.

    [Fact]
    public async Task Every_signature_counts_and_one_of_somebody_else_is_no_good_word()
    {
        var second = Pki.Ec("alice@example.org", ECCurve.NamedCurves.nistP256);
        var both = await OpenedAsync(await _openssl.SignAsync(Octets(Text), "", Alice, second));
        Assert.True(both.SignatureTrusted);
        Assert.Equal(2, both.Verdicts.Count(v => v.Text.StartsWith("Signed by alice@example.org", StringComparison.Ordinal)));
        var mixed = await OpenedAsync(await _openssl.SignAsync(Octets(Text), "", Alice, Mallory));
        Assert.False(mixed.SignatureTrusted);
        Assert.Null(mixed.Sender);
        Assert.Contains(mixed.Verdicts, v => v.Level == VerdictLevel.Bad && v.Text.Contains("mallory@evil.example", StringComparison.Ordinal));
    }

    [Fact]
    public async Task One_broken_signature_beside_a_good_one_is_a_broken_mail()
    {
        var text = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(Text), "-nodetach", Alice, Mallory));
        var bodyAt = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        var cms = Convert.FromBase64String(text[bodyAt..]);
        // The last octets are the last signature's.
        cms[^10] ^= 1;
        await RefusedAsync(Octets(text[..bodyAt] + Convert.ToBase64String(cms, Base64FormattingOptions.InsertLineBreaks)), OpenFailure.Damaged);
    }

    [Fact]
    public async Task Somebody_elses_signed_mail_inside_ones_own_does_not_speak_for_either()
    {
        var inner = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(Text), "-nodetach", Alice))[OpensslMail.Head.Length..];
        var wrapped = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(inner), "-nodetach", Mallory));
        var opened = await OpenedAsync(Octets(wrapped.Replace("From: alice@example.org", "From: mallory@evil.example", StringComparison.Ordinal)));
        Assert.False(opened.SignatureTrusted);
        Assert.Contains(opened.Verdicts, v => v.Level == VerdictLevel.Bad && v.Text.Contains("Signed by alice@example.org, but the mail says it is from mallory@evil.example", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Signing_as_the_sender_in_the_name_of_another_is_told_as_that()
    {
        var signed = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(Text), "", Alice));
        var boss = signed.Replace("From: alice@", "From: boss@", StringComparison.Ordinal);
        var opened = await OpenedAsync(Octets("Sender: alice@example.org\r\n" + boss));
        Assert.False(opened.SignatureTrusted);
        Assert.Contains(opened.Verdicts, v => v.Level == VerdictLevel.Bad && v.Text.Contains("alice@example.org, who sent it in the name of boss@example.org", StringComparison.Ordinal));
        // Two of them say nothing.
        opened = await OpenedAsync(Octets("Sender: alice@example.org\r\nSender: mallory@evil.example\r\n" + boss));
        Assert.Contains(opened.Verdicts, v => v.Level == VerdictLevel.Bad && v.Text.Contains("but the mail says it is from boss@example.org", StringComparison.Ordinal));
        // And a Sender beside the signer's own From changes nothing.
        Assert.True((await OpenedAsync(Octets("Sender: boss@example.org\r\n" + signed))).SignatureTrusted);
    }

    [Theory]
    [InlineData("\"boss@example.org\" <alice@example.org>", true)]
    [InlineData("\"boss@example.org via x\" <alice@example.org> (boss@example.org)", true)]
    [InlineData("=?utf-8?q?boss=40example.org=3E?= <alice@example.org>", true)]
    [InlineData("boss@example.org, alice@example.org", false)]
    [InlineData("<boss@example.org> <alice@example.org>", false)]
    [InlineData("everybody: alice@example.org;", false)]
    [InlineData("alice@example.org\r\nFrom: boss@example.org", false)]
    [InlineData("alice@example.org\0@evil.example", false)]
    public async Task A_name_that_looks_like_an_address_is_no_address(string from, bool isAlice)
    {
        var signed = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(Text), "", Alice));
        var opened = await OpenedAsync(Octets(signed.Replace("From: alice@example.org", "From: " + from, StringComparison.Ordinal)));
        Assert.Equal(isAlice, opened.SignatureTrusted);
        Assert.DoesNotContain(opened.Verdicts, v => v.Level == VerdictLevel.Good && v.Text.Contains("boss", StringComparison.Ordinal));
    }

    // What was signed or encrypted.

    [Theory]
    [InlineData("mixed")]
    [InlineData("alternative")]
    [InlineData("related")]
    public async Task Text_beside_a_signed_part_is_left_out(string kind)
    {
        var signed = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(Text), "", Alice))[OpensslMail.Head.Length..];
        var mail = $"{OpensslMail.Head}Content-Type: multipart/{kind}; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\nevil\r\n--b\r\n{signed}\r\n--b--\r\n";
        var (outcome, output) = await Sealed.OpenAsync(Octets(mail), Keys);
        Assert.Contains(Assert.IsType<OpenOutcome.Opened>(outcome).Mail.Verdicts, v => v.Text.Contains("left out", StringComparison.Ordinal));
        Assert.DoesNotContain("evil", Encoding.ASCII.GetString(output), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_third_part_in_a_signed_mail_is_not_delivered_as_signed()
    {
        var signed = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(Text), "", Alice));
        var boundary = signed.Split("boundary=\"")[1].Split('"')[0];
        var mail = signed.Replace($"--{boundary}--", $"--{boundary}\r\nContent-Type: text/html\r\n\r\nevil\r\n\r\n--{boundary}--", StringComparison.Ordinal);
        Assert.NotEqual(signed, mail);
        var (outcome, output) = await Sealed.OpenAsync(Octets(mail), Keys);
        if (outcome is OpenOutcome.Opened { Mail.Worst: VerdictLevel.Good })
            Assert.DoesNotContain("evil", Encoding.ASCII.GetString(output), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gadgets_of_cbc_never_pass_a_signature_inside()
    {
        var signed = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(Text), "-nodetach", Alice))[OpensslMail.Head.Length..];
        var text = Encoding.ASCII.GetString(await _openssl.EncryptAsync(Octets(signed), "-aes256", Bob));
        var bodyAt = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        var cms = Convert.FromBase64String(text[bodyAt..]);
        var cipherAt = cms.Length - (cms.Length - 400) / 16 * 16;
        for (var block = 0; block < 12; block++)
        {
            // A block over its neighbour, and one block's difference onto the next: what the gadgets are made of.
            var copied = (byte[])cms.Clone();
            cms.AsSpan(cipherAt + block * 16, 16).CopyTo(copied.AsSpan(cipherAt + (block + 2) * 16));
            var turned = (byte[])cms.Clone();
            for (var i = 0; i < 16; i++)
                turned[cipherAt + block * 16 + i] ^= (byte)(i + 1);
            foreach (var changed in new[] { copied, turned })
            {
                var (outcome, output) = await Sealed.OpenAsync(Octets(text[..bodyAt] + Convert.ToBase64String(changed, Base64FormattingOptions.InsertLineBreaks)), Keys);
                if (outcome is not OpenOutcome.Opened { Mail: var opened })
                    Assert.Empty(output);
                // The type that said "signed" may be hit, and then it is an unsigned mail; or a file's name, and the signature holds.
                else if (opened.SignatureTrusted)
                    Assert.EndsWith(Text, Encoding.Latin1.GetString(output), StringComparison.Ordinal);
                else
                    Assert.Contains(opened.Verdicts, v => v.Text.Contains("does not show changes", StringComparison.Ordinal));
            }
        }
    }

    // What it costs.

    [Fact]
    public async Task A_certificate_with_ten_thousand_names_is_not_trusted_and_one_with_many_is_told_in_a_few_words()
    {
        var hers = Named(Enumerable.Range(0, 10_000).Select(i => $"user{i}@evil.example").Append("alice@example.org"));
        var verdict = Assert.Single((await OpenedAsync(await _openssl.SignAsync(Octets(Text), "", hers))).Verdicts);
        Assert.Equal(VerdictLevel.Bad, verdict.Level);
        Assert.Contains("more than 1000 names", verdict.Text, StringComparison.Ordinal);
        var many = Named(Enumerable.Range(0, 900).Select(i => $"user{i}@evil.example"));
        verdict = Assert.Single((await OpenedAsync(await _openssl.SignAsync(Octets(Text), "", many))).Verdicts);
        Assert.Equal("Signed by user0@evil.example, user1@evil.example, user2@evil.example and 897 more, but the mail says it is from alice@example.org.", verdict.Text);
    }

    [Fact]
    public async Task More_signatures_certificates_or_keys_than_a_mail_has_are_refused()
    {
        await RefusedAsync(await _openssl.SignAsync(Octets(Text), "-nocerts", [.. Enumerable.Repeat(Alice, 17)]), OpenFailure.Damaged);
        await RefusedAsync(await _openssl.EncryptAsync(Octets(Text), "-aes256", [.. Enumerable.Repeat(Bob, 33)]), OpenFailure.Damaged);
        // One certificate in several, and ours among many others', are honest.
        await OpenedAsync(await _openssl.EncryptAsync(Octets(Text), "-aes256", Bob, Bob));
        await OpenedAsync(await _openssl.EncryptAsync(Octets(Text), "-aes256", [.. Enumerable.Repeat(Mallory, 200), Bob]));
    }

    [Fact]
    public async Task Layer_in_layer_ends_somewhere()
    {
        var mail = Text;
        for (var i = 0; i < 7; i++)
            mail = Encoding.ASCII.GetString(await _openssl.SignAsync(Octets(mail), "-nodetach", Alice))[OpensslMail.Head.Length..];
        await RefusedAsync(Octets(OpensslMail.Head + mail), OpenFailure.Unsupported);
    }

    [Theory]
    [InlineData("3084FFFFFFFF06092A864886F70D010703")]
    [InlineData("308806FFFFFFFFFFFFFF06092A864886F70D010703A08807FFFFFFFFFFFFFF")]
    [InlineData("308006092A864886F70D010703A0803084FFFFFFF002010031847FFFFFFF")]
    [InlineData("308006092A864886F70D010702A0803080020101310030847FFFFFFF06092A864886F70D010701")]
    public async Task Lengths_beyond_what_is_there_are_refused(string cms)
    {
        var (outcome, output) = await Sealed.OpenAsync(Pkcs7(Convert.FromHexString(cms)), Keys);
        Assert.Empty(output);
        Assert.True(outcome is OpenOutcome.Refused { Failure: OpenFailure.Damaged or OpenFailure.NotProtected });
    }

    [Theory]
    [InlineData("308006092A864886F70D010703A080", "3080")]
    [InlineData("308006092A864886F70D010702A080308002010131003080", "A080")]
    [InlineData("308006092A864886F70D010702A08030800201013100308006092A864886F70D010701A080", "2480")]
    public async Task Nesting_without_end_is_refused(string start, string level) =>
        await RefusedAsync(Pkcs7([.. Convert.FromHexString(start), .. Enumerable.Repeat(Convert.FromHexString(level), 100_000).SelectMany(l => l)]), OpenFailure.Damaged);

    [Fact]
    public async Task Mime_bombs_are_looked_at_no_further_than_anybody_writes()
    {
        var secret = Encoding.ASCII.GetString(await _openssl.EncryptAsync(Octets(Text), "-aes256", Bob))[OpensslMail.Head.Length..];
        var deep = new StringBuilder(OpensslMail.Head);
        for (var i = 0; i < 1000; i++)
            deep.Append($"Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n");
        await RefusedAsync(Octets(deep + secret), OpenFailure.NotProtected);
        var wide = new StringBuilder(OpensslMail.Head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
        for (var i = 0; i < 50_000; i++)
            wide.Append("--b\r\n\r\n");
        await RefusedAsync(Octets(wide + "--b\r\n" + secret), OpenFailure.NotProtected);
        var header = OpensslMail.Head + string.Concat(Enumerable.Repeat("X-Field: " + new string('x', 1000) + "\r\n", 3000));
        var (outcome, output) = await Sealed.OpenAsync(Octets(header + secret), Keys);
        Assert.IsType<OpenOutcome.Refused>(outcome);
        Assert.Empty(output);
    }

    private static byte[] Pkcs7(byte[] cms) => Octets(
        $"{OpensslMail.Head}Content-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n{Convert.ToBase64String(cms, Base64FormattingOptions.InsertLineBreaks)}\r\n");

    private static byte[] Octets(string text) => Encoding.Latin1.GetBytes(text);

    private static Leaf Named(IEnumerable<string> addresses) => Pki.Rsa("unused@evil.example", options: new LeafOptions { Addresses = [.. addresses] });

    private static async Task<OpenedMail> OpenedAsync(byte[] mail) => Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(mail, Keys)).Outcome).Mail;

    private static async Task RefusedAsync(byte[] mail, OpenFailure failure)
    {
        var (outcome, output) = await Sealed.OpenAsync(mail, Keys);
        Assert.Empty(output);
        Assert.Equal(failure, Assert.IsType<OpenOutcome.Refused>(outcome).Failure);
    }
}
