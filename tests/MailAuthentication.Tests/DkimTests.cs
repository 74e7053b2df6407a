using System.Text;
using GatewaySecure.MailAuthentication.Dkim;
using GatewaySecure.TestKit;

namespace GatewaySecure.MailAuthentication.Tests;

public sealed class DkimTests(AuthenticationFixture fixture)
{
    /// <summary>RFC 8463 §A.3.</summary>
    private static readonly byte[] Example = AuthenticationFixture.Octets("""
        DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
         d=football.example.com; i=@football.example.com;
         q=dns/txt; s=brisbane; t=1528637909; h=from : to :
         subject : date : message-id : from : subject : date;
         bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
         b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
         Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
        DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
         d=football.example.com; i=@football.example.com;
         q=dns/txt; s=test; t=1528637909; h=from : to : subject :
         date : message-id : from : subject : date;
         bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
         b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
         DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
         dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
        From: Joe SixPack <joe@football.example.com>
        To: Suzie Q <suzie@shopping.example.net>
        Subject: Is dinner ready?
        Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
        Message-ID: <20030712040037.46341.5F8J@football.example.com>

        Hi.

        We lost the game.  Are you hungry yet?

        Joe.

        """);

    /// <summary>Has folding, repeated fields, white space at line ends and empty lines at the end.</summary>
    private static readonly byte[] Mail = AuthenticationFixture.Octets(
        "Received: from a\n\tby b\nReceived: from c by d\nFrom: \"Bob\"   <bob@dkim.test>\nTo: alice@example.org,\n  carol@example.org\n"
        + "SUBJECT: two  words \t here\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nContent-Type: text/plain\n\nFirst  line \t\n\n\n end\t\nlast\n\n\n");

    [Fact]
    public async Task The_example_of_rfc_8463_passes_with_both_algorithms()
    {
        var report = await fixture.ExamineAsync(Example);
        Assert.Equal(
            [(AuthenticationResult.Pass, "ed25519-sha256", "brisbane"), (AuthenticationResult.Pass, "rsa-sha256", "test")],
            report.Dkim.Select(d => (d.Result, d.Algorithm!, d.Selector!)));
    }

    [Theory]
    [InlineData("Joe.", "Jim.", "the body was changed")]
    [InlineData("Is dinner ready?", "Is supper ready?", "the signature does not fit the header")]
    [InlineData("Subject: Is", "Subject: Another\r\nSubject: Is", "the signature does not fit the header")]
    [InlineData("s=brisbane", "s=sydney", "there is no key at sydney._domainkey.football.example.com")]
    [InlineData("s=brisbane", "s=test", "the key is not of the signature's type, ed25519")]
    [InlineData("h=from : to :\r\n subject : date : message-id : from : subject : date;", "h=to;", "the From field is not signed")]
    [InlineData("i=@football.example.com", "i=@other.example.com", "the signing identity is not of the signing domain")]
    [InlineData("a=ed25519-sha256", "a=rsa-sha1", "rsa-sha1 is no longer good enough (RFC 8301)")]
    [InlineData("a=ed25519-sha256", "a=sha512", "the signature's algorithm is not known")]
    [InlineData("v=1;", "v=2;", "the signature is not of version 1")]
    [InlineData("v=1;", "v=1; v=1;", "the signature's list of tags is malformed")]
    [InlineData("t=1528637909", "x=1528637909", "the signature has expired")]
    [InlineData("c=relaxed/relaxed", "c=relaxed/strange", "the canonicalisation is not known")]
    [InlineData("q=dns/txt", "q=other", "the key is not in the DNS")]
    [InlineData("d=football.example.com", "d=football..com", "the signature names no domain and selector")]
    [InlineData("d=football.example.com; i=@football.example.com", "d=bogus.test", "the key can't be looked up")]
    public async Task Changed_mail_does_not_pass_and_says_why(string before, string after, string reason)
    {
        var text = Encoding.Latin1.GetString(Example);
        var at = text.IndexOf(before, StringComparison.Ordinal);
        var report = await fixture.ExamineAsync(Encoding.Latin1.GetBytes(text[..at] + after + text[(at + before.Length)..]));
        var found = report.Dkim.Single(d => d.Reason.StartsWith(reason, StringComparison.Ordinal) && d.Algorithm is not "rsa-sha256");
        Assert.NotEqual(AuthenticationResult.Pass, found.Result);
        Assert.Equal(reason.Contains("looked up", StringComparison.Ordinal), found.Result == AuthenticationResult.TempError);
    }

