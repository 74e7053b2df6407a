using System.Text;

namespace GatewaySecure.MailAuthentication.Tests;

public sealed class DmarcTests(AuthenticationFixture fixture)
{
    private const string Inside = "192.0.2.1";
    private const string Outside = "198.51.100.1";

    [Theory]
    // Aligned SPF, the same domain and a subdomain.
    [InlineData("bob@dkim.test", Inside, "bob@dkim.test", AuthenticationResult.Pass, DmarcPolicy.None)]
    [InlineData("bob@dkim.test", Outside, "bob@dkim.test", AuthenticationResult.Fail, DmarcPolicy.Reject)]
    // A pass for somebody else's domain is none.
    [InlineData("bob@dkim.test", Inside, "eve@one.suffix.test", AuthenticationResult.Fail, DmarcPolicy.Reject)]
    // sp= for a subdomain that is there, np= for one that is not.
    [InlineData("bob@there.dkim.test", Outside, "bob@dkim.test", AuthenticationResult.Fail, DmarcPolicy.Quarantine)]
    [InlineData("bob@absent.dkim.test", Outside, "bob@dkim.test", AuthenticationResult.Fail, DmarcPolicy.Reject)]
    [InlineData("bob@there.dkim.test", Inside, "bob@dkim.test", AuthenticationResult.Pass, DmarcPolicy.None)]
    // aspf=s: the organisation's own domain is not enough.
    [InlineData("bob@strictly.dkim.test", Inside, "bob@dkim.test", AuthenticationResult.Fail, DmarcPolicy.Quarantine)]
    [InlineData("bob@strictly.dkim.test", Inside, "bob@strictly.dkim.test", AuthenticationResult.Pass, DmarcPolicy.None)]
    // t=y: one step less.
    [InlineData("bob@trial.dkim.test", Outside, "bob@dkim.test", AuthenticationResult.Fail, DmarcPolicy.Quarantine)]
    // Two records are none: the organisation's applies.
    [InlineData("bob@two.dkim.test", Outside, "bob@dkim.test", AuthenticationResult.Fail, DmarcPolicy.Quarantine)]
    [InlineData("bob@none.test", Outside, "bob@dkim.test", AuthenticationResult.None, DmarcPolicy.None)]
    // psd=y: neighbours below a public suffix are not one organisation; its policy holds where they have none.
    [InlineData("bob@one.suffix.test", Inside, "eve@two.suffix.test", AuthenticationResult.Fail, DmarcPolicy.Quarantine)]
    [InlineData("bob@one.suffix.test", Inside, "bob@sub.one.suffix.test", AuthenticationResult.Pass, DmarcPolicy.None)]
    [InlineData("bob@two.suffix.test", Outside, "eve@one.suffix.test", AuthenticationResult.Fail, DmarcPolicy.Reject)]
    // The DNS fails: never more than "not known".
    [InlineData("bob@bogus.test", Outside, "eve@dkim.test", AuthenticationResult.TempError, DmarcPolicy.None)]
    public async Task Mail_is_judged_as_rfc_9989_says(string from, string client, string sender, AuthenticationResult result, DmarcPolicy wanted)
    {
        var report = await fixture.ExamineAsync(Mail($"From: {from}"), client, sender: sender);
        Assert.Equal((result, wanted), (report.Dmarc.Result, report.Wanted));
        Assert.NotEmpty(report.Dmarc.Reason);
    }

    [Fact]
    public async Task Aligned_signature_is_enough_from_anywhere()
    {
        var signed = await AuthenticationFixture.SignAsync(Mail("From: bob@dkim.test"), fixture.Rsa);
        var report = await fixture.ExamineAsync(signed, Outside, sender: "list@none.test");
        Assert.Equal((AuthenticationResult.Pass, "DKIM of dkim.test"), (report.Dmarc.Result, report.Dmarc.Reason));
    }

    [Fact]
    public async Task Signature_whose_key_cant_be_looked_up_leaves_it_open()
    {
        var mail = Mail("DKIM-Signature: v=1; a=rsa-sha256; d=dkim.test; s=rsa; h=from; bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=AAAA\r\nFrom: bob@dkim.test");
        var report = await fixture.ExamineAsync(mail, Outside, sender: "eve@none.test", dns: new KeylessDns(fixture.Resolver));
        Assert.Equal((AuthenticationResult.TempError, DmarcPolicy.None), (report.Dmarc.Result, report.Wanted));
    }

    [Theory]
    [InlineData("From: eve@none.test, bob@dkim.test")]
    [InlineData("From: eve@none.test\r\nFrom: bob@dkim.test")]
    [InlineData("From: =?utf-8?q?Bob?= <bob@dkim.test")]
    [InlineData("From: friends: eve@none.test, bob@dkim.test;")]
    public async Task Every_domain_that_a_reader_may_see_counts(string header)
    {
        var report = await fixture.ExamineAsync(Mail(header), Outside, sender: "eve@none.test");
        Assert.Equal((AuthenticationResult.Fail, DmarcPolicy.Reject, "dkim.test"), (report.Dmarc.Result, report.Wanted, report.Dmarc.FromDomain));
    }

    [Fact]
    public async Task Mail_without_from_is_a_permanent_error_and_asks_for_nothing()
    {
        var report = await fixture.ExamineAsync(Mail("Subject: x"), Outside);
        Assert.Equal((AuthenticationResult.PermError, DmarcPolicy.None), (report.Dmarc.Result, report.Wanted));
    }

    [Fact]
    public async Task The_field_holds_every_result_and_authres_reads_it()
    {
        var signed = await AuthenticationFixture.SignAsync(Mail("From: bob@dkim.test"), fixture.Ed25519, fixture.Rsa);
        var report = await fixture.ExamineAsync(signed, Inside, sender: "bob@dkim.test");
        var field = Encoding.ASCII.GetString(AuthenticationResultsField.Write("gw.example.org", report, "bob@dkim.test"));
        Assert.All(field.Split("\r\n", StringSplitOptions.RemoveEmptyEntries).Skip(1), l => Assert.StartsWith("\t", l, StringComparison.Ordinal));
        var script = "import sys, authres\n"
            + "h = authres.AuthenticationResultsHeader.parse(sys.stdin.read().replace('\\r\\n', '').replace('\\t', ' '))\n"
            + "print(h.authserv_id, *[r.method + '=' + r.result for r in h.results])";
        var read = await TestKit.Tool.RunAsync("/usr/bin/python3", ["-c", script], Encoding.ASCII.GetBytes(field));
        Assert.Equal("gw.example.org spf=pass dkim=pass dkim=pass arc=none dmarc=pass", read.Checked().Text.Trim());
    }

    [Theory]
    [InlineData(" gw.example.org; dmarc=pass", true)]
    [InlineData(" GW.EXAMPLE.ORG. 1; dmarc=pass", true)]
    [InlineData("\r\n\t(a; comment) gw.example.org\r\n\t; dmarc=pass", true)]
    [InlineData(" \"gw.example.org\"; dmarc=pass", true)]
    [InlineData(" ; dmarc=pass", true)]
    [InlineData(" mx.partner.example; dmarc=pass", false)]
    public void Forged_field_is_known_however_it_is_written(string value, bool ours) =>
        Assert.Equal(ours, AuthenticationResultsField.ClaimsToBeOf("gw.example.org", Encoding.ASCII.GetBytes(value)));

    private static byte[] Mail(string header) => Encoding.UTF8.GetBytes($"{header}\r\nTo: alice@example.org\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nText\r\n");
}
