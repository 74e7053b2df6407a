using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Smtp.Server;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Smtp.Tests;

/// <summary>What a session demands, and for how long it waits.</summary>
public sealed class ServerLimitTests
{
    [Theory]
    [InlineData("DATA", "x")]
    [InlineData("BDAT 1000", "x")]
    [InlineData("BDAT 1", "xBDAT 1\r\n")]
    public async Task Message_that_drips_is_cut_at_its_deadline(string start, string drop)
    {
        var time = new FakeTimeProvider();
        await using var server = new TestServer(TestServer.Options() with { MessageTimeout = TimeSpan.FromMinutes(10) }, time: time, stepwise: true);
        await server.StartAsync(transaction: true);
        await server.SendAsync(start + "\r\n");
        // Each drop comes well before the deadline for one piece and for one command.
        for (var i = 0; i < 9; i++)
        {
            await server.SendAsync(drop);
            // A chunk is answered before the clock goes on, or the deadline could meet its answer.
            if (start == "BDAT 1")
                Assert.StartsWith("250", await server.ReplyAsync(), StringComparison.Ordinal);
            time.Advance(TimeSpan.FromMinutes(1));
        }
        Assert.False(server.Running.IsCompleted);
        for (var i = 0; i < 100 && !server.Running.IsCompleted; i++)
        {
            time.Advance(TimeSpan.FromMinutes(1));
            await Task.WhenAny(server.Running, Task.Delay(20, TestContext.Current.CancellationToken));
        }
        var last = "";
        while (await server.ReplyAsync() is { } reply)
            last = reply;
        Assert.StartsWith("421 4.4.2", last, StringComparison.Ordinal);
        Assert.Empty(server.Handler.Messages);
        Assert.Equal(1, server.Handler.SinksDisposed);
    }

    [Fact]
    public async Task The_next_message_has_all_of_its_time()
    {
        var time = new FakeTimeProvider();
        await using var server = new TestServer(TestServer.Options() with { MessageTimeout = TimeSpan.FromMinutes(10) }, time: time, stepwise: true);
        await server.StartAsync();
        for (var i = 0; i < 4; i++)
        {
            await server.AskAsync("MAIL FROM:<a@example.com>", "RCPT TO:<b@example.org>", "DATA");
            time.Advance(TimeSpan.FromMinutes(2));
            await server.SendAsync("x\r\n");
            time.Advance(TimeSpan.FromMinutes(2));
            Assert.StartsWith("250", await server.AskAsync("."), StringComparison.Ordinal);
        }
        Assert.Equal(4, server.Handler.Messages.Count);
    }

    [Fact]
    public async Task Owner_may_send_a_client_away_for_its_errors()
    {
        await using var server = new TestServer();
        await server.StartAsync();
        Assert.StartsWith("500", await server.AskAsync("FOO"), StringComparison.Ordinal);
        server.Handler.OnProtocolError = () => new SmtpReply(421, "4.7.0", "Too many errors from your address");
        Assert.StartsWith("250", await server.AskAsync("NOOP"), StringComparison.Ordinal);
        Assert.Equal("421 4.7.0 Too many errors from your address", await server.AskAsync("FOO"));
        Assert.Null(await server.ReplyAsync());
    }

    [Fact]
    public async Task Mail_waits_for_the_authentication_that_is_required()
    {
        var options = TestServer.Options() with { Tls = TestCertificate.Server, OfferAuthentication = true, RequireAuthentication = true };
        await using var server = new TestServer(options);
        await server.StartAsync();
        Assert.StartsWith("530 5.7.0 Authentication", await server.AskAsync("MAIL FROM:<a@example.com>"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task Clients_certificate_names_it_where_one_is_asked_for(bool asked, bool given)
    {
        var handler = new RecordingHandler { OnIdentify = (certificate, _) => certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false) };
        var options = TestServer.Options() with { Tls = TestCertificate.Server, AskForClientCertificate = asked };
        await using var server = new TestServer(options, handler);
        using var own = MakeCertificate("relay");
        await SendUnderTlsAsync(server, given ? own : null);
        Assert.Equal(asked && given ? "relay" : null, Assert.Single(handler.Messages).Peer.CertifiedAs);
        Assert.Empty(handler.Faults);
    }

    [Fact]
    public async Task Certificate_that_can_not_be_checked_breaks_nothing_and_gives_nothing()
    {
        var handler = new RecordingHandler { OnIdentify = (_, _) => throw new InvalidOperationException("bug") };
        await using var server = new TestServer(TestServer.Options() with { Tls = TestCertificate.Server, AskForClientCertificate = true }, handler);
        using var own = MakeCertificate("relay");
        await SendUnderTlsAsync(server, own);
        Assert.Null(Assert.Single(handler.Messages).Peer.CertifiedAs);
        Assert.Single(handler.Faults);
    }

    private static async Task SendUnderTlsAsync(TestServer server, X509Certificate2? own)
    {
        await server.StartAsync();
        Assert.StartsWith("220", await server.AskAsync("STARTTLS"), StringComparison.Ordinal);
        await using var tls = new SslStream(server.ClientStream, leaveInnerStreamOpen: true);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "mx.example.org",
            ClientCertificates = own is null ? null : [own],
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                certificate!.GetCertHashString() == TestCertificate.Instance.GetCertHashString(),
        });
        await tls.WriteAsync("EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n.\r\nQUIT\r\n"u8.ToArray());
        using var reader = new StreamReader(tls);
        Assert.Contains("221 ", await reader.ReadToEndAsync(), StringComparison.Ordinal);
    }

    private static X509Certificate2 MakeCertificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = DateTimeOffset.UtcNow;
        return new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256).CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }
}
