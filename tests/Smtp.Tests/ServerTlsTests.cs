using System.Net.Security;
using System.Text;
using GatewaySecure.Smtp.Server;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Smtp.Tests;

public sealed class ServerTlsTests
{
    private static SmtpServerOptions Options => TestServer.Options() with { Tls = TestCertificate.Server, OfferAuthentication = true };

    [Theory]
    [InlineData("STARTTLS\r\nNOOP\r\n")]
    [InlineData("STARTTLS\r\nx")]
    [InlineData("NOOP\r\nSTARTTLS\r\n\r\n")]
    public async Task Clear_text_behind_starttls_closes_the_connection_unanswered(string said)
    {
        await using var server = new TestServer(Options);
        await server.StartAsync();
        await server.SendAsync(said);
        if (said.StartsWith("NOOP", StringComparison.Ordinal))
            Assert.StartsWith("250", await server.ReplyAsync(), StringComparison.Ordinal);
        Assert.Null(await server.ReplyAsync());
        Assert.Single(server.Handler.Faults);
    }

    [Fact]
    public async Task What_was_said_in_clear_is_forgotten_under_tls()
    {
        await using var server = new TestServer(Options);
        await server.StartAsync();
        Assert.Equal("501 5.5.4 No parameters allowed", await server.AskAsync("STARTTLS now"));
        await using var tls = await UpgradeAsync(server);
        Assert.StartsWith("503 5.5.1 Say EHLO first", await AskAsync(tls, "MAIL FROM:<a@example.com>"), StringComparison.Ordinal);
        var hello = await AskAsync(tls, "EHLO client.example");
        Assert.Contains("250 AUTH PLAIN LOGIN\r\n", hello, StringComparison.Ordinal);
        Assert.DoesNotContain("STARTTLS", hello, StringComparison.Ordinal);
        Assert.StartsWith("503 5.5.1", await AskAsync(tls, "STARTTLS"), StringComparison.Ordinal);
        Assert.StartsWith("221", await AskAsync(tls, "QUIT"), StringComparison.Ordinal);
        // The end is told under TLS too, so nobody can cut the dialogue short unseen.
        Assert.Equal(0, await tls.ReadAsync(new byte[1], TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Open_transaction_must_be_ended_before_starttls()
    {
        await using var server = new TestServer(Options);
        await server.StartAsync(transaction: true);
        Assert.StartsWith("503", await server.AskAsync("STARTTLS"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Authentication_exchanges_end_as_they_should()
    {
        await using var server = new TestServer(Options with { MaxAuthenticationAttempts = 3 });
        await server.StartAsync();
        await using var tls = await UpgradeAsync(server);
        await AskAsync(tls, "EHLO client.example");
        Assert.StartsWith("504 5.5.4", await AskAsync(tls, "AUTH CRAM-MD5"), StringComparison.Ordinal);
        Assert.StartsWith("501 5.5.2", await AskAsync(tls, "AUTH PLAIN !!!!"), StringComparison.Ordinal);
        Assert.StartsWith("501 5.5.2", await AskAsync(tls, "AUTH PLAIN " + Base64("\0a\0")), StringComparison.Ordinal);
        Assert.Equal("334 \r\n", await AskAsync(tls, "AUTH PLAIN"));
        Assert.StartsWith("501 5.7.0", await AskAsync(tls, "*"), StringComparison.Ordinal);
        Assert.StartsWith("535 5.7.8", await AskAsync(tls, "AUTH PLAIN " + Base64("other\0user\0secret")), StringComparison.Ordinal);
        Assert.StartsWith("334 VXNlcm5hbWU6", await AskAsync(tls, "AUTH LOGIN"), StringComparison.Ordinal);
        Assert.StartsWith("334 UGFzc3dvcmQ6", await AskAsync(tls, Base64("user")), StringComparison.Ordinal);
        Assert.StartsWith("235 2.7.0", await AskAsync(tls, Base64("secret")), StringComparison.Ordinal);
        Assert.StartsWith("503 5.5.1", await AskAsync(tls, "AUTH LOGIN"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Last_wrong_password_is_answered_with_421()
    {
        await using var server = new TestServer(Options with { MaxAuthenticationAttempts = 2 });
        await server.StartAsync();
        await using var tls = await UpgradeAsync(server);
        await AskAsync(tls, "EHLO client.example");
        Assert.StartsWith("535 5.7.8", await AskAsync(tls, "AUTH PLAIN " + Base64("\0user\0wrong")), StringComparison.Ordinal);
        Assert.StartsWith("421 4.7.0", await AskAsync(tls, "AUTH PLAIN " + Base64("\0user\0wrong")), StringComparison.Ordinal);
        Assert.Equal(0, await tls.ReadAsync(new byte[1], TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Handshake_that_never_comes_ends_by_its_own_deadline()
    {
        var time = new FakeTimeProvider();
        await using var server = new TestServer(Options with { ImplicitTls = true }, time: time);
        for (var i = 0; i < 200 && !server.Running.IsCompleted; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAny(server.Running, Task.Delay(10, TestContext.Current.CancellationToken));
        }
        Assert.True(server.Running.IsCompleted);
        Assert.Single(server.Handler.Faults);
    }

    [Fact]
    public async Task Garbage_for_a_handshake_ends_the_session_quietly()
    {
        await using var server = new TestServer(Options);
        await server.StartAsync();
        Assert.StartsWith("220", await server.AskAsync("STARTTLS"), StringComparison.Ordinal);
        await server.SendAsync("EHLO client.example\r\n");
        await server.Running.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.Single(server.Handler.Faults);
    }

    private static async Task<SslStream> UpgradeAsync(TestServer server)
    {
        Assert.Equal("220 2.0.0 Ready to start TLS", await server.AskAsync("STARTTLS"));
        var tls = new SslStream(server.ClientStream, leaveInnerStreamOpen: true);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "mx.example.org",
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                certificate!.GetCertHashString() == TestCertificate.Instance.GetCertHashString(),
        });
        return tls;
    }

    private static async Task<string> AskAsync(SslStream tls, string line)
    {
        await tls.WriteAsync(Encoding.ASCII.GetBytes(line + "\r\n"));
        var text = "";
        var buffer = new byte[4096];
        while (!text.Split("\r\n").Any(l => l.Length > 3 && l[3] == ' ') || !text.EndsWith("\r\n", StringComparison.Ordinal))
        {
            var count = await tls.ReadAsync(buffer);
            Assert.NotEqual(0, count);
            text += Encoding.ASCII.GetString(buffer, 0, count);
        }
        return text;
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
