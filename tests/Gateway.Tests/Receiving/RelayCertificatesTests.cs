using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Gateway.Tests.Receiving;

public sealed class RelayCertificatesTests : IDisposable
{
    private readonly ServerPki _pki = new();
    private readonly ServerPki _others = new("Others");
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);

    public void Dispose()
    {
        _pki.Dispose();
        _others.Dispose();
    }

    [Fact]
    public void A_fingerprint_names_one_certificate_within_its_validity_and_no_other()
    {
        var (own, other) = (_others.Server("mail.example.org"), _others.Server("mail.example.org"));
        var certificates = Certificates(Entry("exchange") with { Fingerprints = [own.GetCertHashString(HashAlgorithmName.SHA256)] });
        Assert.Equal("exchange", Identify(certificates, own));
        Assert.Null(Identify(certificates, other));
        _time.Advance(TimeSpan.FromDays(31));
        Assert.Null(Identify(certificates, own));
    }

    [Fact]
    public void A_name_counts_under_the_trusted_authority_only()
    {
        var certificates = Certificates(ByAuthority("branch"));
        Assert.Equal("branch", Identify(certificates, _pki.Client(null, "relay.example.org")));
        Assert.Equal("branch", Identify(certificates, _pki.Client(null, "other.example", "Relay@example.net")));
        Assert.Null(Identify(certificates, _pki.Client(null, "relay2.example.org")));
        Assert.Null(Identify(certificates, _pki.Client(null, "*.example.org")));
        Assert.Null(certificates.Identify(_others.Client(null, "relay.example.org"), [_others.Issuer, _others.Root]));
        Assert.Null(Identify(certificates, _pki.Forged(_pki.Issuer, "relay.example.org")));
    }

    [Fact]
    public void The_issuing_authority_may_come_from_the_client_or_the_file_and_must_come()
    {
        var client = _pki.Client(null, "relay.example.org");
        Assert.Null(Certificates(ByAuthority("branch")).Identify(client, []));
        Assert.Equal("branch", Certificates(ByAuthority("branch") with { Authorities = [_pki.Root, _pki.Issuer] }).Identify(client, []));
    }

    [Fact]
    public void It_must_be_valid_now_and_made_for_clients()
    {
        var certificates = Certificates(ByAuthority("branch"));
        Assert.Null(Identify(certificates, _pki.Server("relay.example.org")));
        var early = _pki.Client(DateTimeOffset.UtcNow.AddDays(1), "relay.example.org");
        Assert.Equal("branch", Identify(certificates, early));
        _time.Advance(TimeSpan.FromDays(2));
        Assert.Null(Identify(certificates, early));
    }

    [Fact]
    public void The_common_name_says_nothing()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=relay.example.org", key, HashAlgorithmName.SHA256);
        using var certificate = request.Create(_pki.Issuer, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(5), [1, 2, 3]);
        Assert.Null(Identify(Certificates(ByAuthority("branch")), certificate));
    }

    [Fact]
    public void Malformed_names_are_nobodys()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509Extension("2.5.29.17", [0x30, 0x05, 0x81, 0x7f, 1, 2, 3], critical: false));
        using var certificate = request.Create(_pki.Issuer, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(5), [1, 2, 3]);
        Assert.Null(Identify(Certificates(ByAuthority("branch")), certificate));
    }

    [Fact]
    public void Only_who_is_told_to_gives_evidence()
    {
        var certificates = Certificates(ByAuthority("branch"), ByAuthority("exchange") with { GivesEvidence = true });
        Assert.False(certificates.GivesEvidence("branch"));
        Assert.True(certificates.GivesEvidence("exchange"));
        Assert.False(certificates.GivesEvidence("nobody"));
    }

    private static RelayCertificate Entry(string name) => new(name, [], [], [], [], GivesEvidence: false);

    private RelayCertificate ByAuthority(string name) => Entry(name) with
    {
        Authorities = [_pki.Root],
        Hosts = [DomainName.Parse("relay.example.org")],
        Mailboxes = [MailAddress.Parse("relay@example.net")],
    };

    private RelayCertificates Certificates(params RelayCertificate[] entries) => new([.. entries], _time);

    private string? Identify(RelayCertificates certificates, X509Certificate2 certificate) => certificates.Identify(certificate, [_pki.Issuer]);
}
