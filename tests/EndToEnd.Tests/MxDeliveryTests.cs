using System.IO.Compression;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using GatewaySecure.MailRouting.TlsReports;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Logging.Abstractions;
using MimeKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Mail to the recipients' own hosts by a DNS of our own, to servers on port 25 and a policy host on port 443 of loopback addresses.</summary>
public sealed class MxDeliveryTests : IAsyncLifetime
{
    /// <summary>The gateway keeps answers no longer than this.</summary>
    private const string ShortLife = "$TTL 2\n";

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly IPAddress _address = Loopback.OwnAddress();
    private readonly ServerPki _pki = new();
    private readonly TempDirectory _directory = new();
    private readonly SmtpSink _elsewhere = new();
    private PrivateDns _dns = null!;
    private GatewayProcess? _gateway;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _dns = await PrivateDns.StartAsync(Zone($"mx A {_address}"));

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
            await _gateway.DisposeAsync();
        await _dns.DisposeAsync();
        await _elsewhere.DisposeAsync();
        _pki.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task Mail_under_dane_is_delivered_under_tls_to_the_certificate_of_the_record()
    {
        var certificate = _pki.Server("mx.partner.test");
        await _dns.ChangeAsync(Zone($"@ MX 10 mx\nmx A {_address}\n_25._tcp.mx TLSA {TlsaRecords.OfKey(certificate)}"));
        await using var sink = Sink(certificate);
        await StartAsync();
        await SendAsync();
        await sink.WaitForAsync(1, Deadline);
        Assert.True(Assert.Single(sink.Messages).IsTls);
    }

    [Fact]
    public async Task Mail_under_dane_waits_where_the_certificate_is_another_and_goes_once_it_is_right()
    {
        var certificate = _pki.Server("mx.partner.test");
        await _dns.ChangeAsync(Zone($"@ MX 10 mx\nmx A {_address}\n_25._tcp.mx TLSA {TlsaRecords.OfKey(_pki.Root)}"));
        await using var sink = Sink(certificate);
        await StartAsync();
        await SendAsync();
        await _gateway!.Child.WaitForLineAsync("required by DANE", Deadline);
        Assert.Equal(0, sink.Count);
        Assert.Contains("DANE", (await _gateway.QueueAsync()).GetRawText(), StringComparison.Ordinal);

        await _dns.ChangeAsync(Zone($"@ MX 10 mx\nmx A {_address}\n_25._tcp.mx TLSA {TlsaRecords.OfKey(certificate)}"));
        await sink.WaitForAsync(1, Deadline);
        Assert.True(Assert.Single(sink.Messages).IsTls);
        Assert.Equal(0, _elsewhere.Count);
    }

    [Fact]
    public async Task Mail_under_mta_sts_waits_where_the_certificate_has_another_name_and_goes_once_it_is_right()
    {
        await using var policy = await PolicyAsync("enforce");
        await StartAsync();
        await using (var wrong = Sink(_pki.Server("other.test")))
        {
            await SendAsync();
            await _gateway!.Child.WaitForLineAsync("required by MTA-STS", Deadline);
            Assert.Equal(0, wrong.Count);
        }
        await using var right = Sink(_pki.Server("mx.partner.test"));
        await right.WaitForAsync(1, Deadline);
        Assert.True(Assert.Single(right.Messages).IsTls);
    }

