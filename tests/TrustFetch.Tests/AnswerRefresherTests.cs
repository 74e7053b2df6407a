using System.Diagnostics;
using System.Globalization;
using GatewaySecure.TestKit;
using GatewaySecure.Trust;
using GatewaySecure.Trust.Revocation;
using GatewaySecure.Trust.Tests;
using Microsoft.AspNetCore.Http;
using Org.BouncyCastle.Ocsp;

namespace GatewaySecure.TrustFetch.Tests;

/// <summary>Answers from OpenSSL's responder, and from ones that don't do as they should.</summary>
public sealed class AnswerRefresherTests : IDisposable
{
    private static readonly Authority s_root = Authority.Root();

    private readonly TempDirectory _folder = new();
    private readonly HttpFetcher _http = new(new FetchLimits { MaximumOctets = 20_000, Time = TimeSpan.FromSeconds(5) });

    public void Dispose()
    {
        _http.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Openssl_is_asked_and_its_answer_decides()
    {
        var alice = s_root.Issue("CN=Alice");
        var mallory = s_root.Issue("CN=Mallory");
        await File.WriteAllTextAsync(_folder["ca.pem"], s_root.Certificate.ExportCertificatePem(), Token);
        await File.WriteAllTextAsync(_folder["ca.key"], s_root.Key.ExportPkcs8PrivateKeyPem(), Token);
        await File.WriteAllTextAsync(
            _folder["index"],
            $"V\t280101000000Z\t\t{alice.SerialNumber}\tunknown\t/CN=Alice\nR\t280101000000Z\t261101000000Z,keyCompromise\t{mallory.SerialNumber}\tunknown\t/CN=Mallory\n",
            Token);
        var port = Loopback.FreePort();
        using var openssl = await StartResponderAsync(port);
        var answers = new AnswerRefresher(_folder["answers"], _http, TimeProvider.System);
        var responder = new FetchSource(new Uri($"http://127.0.0.1:{port}/"), IsListed: true, TimeSpan.FromMinutes(10));
        Assert.Equal(DateTimeOffset.MinValue, answers.DueAt(alice));
        Assert.Null(await answers.RefreshAsync(alice, s_root.Certificate, responder, Token));
        Assert.Null(await answers.RefreshAsync(mallory, s_root.Certificate, responder, Token));
        // Two thirds of half an hour.
        Assert.InRange(answers.DueAt(alice), DateTimeOffset.UtcNow.AddMinutes(15), DateTimeOffset.UtcNow.AddMinutes(21));

        var kept = CertificateFiles.ReadAnswers([_folder["answers"]], []);
        var validator = new PathValidator(
            [s_root.Certificate], [], RevocationSnapshot.Create([], kept), new(new(RevocationPolicy.Required)));
        Assert.True(validator.Validate(alice, [], DateTimeOffset.UtcNow).IsGood);
        Assert.Equal(
            "It was revoked on 2026-11-01 because its key was compromised.",
            Assert.Single(validator.Validate(mallory, [], DateTimeOffset.UtcNow).Rejections).Text);

        answers.KeepOnly([alice]);
        Assert.Single(Directory.EnumerateFiles(_folder["answers"]));
        openssl.Kill();
    }

    public static TheoryData<string, string> Faults => new()
    {
        { "gone", "it answers 503" },
        { "later", "gave no answer" },
        { "garbage", "malformed" },
        { "huge", "longer than" },
        { "another", "not about CN=Alice" },
        { "forged", "not about CN=Alice" },
        { "stale", "not about CN=Alice" },
        { "replayed", "answers another request" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Whatever_else_comes_nothing_is_kept_and_the_reason_is_told(string fault, string reason)
    {
        var alice = s_root.Issue("CN=Alice");
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(Authority.Now);
        byte[] body = fault switch
        {
            "later" => [0x30, 0x03, 0x0A, 0x01, 0x03],
            "garbage" => "hello"u8.ToArray(),
            "huge" => new byte[30_000],
            "another" => s_root.Answer(s_root.Issue("CN=Bob"), CertificateStatus.Good),
            "forged" => s_root.Answer(alice, CertificateStatus.Good, Authority.Root("CN=Stranger")),
            "stale" => s_root.Answer(alice, CertificateStatus.Good, thisUpdate: Authority.Now.AddDays(-2), nextUpdate: Authority.Now.AddDays(-1)),
            "replayed" => s_root.Answer(alice, CertificateStatus.Good, nonce: new byte[32]),
            _ => [],
        };
        await using var server = await HttpHost.StartAsync();
        server.Answer = async context =>
        {
            context.Response.StatusCode = fault == "gone" ? 503 : 200;
            await context.Response.Body.WriteAsync(body);
        };
        var answers = new AnswerRefresher(_folder["answers"], _http, clock);
        var problem = await answers.RefreshAsync(
            alice, s_root.Certificate, new FetchSource(server.Address, IsListed: true, TimeSpan.FromMinutes(10)), Token);
        Assert.Contains(reason, problem!, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(_folder["answers"]));
    }

    /// <summary>Known to listen by its word: a connection without a request, such as a test of its port, leaves it deaf.</summary>
    private async Task<Process> StartResponderAsync(int port)
    {
        var openssl = Process.Start(new ProcessStartInfo(
            "openssl",
            ["ocsp", "-index", _folder["index"], "-port", port.ToString(CultureInfo.InvariantCulture), "-CA", _folder["ca.pem"], "-rsigner", _folder["ca.pem"], "-rkey", _folder["ca.key"], "-nmin", "30", "-timeout", "60"])
        { RedirectStandardError = true, RedirectStandardOutput = true })!;
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (await openssl.StandardError.ReadLineAsync(patience.Token) is { } line && !line.Contains("waiting", StringComparison.Ordinal))
        {
        }
        return openssl;
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;
}
