using System.Text;

namespace GatewaySecure.MailAuthentication.Tests;

public sealed class ArcTests(AuthenticationFixture fixture)
{
    private static readonly byte[] Mail = AuthenticationFixture.Octets(
        "Authentication-Results: lists.sealer.test; dmarc=pass header.from=dkim.test\nFrom: bob@dkim.test\nTo: list@sealer.test\nSubject: list\n"
        + "Date: Mon, 23 Nov 2026 10:00:00 +0000\n\nText\n");

    [Fact]
    public async Task Chain_that_dkimpy_sealed_passes()
    {
        var report = await fixture.ExamineAsync(await SealAsync(Mail));
        Assert.Equal((AuthenticationResult.Pass, "sealer.test"), (report.Arc.Result, Assert.Single(report.Arc.Sealers)));
        Assert.Null(report.Arc.Vouched);
    }

    [Fact]
    public async Task Chain_of_three_passes_and_dkimpy_agrees()
    {
        var mail = Mail;
        for (var i = 0; i < 3; i++)
        {
            // dkimpy takes what it says of the chain so far from the results on top, and only if there is one.
            const string SoFar = "Authentication-Results: lists.sealer.test; arc=pass\r\n";
            var sealedMail = Encoding.Latin1.GetString(await SealAsync(mail)).Replace(SoFar, "", StringComparison.Ordinal);
            mail = Encoding.Latin1.GetBytes(i < 2 ? SoFar + sealedMail : sealedMail);
        }
        var report = await fixture.ExamineAsync(mail);
        Assert.Equal((AuthenticationResult.Pass, "sealed by sealer.test, sealer.test, sealer.test"), (report.Arc.Result, report.Arc.Reason));
        Assert.Equal("pass\n", (await fixture.PythonAsync(mail, "arc-verify", "--dns", fixture.DnsPort)).Text);
    }

    [Theory]
    [InlineData("\r\nText", "\r\nTexts")]
    [InlineData("Subject: list", "Subject: other")]
    [InlineData("dmarc=pass", "dmarc=fail")]
    [InlineData("cv=none", "cv=pass")]
    [InlineData("ARC-Seal: i=1", "ARC-Seal: i=2")]
    [InlineData("ARC-Seal: i=1", "X-Seal: i=1")]
    public async Task Changed_chain_fails(string before, string after)
    {
        var text = Encoding.Latin1.GetString(await SealAsync(Mail));
        var at = text.IndexOf(before, StringComparison.Ordinal);
        Assert.True(at >= 0);
        var report = await fixture.ExamineAsync(Encoding.Latin1.GetBytes(text[..at] + after + text[(at + before.Length)..]), trustedSealers: "sealer.test");
        Assert.Equal((AuthenticationResult.Fail, null), (report.Arc.Result, report.Arc.Vouched));
    }

    [Fact]
    public async Task Trusted_sealer_that_saw_a_pass_vouches_for_mail_that_fails_here()
    {
        var mail = await SealAsync(Mail);
        var trusted = await fixture.ExamineAsync(mail, client: "198.51.100.1", sender: "list@sealer.test", trustedSealers: "sealer.test");
        Assert.Equal((AuthenticationResult.Fail, "sealer.test"), (trusted.Dmarc.Result, trusted.Arc.Vouched));
        Assert.Equal(DmarcPolicy.None, trusted.Wanted);
        var stranger = await fixture.ExamineAsync(mail, client: "198.51.100.1", sender: "list@sealer.test", trustedSealers: "other.test");
        Assert.Equal(DmarcPolicy.Reject, stranger.Wanted);
    }

