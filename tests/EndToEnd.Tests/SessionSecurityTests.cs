using System.Text;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>What a stranger on the wire may not do, over real sockets.</summary>
public sealed class SessionSecurityTests(GatewayFixture fixture)
{
    [Fact]
    public async Task Commands_sent_in_clear_behind_STARTTLS_are_never_obeyed()
    {
        using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.SubmissionPort);
        await talker.SendAsync("STARTTLS\r\nRSET\r\nMAIL FROM:<attacker@outside.example>\r\n");
        var reply = await talker.ReadReplyAsync();
        if (reply.StartsWith("220", StringComparison.Ordinal))
        {
            // Then the connection must be closed, or the plain text must have been a broken handshake: no reply comes in clear.
            Assert.Equal("", await talker.ReadReplyAsync());
            return;
        }
        Assert.True(reply.Length == 0 || reply[0] is '4' or '5', reply);
        Assert.DoesNotContain("250", await talker.ReadReplyAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_said_before_TLS_is_forgotten()
    {
        using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort);
        Assert.StartsWith("250", await talker.SayAsync("MAIL FROM:<alice@example.org>"), StringComparison.Ordinal);
        await talker.SayAsync("RSET");
        Assert.StartsWith("220", await talker.SayAsync("STARTTLS"), StringComparison.Ordinal);
        await talker.StartTlsAsync();
        Assert.StartsWith("503", await talker.SayAsync("MAIL FROM:<alice@example.org>"), StringComparison.Ordinal);
        var keywords = await talker.SayAsync("EHLO client.test.invalid");
        Assert.DoesNotContain("STARTTLS", keywords, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AUTH_is_neither_offered_nor_taken_in_clear()
    {
        using var talker = await SmtpTalker.ConnectAsync(fixture.Gateway.SubmissionPort);
        await talker.ReadReplyAsync();
        Assert.DoesNotContain("AUTH", await talker.SayAsync("EHLO client.test.invalid"), StringComparison.Ordinal);
        var credentials = Convert.ToBase64String(Encoding.UTF8.GetBytes($"\0alice\0{GatewaySetup.Password}"));
        Assert.StartsWith("5", await talker.SayAsync("AUTH PLAIN " + credentials), StringComparison.Ordinal);
        Assert.DoesNotContain(GatewaySetup.Password, fixture.Gateway.LogText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_password_is_refused_and_another_ones_mailbox_too()
    {
        using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.SubmissionPort);
        await talker.SayAsync("STARTTLS");
        await talker.StartTlsAsync();
        Assert.Contains("AUTH", await talker.SayAsync("EHLO client.test.invalid"), StringComparison.Ordinal);
        Assert.StartsWith("535", await talker.SayAsync("AUTH PLAIN " + Convert.ToBase64String("\0alice\0wrong"u8)), StringComparison.Ordinal);
        var right = Convert.ToBase64String(Encoding.UTF8.GetBytes($"\0alice\0{GatewaySetup.Password}"));
        Assert.StartsWith("235", await talker.SayAsync("AUTH PLAIN " + right), StringComparison.Ordinal);
        Assert.StartsWith("553", await talker.SayAsync("MAIL FROM:<bob@example.org>"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("alice@example.org")]
    [InlineData("someone@outside.example")]
    public async Task A_stranger_can_relay_nowhere_but_may_write_to_us(string sender)
    {
        // 127.0.0.2 is outside the relay network 127.0.0.1/32.
        using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort, "127.0.0.2");
        Assert.StartsWith("250", await talker.SayAsync($"MAIL FROM:<{sender}>"), StringComparison.Ordinal);
        foreach (var recipient in new[] { "victim@outside.example", "victim%outside.example@elsewhere.example", "\"victim@outside.example\"@elsewhere.example" })
            Assert.StartsWith("550 5.7.1", await talker.SayAsync($"RCPT TO:<{recipient}>"), StringComparison.Ordinal);
        Assert.StartsWith("250", await talker.SayAsync("RCPT TO:<bob@example.org>"), StringComparison.Ordinal);
    }
}
