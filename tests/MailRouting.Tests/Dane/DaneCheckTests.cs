using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Dns;
using GatewaySecure.MailRouting.Dane;
using GatewaySecure.MailRouting.TlsReports;
using GatewaySecure.TestKit;

namespace GatewaySecure.MailRouting.Tests.Dane;

public sealed class DaneCheckTests : IDisposable
{
    private const string Host = "mx.example.test";

    private readonly ServerPki _pki = new();

    public void Dispose() => _pki.Dispose();

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 1)]
    [InlineData(0, 2)]
    [InlineData(1, 0)]
    [InlineData(1, 1)]
    [InlineData(1, 2)]
    public async Task Server_certificate_is_matched_by_every_selector_and_matching_type(byte selector, byte matching)
    {
        var server = _pki.Server(Host);
        Assert.Null(await CheckAsync(server, Record(3, selector, matching, server)));
        Assert.Equal(TlsResult.ValidationFailure, (await CheckAsync(_pki.Server(Host), Record(3, selector, matching, server)))!.Result);
    }

    [Fact]
    public async Task Neither_name_nor_dates_count_under_dane_ee()
    {
        var server = _pki.Server(DateTimeOffset.UtcNow.AddDays(-1), "elsewhere.test");
        Assert.Null(await CheckAsync(server, Record(3, 1, 1, server)));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(1, 0)]
    [InlineData(0, 2)]
    public async Task Issuer_that_the_server_sends_is_matched_under_dane_ta(byte selector, byte matching) =>
        Assert.Null(await CheckAsync(_pki.Server(Host), Record(2, selector, matching, _pki.Issuer)));

    [Fact]
    public void Root_above_the_issuer_is_matched_where_the_server_sends_both() =>
        Assert.Null(CheckChain(_pki.Server(Host), [_pki.Issuer, _pki.Root], Record(2, 0, 1, _pki.Root)));

    [Fact]
    public async Task Issuer_that_stands_whole_in_the_dns_need_not_be_sent() =>
        Assert.Null(await CheckAsync(_pki.Server(Host), [], Record(2, 0, 0, _pki.Issuer)));

    [Fact]
    public async Task Issuer_that_is_not_sent_cant_be_matched_by_its_digest() =>
        Assert.NotNull(await CheckAsync(_pki.Server(Host), [], Record(2, 0, 1, _pki.Issuer)));

    [Fact]
    public async Task Certificate_of_the_right_issuer_for_another_name_does_not_match() =>
        Assert.Equal(TlsResult.CertificateHostMismatch, (await CheckAsync(_pki.Server("other.test"), Record(2, 0, 1, _pki.Issuer)))!.Result);

    [Theory]
    [InlineData("example.test")]
    [InlineData("alias.test")]
    [InlineData("*.example.test")]
    public async Task Recipient_domain_its_alias_and_wildcards_are_names_under_dane_ta(string name) =>
        Assert.Null(await CheckAsync(_pki.Server(name), Record(2, 0, 1, _pki.Issuer)));

    [Fact]
    public async Task Expired_certificate_fails_under_dane_ta() =>
        Assert.Equal(
            TlsResult.CertificateExpired,
            (await CheckAsync(_pki.Server(DateTimeOffset.UtcNow.AddDays(-1), Host), Record(2, 0, 1, _pki.Issuer)))!.Result);

    [Fact]
    public async Task Certificate_that_only_claims_the_issuer_fails() =>
        Assert.Equal(TlsResult.CertificateNotTrusted, (await CheckAsync(_pki.Forged(_pki.Issuer, Host), Record(2, 0, 1, _pki.Issuer)))!.Result);

    [Fact]
    public void Issuer_that_is_sent_but_did_not_issue_fails()
    {
        using var other = new ServerPki("Other");
        Assert.Equal(
            TlsResult.CertificateNotTrusted,
            CheckChain(other.Server(Host), [other.Issuer, _pki.Issuer], Record(2, 0, 1, _pki.Issuer))!.Result);
    }

    [Fact]
    public async Task Anchor_does_not_stand_for_the_server_itself() =>
        Assert.NotNull(await CheckAsync(_pki.Server(Host), Record(3, 0, 1, _pki.Issuer)));

    [Fact]
    public async Task One_record_that_matches_is_enough() =>
        Assert.Null(await CheckAsync(_pki.Server(Host), Record(3, 1, 1, _pki.Root), Record(2, 0, 1, _pki.Issuer)));

    [Fact]
    public async Task Of_digests_of_one_kind_only_the_strongest_counts()
    {
        var server = _pki.Server(Host);
        Assert.NotNull(await CheckAsync(server, Record(3, 1, 1, server), Record(3, 1, 2, _pki.Root)));
        Assert.Null(await CheckAsync(server, Record(3, 0, 1, server), Record(3, 1, 2, _pki.Root)));
    }

    [Fact]
    public async Task Any_certificate_is_good_where_no_record_is_usable()
    {
        var records = new TlsaSet([new TlsaAssociation(0, 1, 1, [.. new byte[32]]), new TlsaAssociation(3, 1, 1, [1, 2]), new TlsaAssociation(3, 7, 1, [.. new byte[32]])]);
        Assert.False(records.IsUsable);
        Assert.True(await TlsHandshake.SucceedsAsync(Check(records), _pki.Server("whatever.test")));
    }

    private Task<TlsFailure?> CheckAsync(X509Certificate2 server, params TlsaAssociation[] records) => CheckAsync(server, [_pki.Issuer], records);

    private static async Task<TlsFailure?> CheckAsync(X509Certificate2 server, X509Certificate2[] intermediates, params TlsaAssociation[] records)
    {
        var check = Check(new TlsaSet(records));
        var succeeded = await TlsHandshake.SucceedsAsync(check, server, intermediates);
        Assert.Equal(succeeded, check.Failure is null);
        return check.Failure;
    }

    /// <summary>For what .NET's own server does not send: roots, and certificates that have nothing to do with its own.</summary>
    private static TlsFailure? CheckChain(X509Certificate2 server, X509Certificate2[] sent, params TlsaAssociation[] records)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.ExtraStore.AddRange(sent);
        var check = Check(new TlsaSet(records));
        Assert.Equal(check.Validate(server, server, chain, SslPolicyErrors.RemoteCertificateChainErrors), check.Failure is null);
        return check.Failure;
    }

    private static PeerCheck Check(TlsaSet records) => new(new DaneTls(Host, records, ["example.test", "alias.test"]), TimeProvider.System);

    private static TlsaAssociation Record(byte usage, byte selector, byte matching, X509Certificate2 certificate)
    {
        var content = selector == 0 ? certificate.RawData : certificate.PublicKey.ExportSubjectPublicKeyInfo();
        return new TlsaAssociation(usage, selector, matching, [.. matching switch
        {
            0 => content,
            1 => SHA256.HashData(content),
            _ => SHA512.HashData(content),
        }]);
    }
}