    [Fact]
    public async Task Mta_sts_in_testing_mode_delivers_and_counts()
    {
        await using var policy = await PolicyAsync("testing");
        await using var sink = Sink(_pki.Server("other.test"));
        await StartAsync("tls-reports:\n  from: postmaster@example.org\n");
        await SendAsync();
        await sink.WaitForAsync(1, Deadline);
        await _gateway!.Child.StopAsync();
        var counts = File.ReadAllText(Assert.Single(Directory.GetFiles(Path.Combine(_gateway.State, "tls-reports"))));
        Assert.Contains("CertificateHostMismatch", counts, StringComparison.Ordinal);
        Assert.Contains("mode: testing", counts, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mail_waits_while_the_dns_fails_and_goes_once_it_is_back()
    {
        await using var sink = Sink(null);
        await _dns.ChangeAsync(Zone($"@ MX 10 mx\nmx A {_address}"));
        await StartAsync();
        await _dns.StopAuthorityAsync();
        for (var i = 0; i < 5; i++)
            await SendAsync();
        await _gateway!.Child.WaitForLineAsync("4.4.3", Deadline);
        Assert.Equal(0, sink.Count);
        await _dns.StartAuthorityAsync();
        await sink.WaitForAsync(5, Deadline);
        Assert.Equal(5, sink.Messages.Select(m => Encoding.ASCII.GetString(m.Content).Split("Message-ID:")[1].Split('\r')[0]).Distinct().Count());
        Assert.Equal(0, _elsewhere.Count);
    }

    [Fact]
    public async Task Mail_to_a_domain_that_takes_none_comes_back()
    {
        await _dns.ChangeAsync(Zone("@ MX 0 ."));
        await StartAsync();
        await SendAsync();
        // The report to alice goes to the default next hop.
        await _elsewhere.WaitForAsync(1, Deadline);
        await _gateway!.Child.WaitForLineAsync("5.1.10", Deadline);
    }

    [Fact]
    public async Task Tls_report_of_yesterday_goes_out_by_mail()
    {
        await _dns.ChangeAsync(Zone($"@ MX 10 mx\nmx A {_address}\n_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:reports@partner.test\""));
        await using var sink = Sink(_pki.Server("mx.partner.test"));
        Make("tls-reports:\n  from: postmaster@example.org\n");
        var yesterday = new Yesterday();
        var counts = new TlsReportCounts(Path.Combine(_gateway!.State, "tls-reports"), yesterday, NullLogger.Instance);
        counts.Count(new TlsSession("partner.test", ReportedPolicy.None("partner.test"), "mx.partner.test", _address, null));
        counts.Save();
        await _gateway.StartAsync();
        await sink.WaitForAsync(1, Deadline);
        var message = Assert.Single(sink.Messages);
        Assert.Equal(("postmaster@example.org", "reports@partner.test"), (message.From, Assert.Single(message.Recipients)));
        var mail = await MimeMessage.LoadAsync(new MemoryStream(message.Content), Token);
        Assert.Equal("partner.test", mail.Headers["TLS-Report-Domain"]);
        using var gzip = new GZipStream(((MimePart)((Multipart)mail.Body!)[1]).Content!.Open(), CompressionMode.Decompress);
        var json = (await JsonDocument.ParseAsync(gzip, cancellationToken: Token)).RootElement;
        Assert.Equal(1, json.GetProperty("policies")[0].GetProperty("summary").GetProperty("total-successful-session-count").GetInt32());
    }

    [Fact]
    public async Task Route_show_tells_hosts_tls_and_why()
    {
        var certificate = _pki.Server("mx.partner.test");
        await _dns.ChangeAsync(Zone($"@ MX 10 mx\n@ MX 20 mx2\nmx A {_address}\nmx2 A {_address}\n_25._tcp.mx TLSA {TlsaRecords.OfKey(certificate)}"));
        Make();
        var shown = (await _gateway!.ToolAsync("route", "show", "partner.test", "--config", _gateway.ConfigurationFile)).Checked();
        Assert.Contains("10 mx.partner.test", shown.Text, StringComparison.Ordinal);
        Assert.Contains("required by DANE", shown.Text, StringComparison.Ordinal);
        Assert.Contains("opportunistic", shown.Text, StringComparison.Ordinal);
        var json = JsonDocument.Parse((await _gateway.ToolAsync("route", "show", "partner.test", "--config", _gateway.ConfigurationFile, "--json")).Checked().Output);
        Assert.Equal("mx.partner.test", json.RootElement.GetProperty("hosts")[0].GetProperty("name").GetString());
        Assert.False(Directory.Exists(Path.Combine(_gateway.State, "mta-sts")));

        var refused = await _gateway.ToolAsync("route", "show", "nowhere.partner.test", "--config", _gateway.ConfigurationFile);
        Assert.Contains("5.1.2", refused.Text, StringComparison.Ordinal);
        var smartHost = (await _gateway.ToolAsync("route", "show", "example.org", "--config", _gateway.ConfigurationFile)).Checked();
        Assert.Contains($"127.0.0.1:{_elsewhere.Port}", smartHost.Text, StringComparison.Ordinal);
    }

    private static DnsZone Zone(string records) => new("partner.test", ShortLife + records);

    private void Make(string more = "")
    {
        // Where the platform looks for trusted CAs.
        var roots = _directory["roots.pem"];
        _gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = _elsewhere.Port,
            MxDomains = ["partner.test", "*.partner.test"],
            Environment = new Dictionary<string, string> { ["SSL_CERT_FILE"] = roots },
            More = $"dns:\n  resolver: '{_dns.Resolver}'\n  trusted: true\n{more}",
        });
        File.WriteAllText(roots, _pki.Root.ExportCertificatePem());
    }

    private Task StartAsync(string more = "")
    {
        Make(more);
        return _gateway!.StartAsync();
    }

    private async Task<HttpsHost> PolicyAsync(string mode)
    {
        var address = Loopback.OwnAddress();
        var host = await HttpsHost.StartAsync(_pki.Server("mta-sts.partner.test"), _pki.Issuer, address, 443);
        host.Serve($"version: STSv1\nmode: {mode}\nmx: mx.partner.test\nmax_age: 604800\n");
        await _dns.ChangeAsync(Zone($"@ MX 10 mx\nmx A {_address}\nmta-sts A {address}\n_mta-sts TXT \"v=STSv1; id=1\""));
        return host;
    }

    private SmtpSink Sink(X509Certificate2? certificate) => new(
        new SmtpSinkOptions
        {
            Keep = true,
            Tls = certificate is null ? null : new SslServerAuthenticationOptions
            {
                ServerCertificateContext = SslStreamCertificateContext.Create(certificate, [_pki.Issuer], offline: true),
            },
        },
        25,
        _address);

    private async Task SendAsync()
    {
        using var talker = await SmtpTalker.GreetAsync(_gateway!.RelayPort);
        var text = Mails.Text(Mails.NewId(), "alice@example.org", "bob@partner.test");
        Assert.StartsWith("250 2.0.0", await talker.DeliverAsync("alice@example.org", "bob@partner.test", Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
    }

    private sealed class Yesterday : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow().AddDays(-1);
    }
}
