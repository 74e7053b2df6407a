using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;
using GatewaySecure.TestKit;

namespace GatewaySecure.CertificateAuthority.Tests;

public sealed class RevocationTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_revoked_certificate_is_on_the_next_crl_for_ever()
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        using var certificate = await test.IssueAsync(CertificateUse.MailSigning);
        Assert.Equal(0, (await test.VerifyAsync("smimesign")).ExitCode);

        await test.Authority.RevokeAsync(certificate.SerialNumber, RevocationReason.KeyCompromise, "tester", Cancel);
        var verdict = await test.VerifyAsync("smimesign");
        Assert.NotEqual(0, verdict.ExitCode);
        Assert.Contains("certificate revoked", verdict.All, StringComparison.Ordinal);
        Assert.Contains("Key Compromise", await TestAuthority.OpenSslAsync("crl", "-in", test["crl.pem"], "-noout", "-text"), StringComparison.Ordinal);

        await Assert.ThrowsAsync<CertificateRefusedException>(() => test.Authority.ReleaseAsync(certificate.SerialNumber, "tester", Cancel));
        await Assert.ThrowsAsync<CertificateRefusedException>(
            () => test.Authority.RevokeAsync(certificate.SerialNumber, RevocationReason.Superseded, "tester", Cancel));
        await Assert.ThrowsAsync<CertificateRefusedException>(
            () => test.Authority.RevokeAsync("00AA", RevocationReason.Superseded, "tester", Cancel));
        // It stays there after its own end: old signatures are judged by it.
        test.Time.Advance(TimeSpan.FromDays(1000));
        var later = await test.Authority.CrlAsync(Cancel);
        Assert.True(Contains(later, certificate.SerialNumber));
    }

    [Fact]
    public async Task A_hold_can_be_taken_back_and_keeps_its_date_when_it_becomes_a_revocation()
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        using var certificate = await test.IssueAsync(CertificateUse.MailSigning);
        await test.Authority.RevokeAsync(certificate.SerialNumber, RevocationReason.CertificateHold, "tester", Cancel);
        Assert.NotEqual(0, (await test.VerifyAsync("smimesign")).ExitCode);
        await test.Authority.ReleaseAsync(certificate.SerialNumber, "tester", Cancel);
        Assert.Equal(0, (await test.VerifyAsync("smimesign")).ExitCode);

        await test.Authority.RevokeAsync(certificate.SerialNumber, RevocationReason.CertificateHold, "tester", Cancel);
        var held = (await test.Database.Certificates.FindAsync(certificate.SerialNumber, Cancel))!.RevokedAt;
        test.Time.Advance(TimeSpan.FromDays(3));
        await test.Authority.RevokeAsync(certificate.SerialNumber, RevocationReason.KeyCompromise, "tester", Cancel);
        Assert.Equal(held, (await test.Database.Certificates.FindAsync(certificate.SerialNumber, Cancel))!.RevokedAt);
    }

    [Fact]
    public async Task A_crl_is_made_anew_each_day_with_the_next_number()
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        var first = await test.Authority.CrlAsync(Cancel);
        Assert.Equal(first.Number, (await test.Authority.CrlAsync(Cancel)).Number);
        test.Time.Advance(TimeSpan.FromHours(25));
        var second = await test.Authority.CrlAsync(Cancel);
        Assert.Equal(first.Number + 1, second.Number);
        await File.WriteAllBytesAsync(test["crl.der"], second.Der.ToArray(), Cancel);
        var text = await TestAuthority.OpenSslAsync("crl", "-inform", "DER", "-in", test["crl.der"], "-noout", "-text", "-CAfile", test["ca.pem"]);
        Assert.Contains("verify OK", text, StringComparison.Ordinal);
        Assert.Matches(@"X509v3 CRL Number:\s+2\b", text);
        // A clock that was set back must not keep yesterday's list for ever.
        test.Time.AdjustTime(test.Time.GetUtcNow().AddDays(-3));
        Assert.Equal(3, (await test.Authority.CrlAsync(Cancel)).Number);
    }

    [Fact]
    public async Task The_last_crl_is_served_while_the_key_is_away()
    {
        using var key = new KeyThatGoesAway();
        await using var test = await TestAuthority.CreateAsync(key, Cancel);
        var last = await test.Authority.CrlAsync(Cancel);
        key.Away = true;
        test.Time.Advance(TimeSpan.FromDays(2));
        Assert.Equal(last.Number, (await test.Authority.CrlAsync(Cancel)).Number);
        test.Time.Advance(TimeSpan.FromDays(6));
        await Assert.ThrowsAsync<CryptographicException>(() => test.Authority.CrlAsync(Cancel));
    }

    [Fact]
    public async Task Two_who_revoke_at_the_same_time_leave_one_crl_after_the_other()
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        var request = await test.RequestAsync("rsa:2048");
        var serials = new List<string>();
        for (var i = 0; i < 8; i++)
            serials.Add((await test.IssueAsync(CertificateUse.MailSigning, request)).SerialNumber);
        await Task.WhenAll(serials.Select(s => Task.Run(() => test.Authority.RevokeAsync(s, RevocationReason.Superseded, "tester", Cancel))));
        var last = await test.Authority.CrlAsync(Cancel);
        Assert.Equal(8, last.Number);
        Assert.All(serials, s => Assert.True(Contains(last, s)));
    }

    [Fact]
    public async Task Openssl_hears_good_revoked_and_unknown()
    {
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        var responder = await ResponderAsync(test);
        using var certificate = await test.IssueAsync(CertificateUse.MailSigning);
        Assert.Contains("bob.pem: good", await AskAsync(test, responder), StringComparison.Ordinal);
        Assert.Contains("bob.pem: good", await AskAsync(test, responder, "-sha256"), StringComparison.Ordinal);
        await test.Authority.RevokeAsync(certificate.SerialNumber, RevocationReason.KeyCompromise, "tester", Cancel);
        var revoked = await AskAsync(test, responder);
        Assert.Contains("bob.pem: revoked", revoked, StringComparison.Ordinal);
        Assert.Contains("keyCompromise", revoked, StringComparison.Ordinal);

        // A serial number that was never issued, and another CA.
        await using var other = await TestAuthority.CreateAsync(RSA.Create(2048), Cancel);
        using var foreign = await other.IssueAsync(CertificateUse.MailSigning);
        await File.WriteAllTextAsync(test["bob.pem"], foreign.ExportCertificatePem(), Cancel);
        Assert.Contains("bob.pem: unknown", await AskAsync(test, responder), StringComparison.Ordinal);
        await File.WriteAllTextAsync(test["bob.pem"], certificate.ExportCertificatePem(), Cancel);
        var elsewhere = await RequestAsync(other, "-serial", "0x" + certificate.SerialNumber);
        await File.WriteAllBytesAsync(test["response.der"], await responder.AnswerAsync(elsewhere, Cancel), Cancel);
        Assert.Contains("unknown", await TestAuthority.OpenSslAsync("ocsp", "-respin", test["response.der"], "-noverify", "-text"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_no_request_and_what_can_t_be_answered_now_are_told_apart()
    {
        using var key = new KeyThatGoesAway();
        await using var test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        var responder = await ResponderAsync(test, key);
        await test.IssueAsync(CertificateUse.MailSigning);
        foreach (var bad in new byte[][] { [], [0x30, 0x03, 1, 2, 3], new byte[20_000], RandomNumberGenerator.GetBytes(200) })
            Assert.Equal("01", StatusOf(await responder.AnswerAsync(bad, Cancel)));
        key.Away = true;
        Assert.Equal("03", StatusOf(await responder.AnswerAsync(await RequestAsync(test, "-cert", test["bob.pem"]), Cancel)));
        key.Away = false;
        Assert.Equal("00", StatusOf(await responder.AnswerAsync(await RequestAsync(test, "-cert", test["bob.pem"]), Cancel)));
    }

    private static async Task<OcspResponder> ResponderAsync(TestAuthority test, AsymmetricAlgorithm? key = null)
    {
        key ??= ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(new X500DistinguishedName("CN=x"), (ECDsa)key, HashAlgorithmName.SHA256).CreateSigningRequest();
        var certificate = await test.Authority.IssueAsync(request, TestAuthority.Order(CertificateUse.Ocsp), Cancel);
        return new OcspResponder(test.Authority.Certificate, certificate, key, test.Database.Certificates, test.Time);
    }

    private static async Task<byte[]> RequestAsync(TestAuthority test, params string[] arguments)
    {
        await TestAuthority.OpenSslAsync(["ocsp", "-issuer", test["ca.pem"], .. arguments, "-reqout", test["ocsp.der"]]);
        return await File.ReadAllBytesAsync(test["ocsp.der"], Cancel);
    }

    /// <summary>openssl asks over HTTP with a nonce, and checks signature, delegation and nonce of the answer.</summary>
    private static async Task<string> AskAsync(TestAuthority test, OcspResponder responder, params string[] hash)
    {
        using var web = new HttpListener();
        var address = $"http://127.0.0.1:{Loopback.FreePort()}/";
        web.Prefixes.Add(address);
        web.Start();
        var asking = TestAuthority.OpenSslAsync(
            ["ocsp", "-issuer", test["ca.pem"], .. hash, "-cert", test["bob.pem"], "-url", address, "-CAfile", test["ca.pem"]]);
        var context = await web.GetContextAsync().WaitAsync(TimeSpan.FromSeconds(30), Cancel);
        var request = new MemoryStream();
        await context.Request.InputStream.CopyToAsync(request, Cancel);
        context.Response.ContentType = "application/ocsp-response";
        await context.Response.OutputStream.WriteAsync(await responder.AnswerAsync(request.ToArray(), Cancel), Cancel);
        context.Response.Close();
        var said = await asking;
        Assert.Contains("Response verify OK", said, StringComparison.Ordinal);
        Assert.DoesNotContain("no nonce", said, StringComparison.Ordinal);
        return said;
    }

    private static string StatusOf(byte[] response) =>
        Convert.ToHexString(new AsnReader(response, AsnEncodingRules.DER).ReadSequence().ReadEnumeratedBytes().Span);

    private static bool Contains(CrlRecord crl, string serial) =>
        CertificateRevocationListBuilder.Load(crl.Der.ToArray(), out _).RemoveEntry(Convert.FromHexString(serial));

    /// <summary>An HSM's key, whose HSM goes away.</summary>
    private sealed class KeyThatGoesAway : ECDsa
    {
        private readonly ECDsa _key = Create(ECCurve.NamedCurves.nistP256);

        public bool Away { get; set; }

        public override int KeySize => 256;

        public override byte[] SignHash(byte[] hash) => Away ? throw new CryptographicException("The token is not there.") : _key.SignHash(hash);

        public override bool VerifyHash(byte[] hash, byte[] signature) => _key.VerifyHash(hash, signature);

        public override ECParameters ExportParameters(bool includePrivateParameters) => _key.ExportParameters(includePrivateParameters);

        protected override byte[] HashData(byte[] data, int offset, int count, HashAlgorithmName hashAlgorithm) =>
            SHA256.HashData(data.AsSpan(offset, count));

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _key.Dispose();
            base.Dispose(disposing);
        }
    }
}