    [Fact]
    public async Task Both_keys_sign_and_verify()
    {
        var report = await fixture.ExamineAsync(await AuthenticationFixture.SignAsync(Mail, fixture.Ed25519, fixture.Rsa));
        Assert.Equal(["ed25519-sha256 Pass", "rsa-sha256 Pass"], report.Dkim.Select(d => $"{d.Algorithm} {d.Result}"));
    }

    [Fact]
    public async Task Dkimpy_verifies_what_we_sign()
    {
        var signed = await AuthenticationFixture.SignAsync(Mail, fixture.Ed25519, fixture.Rsa);
        var result = await fixture.PythonAsync(signed, "dkim-verify", "--dns", fixture.DnsPort);
        Assert.Equal(("pass\npass\n", ""), (result.Text, result.Error));
        var changed = await fixture.PythonAsync([.. "Subject: added\r\n"u8, .. signed], "dkim-verify", "--dns", fixture.DnsPort);
        Assert.Equal("fail\nfail\n", changed.Text);
    }

    [Theory]
    [InlineData("rsa", "rsa-sha256", "simple/simple")]
    [InlineData("rsa", "rsa-sha256", "relaxed/simple")]
    [InlineData("rsa", "rsa-sha256", "simple/relaxed")]
    [InlineData("rsa", "rsa-sha256", "relaxed/relaxed")]
    [InlineData("ed", "ed25519-sha256", "simple/relaxed")]
    public async Task We_verify_what_dkimpy_signs(string selector, string algorithm, string canonical)
    {
        var key = selector == "rsa" ? fixture.Rsa : fixture.Ed25519;
        var signed = (await fixture.PythonAsync(
            Mail, "dkim-sign", "--domain", "dkim.test", "--selector", selector, "--key", fixture.KeyFile(key), "--algorithm", algorithm,
            "--canonical", canonical)).Checked().Output;
        Assert.Equal(AuthenticationResult.Pass, Assert.Single((await fixture.ExamineAsync(signed)).Dkim).Result);
    }

    [Fact]
    public async Task Signature_over_a_part_of_the_body_is_not_enough_once_something_follows()
    {
        var signed = (await fixture.PythonAsync(
            Mail, "dkim-sign", "--domain", "dkim.test", "--selector", "rsa", "--key", fixture.KeyFile(fixture.Rsa), "--length")).Checked().Output;
        Assert.Equal(AuthenticationResult.Pass, Assert.Single((await fixture.ExamineAsync(signed)).Dkim).Result);
        var longer = Assert.Single((await fixture.ExamineAsync([.. signed, .. "And this is from Eve\r\n"u8])).Dkim);
        Assert.Equal((AuthenticationResult.Policy, "the signature does not cover the whole body"), (longer.Result, longer.Reason));
    }

    [Fact]
    public async Task Opendkim_verifies_what_we_sign()
    {
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory["keys"], $"{fixture.Rsa.RecordName} {fixture.Rsa.Record}\n", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(
            directory["opendkim.conf"], $"Mode v\nSyslog no\nTestPublicKeys {directory["keys"]}\nLogResults no\n", TestContext.Current.CancellationToken);
        var signed = await AuthenticationFixture.SignAsync(Mail, fixture.Rsa);
        await File.WriteAllBytesAsync(directory["mail"], signed, TestContext.Current.CancellationToken);
        var verdict = await Tool.RunAsync("/usr/sbin/opendkim", ["-x", directory["opendkim.conf"], "-t", directory["mail"], "-v"]);
        Assert.Contains("verification (s=rsa, d=dkim.test, 2048-bit key) succeeded", verdict.All, StringComparison.Ordinal);

        // Its test program signs with rsa-sha1 only: what nobody may accept any longer.
        var theirs = (await Tool.RunAsync(
            "opendkim-testmsg", ["-C", "-d", "dkim.test", "-s", "rsa", "-k", fixture.KeyFile(fixture.Rsa)], Mail)).Checked().Output;
        Assert.Equal("rsa-sha1 is no longer good enough (RFC 8301)", Assert.Single((await fixture.ExamineAsync(theirs)).Dkim).Reason);
    }