    [Fact]
    public async Task Trusted_sealer_vouches_only_for_the_from_domain_it_saw()
    {
        var other = Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(Mail).Replace("header.from=dkim.test", "header.from=else.test", StringComparison.Ordinal));
        var report = await fixture.ExamineAsync(await SealAsync(other), client: "198.51.100.1", trustedSealers: "sealer.test");
        Assert.Equal((AuthenticationResult.Pass, null), (report.Arc.Result, report.Arc.Vouched));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task Our_seal_goes_on_a_chain_and_dkimpy_and_mimekit_agree(int earlier)
    {
        var mail = await AuthenticationFixture.SignAsync(Mail, fixture.Rsa);
        for (var i = 0; i < earlier; i++)
            mail = await SealOursAsync(mail, i);
        mail = await SealOursAsync(mail, earlier);
        var report = await fixture.ExamineAsync(mail, trustedSealers: "sealer.test");
        Assert.Equal((AuthenticationResult.Pass, earlier + 1, "sealer.test"), (report.Arc.Result, report.Arc.Sealers.Length, report.Arc.Vouched));
        Assert.Equal("pass\n", (await fixture.PythonAsync(mail, "arc-verify", "--dns", fixture.DnsPort)).Text);
        using var stream = new MemoryStream(mail);
        var verified = await new MimeKit.Cryptography.ArcVerifier(new PublishedKeys(fixture.Resolver)).VerifyAsync(
            await MimeKit.MimeMessage.LoadAsync(stream, TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);
        Assert.Equal(MimeKit.Cryptography.ArcSignatureValidationResult.Pass, verified.Chain);
    }

    [Fact]
    public async Task What_came_sealed_by_others_is_sealed_further()
    {
        var mail = await SealOursAsync(await SealAsync(Mail), 1);
        Assert.Equal(2, (await fixture.ExamineAsync(mail)).Arc.Sealers.Length);
        Assert.Equal("pass\n", (await fixture.PythonAsync(mail, "arc-verify", "--dns", fixture.DnsPort)).Text);
    }

    [Theory]
    [InlineData("cv=none", "cv=fail", 1)]
    [InlineData("ARC-Seal:", "X-Seal:", 1)]
    [InlineData("", "", 0)]
    [InlineData("", "", 2)]
    public async Task What_is_not_the_chain_that_came_is_not_sealed(string before, string after, int sets)
    {
        var text = Encoding.Latin1.GetString(await SealAsync(Mail));
        var mail = Encoding.Latin1.GetBytes(before.Length == 0 ? text : text.Replace(before, after, StringComparison.Ordinal));
        Assert.Equal(mail, await SealOursAsync(mail, sets));
    }

    private async Task<byte[]> SealOursAsync(byte[] mail, int sets)
    {
        const string Results = "Authentication-Results: lists.sealer.test;\r\n\tdmarc=pass\r\n\t reason=\"x\"\r\n\t header.from=dkim.test\r\n";
        var fields = await new Dkim.ArcSealer(fixture.Sealer, TimeProvider.System).SealAsync(
            (stream, token) => stream.WriteAsync(mail, token), sets, Results, TestContext.Current.CancellationToken);
        return [.. fields, .. mail];
    }

    private async Task<byte[]> SealAsync(byte[] mail) => (await fixture.PythonAsync(
        mail, "arc-sign", "--domain", "sealer.test", "--selector", "arc", "--key", fixture.KeyFile(fixture.Sealer), "--server-id", "lists.sealer.test"))
        .Checked().Output;
}

/// <summary>Finds keys where they are published, for MimeKit.</summary>
internal sealed class PublishedKeys(Dns.IDnsResolver dns) : MimeKit.Cryptography.DkimPublicKeyLocatorBase
{
    public override Org.BouncyCastle.Crypto.AsymmetricKeyParameter LocatePublicKey(
        string methods, string domain, string selector, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("It is asked asynchronously.");

    public override async Task<Org.BouncyCastle.Crypto.AsymmetricKeyParameter> LocatePublicKeyAsync(
        string methods, string domain, string selector, CancellationToken cancellationToken = default) =>
        GetPublicKey(string.Concat((await dns.TxtAsync($"{selector}._domainkey.{domain}", cancellationToken)).Records));
}
