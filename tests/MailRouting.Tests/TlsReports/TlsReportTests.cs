using System.IO.Compression;
using System.Net;
using System.Text.Json;
using GatewaySecure.Addresses;
using GatewaySecure.MailRouting.TlsReports;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using MimeKit;

namespace GatewaySecure.MailRouting.Tests.TlsReports;

public sealed class TlsReportTests(RoutingFixture fixture) : IDisposable, ITlsReportOutbox
{
    private static readonly ReportedPolicy Sts = new("sts", "report.test", ["version: STSv1", "mode: testing"], ["mx.report.test"]);

    private readonly TempDirectory _directory = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly List<TlsReportMail> _sent = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    Task ITlsReportOutbox.SendAsync(TlsReportMail mail, CancellationToken cancellationToken)
    {
        _sent.Add(mail);
        return Task.CompletedTask;
    }

    [Fact]
    public async Task Report_of_the_day_goes_out_by_mail_as_the_standard_has_it()
    {
        await AskForReportsAsync("mailto:tls@report.test");
        var counts = Counts();
        Count(counts);
        await Sender(counts).RunAsync(Token);
        Assert.Empty(_sent);

        _time.Advance(TimeSpan.FromDays(1));
        await Sender(counts).RunAsync(Token);
        var sent = Assert.Single(_sent);
        Assert.Equal("tls@report.test", sent.Recipient.ToString());
        var mail = await MimeMessage.LoadAsync(new MemoryStream(sent.Content), Token);
        Assert.Equal("report.test", mail.Headers["TLS-Report-Domain"]);
        Assert.Equal("example.org", mail.Headers["TLS-Report-Submitter"]);
        Assert.Equal("Report Domain: report.test Submitter: example.org Report-ID: <2026-03-01_report.test@example.org>", mail.Subject);
        Assert.Equal("postmaster@example.org", Assert.Single(mail.From.Mailboxes).Address);
        var body = Assert.IsType<MultipartReport>(mail.Body);
        Assert.Equal("tlsrpt", body.ReportType);
        var attachment = Assert.IsType<MimePart>(body[1]);
        Assert.Equal("application/tlsrpt+gzip", attachment.ContentType.MimeType);
        Assert.Equal("example.org!report.test!1772323200!1772409599.json.gz", attachment.FileName);

        using var gzip = new GZipStream(attachment.Content!.Open(), CompressionMode.Decompress);
        var json = (await JsonDocument.ParseAsync(gzip, cancellationToken: Token)).RootElement;
        Assert.Equal("2026-03-01T00:00:00Z", json.GetProperty("date-range").GetProperty("start-datetime").GetString());
        Assert.Equal("2026-03-01T23:59:59Z", json.GetProperty("date-range").GetProperty("end-datetime").GetString());
        Assert.Equal("example.org", json.GetProperty("organization-name").GetString());
        var policies = json.GetProperty("policies").EnumerateArray().ToList();
        Assert.Equal(["no-policy-found", "sts"], policies.Select(p => p.GetProperty("policy").GetProperty("policy-type").GetString()!).Order());
        var sts = policies.Single(p => p.GetProperty("policy").GetProperty("policy-type").GetString() == "sts");
        Assert.Equal("mx.report.test", sts.GetProperty("policy").GetProperty("mx-host")[0].GetString());
        Assert.Equal(2, sts.GetProperty("summary").GetProperty("total-successful-session-count").GetInt32());
        Assert.Equal(3, sts.GetProperty("summary").GetProperty("total-failure-session-count").GetInt32());
        var failures = sts.GetProperty("failure-details").EnumerateArray().ToList();
        Assert.Equal(
            [("certificate-host-mismatch", 2), ("starttls-not-supported", 1)],
            failures.Select(f => (f.GetProperty("result-type").GetString()!, f.GetProperty("failed-session-count").GetInt32())));
        Assert.Equal("127.0.0.9", failures[0].GetProperty("receiving-ip").GetString());
    }

    [Fact]
    public async Task Report_is_sent_once()
    {
        await AskForReportsAsync("mailto:tls@report.test,mailto:second@report.test");
        var counts = Counts();
        Count(counts);
        _time.Advance(TimeSpan.FromDays(1));
        await Sender(counts).RunAsync(Token);
        await Sender(counts).RunAsync(Token);
        await Sender(Counts()).RunAsync(Token);
        Assert.Equal(["tls@report.test", "second@report.test"], _sent.Select(m => m.Recipient.ToString()));
        Assert.Empty(Directory.GetFiles(_directory["counts"]));
    }

    [Fact]
    public async Task Counts_go_on_after_a_restart()
    {
        await AskForReportsAsync("mailto:tls@report.test");
        var counts = Counts();
        Count(counts);
        counts.Save();
        var again = Counts();
        Count(again);
        again.Save();
        var kept = Assert.Single(again.Complete().Concat(await TomorrowAsync()));
        Assert.Equal(6, kept.Counts.Policies.Single(p => p.Policy.Type == "sts").Failed);

        Task<IReadOnlyList<(DateOnly, string, DomainCounts Counts)>> TomorrowAsync()
        {
            _time.Advance(TimeSpan.FromDays(1));
            return Task.FromResult(Counts().Complete());
        }
    }