    [Theory]
    [InlineData("revoked", "the key was revoked")]
    [InlineData("web", "the key is not meant for mail")]
    [InlineData("old", "the key is not meant for SHA-256")]
    [InlineData("nonsense", "the key is not base64")]
    [InlineData("try", "signed by dkim.test (the key is marked as a test)")]
    [InlineData("strict", "signed by dkim.test")]
    public async Task What_the_key_record_says_counts(string selector, string reason)
    {
        var signed = (await fixture.PythonAsync(
            Mail, "dkim-sign", "--domain", "dkim.test", "--selector", selector, "--key", fixture.KeyFile(fixture.Rsa))).Checked().Output;
        Assert.Equal(reason, Assert.Single((await fixture.ExamineAsync(signed)).Dkim).Reason);
    }

    [Fact]
    public async Task Key_that_is_no_point_of_the_curve_verifies_nothing()
    {
        var mail = Encoding.Latin1.GetString(Example).Replace("d=football.example.com; i=@football.example.com;", "d=dkim.test;", StringComparison.Ordinal);
        var report = await fixture.ExamineAsync(Encoding.Latin1.GetBytes(mail.Replace("s=brisbane", "s=point", StringComparison.Ordinal)));
        Assert.Contains(report.Dkim, d => d is { Result: AuthenticationResult.PermError, Reason: "the key is no Ed25519 key" });
    }

    [Fact]
    public async Task Mail_without_signature_is_not_signed() =>
        Assert.Equal(AuthenticationResult.None, Assert.Single((await fixture.ExamineAsync(Mail)).Dkim).Result);

    [Fact]
    public async Task Only_ten_signatures_are_looked_at()
    {
        var mail = string.Concat(Enumerable.Range(0, 30).Select(i => $"DKIM-Signature: v=1; d=d{i}.test\r\n")) + "From: a@b.test\r\n\r\n";
        Assert.Equal(10, (await fixture.ExamineAsync(Encoding.ASCII.GetBytes(mail))).Dkim.Length);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\r\n")]
    [InlineData("no header at all")]
    [InlineData("DKIM-Signature:\r\n\r\nbody")]
    [InlineData("DKIM-Signature: ;;;=;\r\n\tfolded\r\n \r\nFrom: \0\xff <@>\r\n\r\nbody")]
    [InlineData(": no name\r\nFrom\r\nFrom:\r\n\r\n")]
    [InlineData("DKIM-Signature: v=1; a=rsa-sha256; d=dkim.test; s=rsa; h=from; bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=AA==; l=999999999999999\r\n\r\n")]
    [InlineData("ARC-Seal: i=1\r\nARC-Seal: i=x\r\nARC-Authentication-Results: \r\n\r\n")]
    public async Task Malformed_mail_is_judged_and_never_throws(string mail)
    {
        var report = await fixture.ExamineAsync(Encoding.Latin1.GetBytes(mail));
        Assert.DoesNotContain(report.Dkim, d => d.Result == AuthenticationResult.Pass);
        var field = AuthenticationResultsField.Write("gw.test", report, null);
        Assert.True(Ascii.IsValid(field));
    }

    [Fact]
    public async Task Random_bodies_hash_alike_in_pieces_of_any_size_and_in_mimekit()
    {
        var random = new Random(8463);
        var alphabet = " \t\r\nab"u8.ToArray();
        for (var round = 0; round < 300; round++)
        {
            // Line ends in pairs only, as an accepted mail has them.
            var text = Encoding.ASCII.GetString(random.GetItems(alphabet, random.Next(40))).Replace("\r", "", StringComparison.Ordinal).ReplaceLineEndings("\r\n");
            byte[] mail = [.. "From: bob@dkim.test\r\nSubject: x\r\n\r\n"u8, .. Encoding.ASCII.GetBytes(text)];
            var signed = await AuthenticationFixture.SignAsync(mail, fixture.Rsa);
            Assert.Equal(AuthenticationResult.Pass, Assert.Single((await fixture.ExamineAsync(signed)).Dkim).Result);
            using var stream = new MemoryStream(signed);
            var message = await MimeKit.MimeMessage.LoadAsync(stream, TestContext.Current.CancellationToken);
            var header = message.Headers[MimeKit.HeaderId.DkimSignature]!;
            Assert.Contains($"bh={BodyHashOf(Encoding.ASCII.GetBytes(text))}", header.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        }
    }

    private static string BodyHashOf(byte[] body)
    {
        using var hash = new BodyHash(Canonicalisation.Relaxed, null);
        foreach (var octet in body)
            hash.Append([octet]);
        return Convert.ToBase64String(hash.Finish());
    }
}
