using System.Net;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.KdcServer.Tests;

/// <summary>The client of a KDC server: it takes the pinned server alone, and nothing that it did not ask for; what is not an answer is "later".</summary>
public sealed class HttpKdcTests : IDisposable
{
    private const string MediaType = WireHolder.MediaType;

    private readonly ServerPki _pki = new();
    private readonly List<IDisposable> _made = [];

    private static CancellationToken Cancel => RunningKdc.Cancel;

    public void Dispose()
    {
        foreach (var made in _made)
            made.Dispose();
        _pki.Dispose();
    }

    [Fact]
    public async Task Tickets_come_from_the_pinned_server_and_from_no_other()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await AliceAsync(kdc);
        Assert.IsType<TicketOutcome.Granted>(await AskAsync(alice, Connect(kdc.Url, kdc.ServerCertificate)));
        // Another server's certificate, and another authority's with the right name.
        foreach (var trust in new[] { _pki.Server("localhost"), _pki.Root })
        {
            var later = Assert.IsType<TicketOutcome.Unavailable>(await AskAsync(alice, Connect(kdc.Url, trust)));
            Assert.Contains("pinned", later.Reason, StringComparison.Ordinal);
        }
        await kdc.StopAsync();
        Assert.Contains(
            "can't be reached", Assert.IsType<TicketOutcome.Unavailable>(await AskAsync(alice, Connect(kdc.Url, kdc.ServerCertificate))).Reason,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_of_the_pinned_authority_counts_for_its_own_name_alone()
    {
        using var right = _pki.Server("127.0.0.1");
        await using var good = await HttpsHost.StartAsync(right, _pki.Issuer);
        good.Answer = context => AnswerAsync(context, 500, []);
        var url = new Uri($"https://127.0.0.1:{good.Port}");
        Assert.Contains("status 500", (await LaterAsync(url)).Message, StringComparison.Ordinal);
        using var wrong = _pki.Server("kdc.example.net");
        good.Certificate = wrong;
        Assert.Contains("pinned", (await LaterAsync(url)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(200, "text/html", "no KDC")]
    [InlineData(302, MediaType, "status 302")]
    [InlineData(403, MediaType, "certificate")]
    [InlineData(429, MediaType, "status 429")]
    [InlineData(503, MediaType, "status 503")]
    public async Task Whatever_is_no_answer_is_later_and_never_no(int status, string type, string reason)
    {
        using var certificate = _pki.Server("127.0.0.1");
        await using var host = await HttpsHost.StartAsync(certificate, _pki.Issuer);
        host.Answer = context => AnswerAsync(context, status, [], type);
        Assert.Contains(reason, (await LaterAsync(new Uri($"https://127.0.0.1:{host.Port}"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_answer_about_standing_does_not_read_as_good_standing()
    {
        using var certificate = _pki.Server("127.0.0.1");
        await using var host = await HttpsHost.StartAsync(certificate, _pki.Issuer);
        host.Answer = context => AnswerAsync(context, 200, "{}"u8.ToArray(), "application/json");
        var kdc = Connect(new Uri($"https://127.0.0.1:{host.Port}"), _pki.Root);
        await Assert.ThrowsAsync<KdcUnavailableException>(
            () => kdc.StandingAsync(new TicketParty(PrincipalId.New(), MailAddress.Parse("alice@example.org")), Cancel).AsTask());
    }

    [Fact]
    public async Task An_earlier_reply_that_somebody_in_between_sends_again_is_rejected()
    {
        await using var kdc = await RunningKdc.StartAsync();
        var alice = await AliceAsync(kdc);
        var forward = kdc.Client();
        using var certificate = _pki.Server("127.0.0.1");
        await using var between = await HttpsHost.StartAsync(certificate, _pki.Issuer);
        byte[]? kept = null;
        between.Answer = async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, Cancel);
            using var content = new ByteArrayContent(body.ToArray());
            content.Headers.ContentType = new(MediaType);
            var answer = await (await forward.PostAsync(new Uri(context.Request.Path, UriKind.Relative), content, Cancel)).Content.ReadAsByteArrayAsync(Cancel);
            if (context.Request.Path.Value!.EndsWith("/tickets", StringComparison.Ordinal))
                answer = kept ??= answer;
            await AnswerAsync(context, 200, answer);
        };
        var url = new Uri($"https://127.0.0.1:{between.Port}");
        Assert.IsType<TicketOutcome.Granted>(await AskAsync(alice, Connect(url, _pki.Root)));
        var later = Assert.IsType<TicketOutcome.Unavailable>(await AskAsync(alice, Connect(url, _pki.Root)));
        Assert.Contains("not for this request", later.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-6)]
    [InlineData(6)]
    public async Task A_reply_whose_time_is_far_from_the_requesters_clock_is_rejected(int minutes)
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow.AddMinutes(minutes));
        await using var kdc = await RunningKdc.StartAsync(time: time);
        var alice = await AliceAsync(kdc);
        var later = Assert.IsType<TicketOutcome.Unavailable>(await AskAsync(alice, Connect(kdc.Url, kdc.ServerCertificate)));
        Assert.Contains("clock", later.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_gateway_whose_certificate_is_not_on_record_waits_instead_of_bouncing_mail()
    {
        using var certificate = _pki.Client(null, "gateway.example.org");
        await using var kdc = await RunningKdc.StartAsync();
        await AliceAsync(kdc);
        var gateway = await kdc.AddGatewayAsync("gateway", certificate: null);
        var connection = Connect(kdc.Url, kdc.ServerCertificate, certificate);
        var later = Assert.IsType<TicketOutcome.Unavailable>(await AskAsync(gateway, connection, Evidence.Auth));
        Assert.Contains("certificate", later.Reason, StringComparison.Ordinal);
        var unknown = await Assert.ThrowsAsync<KdcUnavailableException>(
            () => connection.PreviewAsync(MailAddress.Parse("alice@example.org"), Cancel).AsTask());
        Assert.Contains("kdc principal certificate", unknown.Message, StringComparison.Ordinal);
    }

    private static async Task<WireHolder> AliceAsync(RunningKdc kdc)
    {
        await kdc.AddUserAsync("bob");
        return await kdc.AddUserAsync("alice");
    }

    private static async Task<TicketOutcome> AskAsync(WireHolder who, HttpKdc kdc, Evidence evidence = Evidence.Card)
    {
        var client = new KdcClient(
            Realm.Parse("example.org"), PrincipalId.FromOctets(who.Principal), new InMemory(who.Key), kdc, kdc, TimeProvider.System);
        var order = new TicketOrder(
            MailAddress.Parse("alice@example.org"), [MailAddress.Parse("bob@example.org")], WireHolder.Commitment(), evidence);
        return await client.RequestAsync(order, Cancel);
    }

    private async Task<KdcUnavailableException> LaterAsync(Uri url)
    {
        var kdc = Connect(url, _pki.Root);
        return await Assert.ThrowsAsync<KdcUnavailableException>(() => kdc.ChallengeAsync(new byte[1], Cancel).AsTask());
    }

    private HttpKdc Connect(Uri url, X509Certificate2 trust, X509Certificate2? client = null)
    {
        var kdc = new HttpKdc(new KdcServerAddress(url, [trust], client, TimeSpan.FromSeconds(20)), TimeProvider.System);
        _made.Add(kdc);
        return kdc;
    }

    private static async Task AnswerAsync(Microsoft.AspNetCore.Http.HttpContext context, int status, byte[] body, string type = MediaType)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        await context.Response.Body.WriteAsync(body, Cancel);
    }

    private sealed class InMemory(byte[] key) : IMasterKey
    {
        public ValueTask<byte[]> DecryptBlocksAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
        {
            using var aes = System.Security.Cryptography.Aes.Create();
            aes.Key = key;
            return new(aes.DecryptCbc(input.Span, new byte[16], System.Security.Cryptography.PaddingMode.None));
        }
    }
}
