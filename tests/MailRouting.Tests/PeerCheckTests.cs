using System.Security.Cryptography.X509Certificates;
using GatewaySecure.MailRouting.MtaSts;
using GatewaySecure.MailRouting.TlsReports;
using GatewaySecure.TestKit;

namespace GatewaySecure.MailRouting.Tests;

public sealed class PeerCheckTests : IDisposable
{
    private const string Host = "mx.example.test";

    private readonly ServerPki _pki = new();

    public void Dispose() => _pki.Dispose();

    [Theory]
    [InlineData("mx.example.test", null)]
    [InlineData("*.example.test", null)]
    [InlineData("other.example.test", TlsResult.CertificateHostMismatch)]
    [InlineData("*.test", TlsResult.CertificateHostMismatch)]
    public async Task Certificate_must_have_the_name_of_the_host(string name, TlsResult? expected)
    {
        var check = Check(StsMode.Enforce, trusted: true);
        Assert.Equal(expected is null, await TlsHandshake.SucceedsAsync(check, _pki.Server(name), _pki.Issuer));
        Assert.Equal(expected, check.Failure?.Result);
    }

    [Fact]
    public async Task Expired_and_untrusted_certificates_fail_and_say_so()
    {
        var expired = Check(StsMode.Enforce, trusted: true);
        Assert.False(await TlsHandshake.SucceedsAsync(expired, _pki.Server(DateTimeOffset.UtcNow.AddHours(-1), Host), _pki.Issuer));
        Assert.Equal(TlsResult.CertificateExpired, expired.Failure!.Result);

        var untrusted = Check(StsMode.Enforce, trusted: false);
        Assert.False(await TlsHandshake.SucceedsAsync(untrusted, _pki.Server(Host), _pki.Issuer));
        Assert.Equal(TlsResult.CertificateNotTrusted, untrusted.Failure!.Result);
    }

    [Fact]
    public async Task In_testing_mode_the_session_goes_on_and_the_failure_is_known()
    {
        var check = Check(StsMode.Testing, trusted: true);
        Assert.True(await TlsHandshake.SucceedsAsync(check, _pki.Server("other.test"), _pki.Issuer));
        Assert.Equal(TlsResult.CertificateHostMismatch, check.Failure!.Result);
    }

    [Fact]
    public async Task In_testing_mode_a_host_that_is_not_in_the_policy_is_a_failure()
    {
        var check = Check(StsMode.Testing, trusted: true, matches: false);
        Assert.True(await TlsHandshake.SucceedsAsync(check, _pki.Server(Host), _pki.Issuer));
        Assert.Equal(TlsResult.ValidationFailure, check.Failure!.Result);
    }

    [Fact]
    public async Task Without_a_policy_any_certificate_is_good()
    {
        var check = new PeerCheck(new OpportunisticTls(Host), TimeProvider.System);
        Assert.True(await TlsHandshake.SucceedsAsync(check, _pki.Server("other.test")));
        Assert.Null(check.Failure);
    }

    [Fact]
    public async Task Tls_that_the_configuration_demands_needs_the_name_of_the_host()
    {
        X509Certificate2Collection anchors = [_pki.Root];
        Assert.True(await TlsHandshake.SucceedsAsync(new PeerCheck(new ConfiguredTls(Host), TimeProvider.System, anchors), _pki.Server(Host), _pki.Issuer));
        Assert.False(await TlsHandshake.SucceedsAsync(new PeerCheck(new ConfiguredTls(Host), TimeProvider.System, anchors), _pki.Server("x.test"), _pki.Issuer));
    }

    private PeerCheck Check(StsMode mode, bool trusted, bool matches = true) => new(
        new StsTls(Host, new StsPolicy(mode, TimeSpan.FromDays(1), [Host]), matches), TimeProvider.System, trusted ? [_pki.Root] : null);
}