    [Fact]
    public async Task Who_asks_for_no_report_gets_none()
    {
        await fixture.Dns.ChangeAsync(new DnsZone("report.test", "@ TXT \"nothing\""));
        var counts = Counts();
        Count(counts);
        _time.Advance(TimeSpan.FromDays(1));
        await Sender(counts).RunAsync(Token);
        Assert.Empty(_sent);
        Assert.Empty(counts.Complete());
    }

    [Fact]
    public async Task Dns_that_fails_is_asked_again_for_two_days()
    {
        await fixture.Dns.ChangeAsync(new DnsZone("report.test", "_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:tls@report.test\"", ZoneTrust.Bogus));
        var counts = Counts();
        Count(counts);
        _time.Advance(TimeSpan.FromDays(1));
        await Sender(counts).RunAsync(Token);
        Assert.Single(counts.Complete());
        await AskForReportsAsync("mailto:tls@report.test");
        _time.Advance(TimeSpan.FromDays(1));
        await Sender(counts).RunAsync(Token);
        Assert.Single(_sent);

        Count(counts);
        _time.Advance(TimeSpan.FromDays(3));
        await Sender(counts).RunAsync(Token);
        Assert.Single(_sent);
        Assert.Empty(counts.Complete());
    }

    [Fact]
    public async Task Report_goes_out_by_https_and_is_tried_again_there_only()
    {
        using var pki = new ServerPki(now: _time.GetUtcNow());
        await using var host = await HttpsHost.StartAsync(pki.Server("reports.report.test"), pki.Issuer);
        var posted = new List<(string? Type, byte[] Content)>();
        host.Answer = async context =>
        {
            using var content = new MemoryStream();
            await context.Request.Body.CopyToAsync(content, Token);
            posted.Add((context.Request.ContentType, content.ToArray()));
            context.Response.StatusCode = posted.Count == 1 ? 503 : 201;
        };
        await AskForReportsAsync($"https://reports.report.test:{host.Port}/tls,mailto:tls@report.test");
        var counts = Counts();
        Count(counts);
        _time.Advance(TimeSpan.FromDays(1));
        await Sender(counts, pki).RunAsync(Token);
        Assert.Single(_sent);
        Assert.Single(posted);

        await Sender(Counts(), pki).RunAsync(Token);
        Assert.Single(_sent);
        Assert.Equal(2, posted.Count);
        Assert.Equal("application/tlsrpt+gzip", posted[1].Type);
        using var gzip = new GZipStream(new MemoryStream(posted[1].Content), CompressionMode.Decompress);
        Assert.Equal("2026-03-01_report.test@example.org", (await JsonDocument.ParseAsync(gzip, cancellationToken: Token)).RootElement.GetProperty("report-id").GetString());
        Assert.Empty(Counts().Complete());
    }

    [Theory]
    [InlineData("mailto:bad address@report.test")]
    [InlineData("mailto:a%0d%0aBcc%3A%20x%40y.test@report.test")]
    [InlineData("http://report.test/")]
    [InlineData("ftp://report.test/")]
    public async Task Target_that_is_none_is_not_used(string target)
    {
        await AskForReportsAsync(target);
        var counts = Counts();
        Count(counts);
        _time.Advance(TimeSpan.FromDays(1));
        await Sender(counts).RunAsync(Token);
        Assert.Empty(_sent);
        Assert.Empty(counts.Complete());
    }

    [Fact]
    public void What_others_choose_is_bounded()
    {
        var counts = new DomainCounts();
        for (var i = 0; i < 2000; i++)
        {
            counts.Count(new TlsSession("a.test", Sts, $"mx{i}.test", null, new TlsFailure(TlsResult.ValidationFailure, "x")));
            counts.Count(new TlsSession("a.test", Sts with { Domain = $"d{i}.test" }, "mx.test", null, null));
        }
        Assert.Equal(50, counts.Policies.Count);
        Assert.Equal((500, 2000), (counts.Policies[0].Failures.Count, counts.Policies[0].Failed));
    }

    private static void Count(TlsReportCounts counts)
    {
        var address = IPAddress.Parse("127.0.0.9");
        var mismatch = new TlsFailure(TlsResult.CertificateHostMismatch, "the certificate is not for mx.report.test");
        counts.Count(new TlsSession("report.test", Sts, "mx.report.test", address, null));
        counts.Count(new TlsSession("report.test", Sts, "mx.report.test", address, null));
        counts.Count(new TlsSession("report.test", Sts, "mx.report.test", address, mismatch));
        counts.Count(new TlsSession("report.test", Sts, "mx.report.test", address, mismatch));
        counts.Count(new TlsSession("report.test", Sts, "mx.report.test", address, new TlsFailure(TlsResult.StartTlsNotSupported, "no STARTTLS")));
        counts.Count(new TlsSession("report.test", ReportedPolicy.None("report.test"), "mx.report.test", address, null));
    }

    private Task AskForReportsAsync(string rua) =>
        fixture.Dns.ChangeAsync(new DnsZone("report.test", $"_smtp._tls TXT \"v=TLSRPTv1; rua={rua}\"\nreports A 127.0.0.1"));

    private TlsReportCounts Counts() => new(_directory["counts"], _time, NullLogger.Instance);

    private TlsReportSender Sender(TlsReportCounts counts, ServerPki? pki = null) => new(
        counts,
        RoutingFixture.Resolver(fixture.Dns, TimeProvider.System),
        this,
        new TlsReporter(DomainName.Parse("example.org"), MailAddress.Parse("postmaster@example.org")),
        _time,
        NullLogger.Instance,
        pki is null ? null : [pki.Root]);
}
