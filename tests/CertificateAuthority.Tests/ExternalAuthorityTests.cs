using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;

namespace GatewaySecure.CertificateAuthority.Tests;

/// <summary>What comes back from a CA elsewhere, as made by openssl's.</summary>
public sealed class ExternalAuthorityTests : IAsyncLifetime
{
    private const string Good = "basicConstraints=critical,CA:false\nkeyUsage=critical,keyEncipherment\nextendedKeyUsage=emailProtection\nsubjectAltName=email:bob@example.org\n";

    private TestAuthority _test = null!;
    private byte[] _publicKey = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _test = await TestAuthority.CreateAsync(cancellationToken: Cancel);
        foreach (var ca in new[] { "company", "stranger" })
        {
            await TestAuthority.OpenSslAsync(
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Company CA", "-days", "30", "-keyout", _test[ca + ".key"], "-out", _test[ca + ".pem"]);
        }
        var request = await _test.RequestAsync("rsa:2048");
        ExternalAuthority.Check(request);
        _publicKey = CertificateRequest.LoadSigningRequest(request, HashAlgorithmName.SHA256).PublicKey.ExportSubjectPublicKeyInfo();
    }

    public ValueTask DisposeAsync() => _test.DisposeAsync();

    [Fact]
    public async Task A_certificate_as_it_was_asked_for_goes_on_record_and_can_be_put_on_hold()
    {
        var authority = Authority();
        using var certificate = await SignAsync(Good);
        await authority.AcceptAsync(certificate, _publicKey, Order(), Cancel);
        var record = await _test.Database.Certificates.FindAsync(certificate.SerialNumber, Cancel);
        Assert.Equal(certificate.RawData, record!.Der.ToArray());
        await authority.RevokeAsync(certificate.SerialNumber, RevocationReason.CertificateHold, "tester", Cancel);
        await authority.ReleaseAsync(certificate.SerialNumber, "tester", Cancel);
        await authority.RevokeAsync(certificate.SerialNumber, RevocationReason.Superseded, "tester", Cancel);
        await Assert.ThrowsAsync<CertificateRefusedException>(() => authority.ReleaseAsync(certificate.SerialNumber, "tester", Cancel));
        // The same one a second time would undo that.
        var again = await Assert.ThrowsAsync<CertificateRefusedException>(() => authority.AcceptAsync(certificate, _publicKey, Order(), Cancel));
        Assert.Contains("on record", again.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a CA's", "basicConstraints=critical,CA:true\nkeyUsage=critical,keyEncipherment,keyCertSign\nextendedKeyUsage=emailProtection\nsubjectAltName=email:bob@example.org\n")]
    [InlineData("key usage", "keyUsage=critical,digitalSignature\nextendedKeyUsage=emailProtection\nsubjectAltName=email:bob@example.org\n")]
    [InlineData("key usage", "extendedKeyUsage=emailProtection\nsubjectAltName=email:bob@example.org\n")]
    [InlineData("extended key usage", "keyUsage=critical,keyEncipherment\nextendedKeyUsage=serverAuth\nsubjectAltName=email:bob@example.org\n")]
    [InlineData("eve@example.org", "keyUsage=critical,keyEncipherment\nextendedKeyUsage=emailProtection\nsubjectAltName=email:bob@example.org,email:eve@example.org\n")]
    // The request's own names, as a CA takes them that believes it.
    [InlineData("root@elsewhere.example", "keyUsage=critical,keyEncipherment\nextendedKeyUsage=emailProtection\n")]
    public async Task One_that_says_something_else_is_refused(string because, string extensions)
    {
        using var certificate = await SignAsync(extensions);
        await AssertRefusedAsync(because, certificate, Order());
    }

    [Fact]
    public async Task One_of_another_CA_for_another_key_or_for_too_long_is_refused()
    {
        using (var strange = await SignAsync(Good, "stranger"))
            await AssertRefusedAsync("trusted", strange, Order());
        using var certificate = await SignAsync(Good);
        await AssertRefusedAsync("until", certificate, Order() with { Until = _test.Time.GetUtcNow().AddDays(1) });
        using var other = RSA.Create(2048);
        _publicKey = other.ExportSubjectPublicKeyInfo();
        await AssertRefusedAsync("another key", certificate, Order());
    }

    [Fact]
    public async Task An_expired_one_is_refused()
    {
        using var certificate = await SignAsync(Good);
        _test.Time.Advance(TimeSpan.FromDays(20));
        await AssertRefusedAsync("validity", certificate, Order());
    }

    private async Task AssertRefusedAsync(string because, X509Certificate2 certificate, CertificateOrder order)
    {
        var refused = await Assert.ThrowsAsync<CertificateRefusedException>(() => Authority().AcceptAsync(certificate, _publicKey, order, Cancel));
        Assert.Contains(because, refused.Message, StringComparison.Ordinal);
        Assert.Empty(await _test.Database.Certificates.ListAsync(Cancel));
    }

    private ExternalAuthority Authority() => new(
        [X509CertificateLoader.LoadCertificateFromFile(_test["company.pem"])], _test.Database.Certificates, _test.Database.Audit, _test.Time);

    private static CertificateOrder Order() =>
        new(CertificateUse.MailEncryption, "Bob Example", null, [MailAddress.Parse("bob@example.org"), MailAddress.Parse("robert@example.org")], [], "tester");

    private async Task<X509Certificate2> SignAsync(string extensions, string ca = "company")
    {
        await File.WriteAllTextAsync(_test["extensions"], extensions, Cancel);
        await TestAuthority.OpenSslAsync(
            "x509", "-req", "-in", _test["request.der"], "-inform", "DER", "-CA", _test[ca + ".pem"], "-CAkey", _test[ca + ".key"], "-days", "10",
            "-copy_extensions", extensions.Contains("subjectAltName", StringComparison.Ordinal) ? "none" : "copyall", "-extfile", _test["extensions"], "-out", _test["back.pem"]);
        // openssl goes by the real clock, and whole seconds.
        _test.Time.SetUtcNow(DateTimeOffset.UtcNow.AddSeconds(1));
        return X509CertificateLoader.LoadCertificateFromFile(_test["back.pem"]);
    }
}
