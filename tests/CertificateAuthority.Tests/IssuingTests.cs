using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;

namespace GatewaySecure.CertificateAuthority.Tests;

public sealed class IssuingTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string> AuthorityKeys => ["rsa", "p256", "p384"];

    private static AsymmetricAlgorithm Key(string kind) => kind switch
    {
        "rsa" => RSA.Create(3072),
        "p256" => ECDsa.Create(ECCurve.NamedCurves.nistP256),
        _ => ECDsa.Create(ECCurve.NamedCurves.nistP384),
    };

    [Theory]
    [MemberData(nameof(AuthorityKeys))]
    public async Task Openssl_takes_chain_and_crl_of_every_kind_of_ca(string kind)
    {
        await using var test = await TestAuthority.CreateAsync(Key(kind), Cancel);
        await test.IssueAsync(CertificateUse.MailSigning);
        var verdict = await test.VerifyAsync("smimesign");
        Assert.True(verdict.ExitCode == 0, verdict.All);
    }

    [Theory]
    [InlineData(CertificateUse.MailSigning, "smimesign", "smimeencrypt")]
    [InlineData(CertificateUse.MailEncryption, "smimeencrypt", "smimesign")]
    [InlineData(CertificateUse.CardLogOn, "sslclient", "smimesign")]
    [InlineData(CertificateUse.Gateway, "sslclient", "sslserver")]
    [InlineData(CertificateUse.Server, "sslserver", "sslclient")]
    [InlineData(CertificateUse.Ocsp, "ocsphelper", "sslclient")]
    public async Task A_certificate_is_good_for_its_use_and_no_other(CertificateUse use, string good, string bad)
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        await test.IssueAsync(use);
        var verdict = await test.VerifyAsync(good);
        Assert.True(verdict.ExitCode == 0, verdict.All);
        Assert.NotEqual(0, (await test.VerifyAsync(bad)).ExitCode);
    }

    [Theory]
    [InlineData("rsa:2048", "Key Encipherment")]
    [InlineData("rsa:4096", "Key Encipherment")]
    [InlineData("ec:P-256", "Key Agreement")]
    [InlineData("ec:P-384", "Key Agreement")]
    public async Task Every_kind_of_key_is_certified_for_encryption(string key, string usage)
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        var request = key.StartsWith("ec:", StringComparison.Ordinal)
            ? await test.RequestAsync("ec", "-pkeyopt", $"ec_paramgen_curve:{key[3..]}")
            : await test.RequestAsync(key);
        await test.IssueAsync(CertificateUse.MailEncryption, request);
        Assert.Contains(usage, await TestAuthority.OpenSslAsync("x509", "-in", test["bob.pem"], "-noout", "-text"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Names_come_from_the_order_and_never_from_the_request()
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        await test.IssueAsync(CertificateUse.MailSigning);
        var text = await TestAuthority.OpenSslAsync("x509", "-in", test["bob.pem"], "-noout", "-text", "-nameopt", "utf8");
        Assert.Contains("email:bob@example.org", text, StringComparison.Ordinal);
        Assert.Contains("CN=Bob Bücher", text, StringComparison.Ordinal);
        Assert.DoesNotContain("elsewhere", text, StringComparison.Ordinal);
        Assert.DoesNotContain("gw.example.org", text, StringComparison.Ordinal);
        Assert.Contains("URI:http://kdc.example.org/crl/issuing.crl", text, StringComparison.Ordinal);
        Assert.Contains("OCSP - URI:http://kdc.example.org/ocsp", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_local_part_outside_ascii_is_a_SmtpUtf8Mailbox()
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        var request = await test.RequestAsync("rsa:2048");
        using var certificate = await test.Authority.IssueAsync(
            request, TestAuthority.Order(CertificateUse.MailSigning, "jörg@bücher.example", "joerg@bücher.example"), Cancel);
        var names = certificate.Extensions.Single(e => e.Oid!.Value == "2.5.29.17");
        await File.WriteAllBytesAsync(test["san.der"], names.RawData, Cancel);
        var text = await TestAuthority.OpenSslAsync("asn1parse", "-inform", "DER", "-in", test["san.der"], "-i");
        Assert.Contains("UTF8 Mailbox", text, StringComparison.Ordinal);
        Assert.Contains("jörg@xn--bcher-kva.example", text, StringComparison.Ordinal);
        // The other one is an rfc822Name, tag [1].
        Assert.Contains("joerg@xn--bcher-kva.example", System.Text.Encoding.ASCII.GetString(names.RawData), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Requests_that_prove_nothing_are_refused()
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        var good = await test.RequestAsync("rsa:2048");
        var forged = good.ToArray();
        forged[^1] ^= 1;
        await RefusedAsync(test, forged, "signature");
        await RefusedAsync(test, [.. good, 0], "followed by something else");
        await RefusedAsync(test, [], "not readable");
        await RefusedAsync(test, new byte[100_000], "too large");
        await RefusedAsync(test, await test.RequestAsync("rsa:1024"), "1024 bits");
        await RefusedAsync(test, await test.RequestAsync("ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"), "of a kind");
        await RefusedAsync(test, await test.RequestAsync("ed25519"), "");
        var order = TestAuthority.Order(CertificateUse.MailSigning);
        await Assert.ThrowsAsync<CertificateRefusedException>(() => test.Authority.IssueAsync(good, order, Cancel));
        // Nothing of it was issued.
        Assert.Equal(0, (await test.Database.Audit.HeadAsync(Cancel)).Sequence);
    }

    [Fact]
    public async Task No_certificate_outlives_its_ca()
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        test.Use(IssuingAuthority.CreateRoot("Example CA", test.Key, TimeSpan.FromDays(100), test.Time));
        using var certificate = await test.IssueAsync(CertificateUse.MailSigning);
        Assert.Equal(test.Authority.Certificate.NotAfter, certificate.NotAfter);
        test.Time.Advance(TimeSpan.FromDays(101));
        var refused = await Assert.ThrowsAsync<CertificateRefusedException>(() => test.IssueAsync(CertificateUse.MailSigning));
        Assert.Contains("renew", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_stands_below_a_root_that_is_elsewhere()
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        await TestAuthority.OpenSslAsync("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Root", "-days", "30", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", test["root.key"], "-out", test["root.pem"]);
        await File.WriteAllTextAsync(test["ca.csr"], IssuingAuthority.RequestAuthority("Example Issuing", test.Key), Cancel);
        await TestAuthority.OpenSslAsync("x509", "-req", "-in", test["ca.csr"], "-CA", test["root.pem"], "-CAkey", test["root.key"], "-CAcreateserial",
            "-copy_extensions", "copy", "-days", "20", "-out", test["issuing.pem"]);
        test.Use(X509CertificateLoader.LoadCertificateFromFile(test["issuing.pem"]));
        await test.IssueAsync(CertificateUse.MailSigning);
        await TestAuthority.OpenSslAsync("verify", "-x509_strict", "-CAfile", test["root.pem"], "-untrusted", test["issuing.pem"], test["bob.pem"]);

        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Throws<CryptographicException>(() => new IssuingAuthority(
            test.Authority.Certificate, other, test.Options, test.Database.Certificates, test.Database.Audit, test.Time));
        using var bob = X509CertificateLoader.LoadCertificateFromFile(test["bob.pem"]);
        using var key = RSA.Create();
        key.ImportFromPem(await File.ReadAllTextAsync(test["key.pem"], Cancel));
        Assert.Throws<CryptographicException>(() => new IssuingAuthority(
            bob, key, test.Options, test.Database.Certificates, test.Database.Audit, test.Time));
    }

    [Fact]
    public async Task Each_certificate_leaves_its_line_in_the_audit()
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        using var certificate = await test.IssueAsync(CertificateUse.MailSigning);
        await test.Authority.RevokeAsync(certificate.SerialNumber, RevocationReason.KeyCompromise, "officer", Cancel);
        var events = await test.Database.Audit.ReadAsync(1, 10, Cancel);
        Assert.Equal(["certificate.issue", "certificate.revoke", "crl.issue"], events.Select(e => e.Action));
        Assert.Contains(certificate.SerialNumber, events[0].Detail, StringComparison.Ordinal);
        Assert.Equal("officer", events[1].Actor);
    }

    private static async Task RefusedAsync(TestAuthority test, byte[] request, string because)
    {
        var refused = await Assert.ThrowsAsync<CertificateRefusedException>(
            () => test.Authority.IssueAsync(request, TestAuthority.Order(CertificateUse.MailSigning, "bob@example.org"), Cancel));
        Assert.Contains(because, refused.Message, StringComparison.Ordinal);
    }
}
