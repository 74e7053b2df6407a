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

    private async Task<byte[]> SealAsync(byte[] mail) => (await fixture.PythonAsync(
        mail, "arc-sign", "--domain", "sealer.test", "--selector", "arc", "--key", fixture.KeyFile(fixture.Sealer), "--server-id", "lists.sealer.test"))
        .Checked().Output;
}
