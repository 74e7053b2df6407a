using System.Globalization;
using System.Text;
using GatewaySecure.Smtp.Server;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.Smtp.Tests;

public sealed class ServerSessionTests
{
    [Fact]
    public async Task Thousand_pipelined_recipients_get_thousand_replies()
    {
        await using var server = new TestServer();
        await server.StartAsync();
        var wire = new StringBuilder("MAIL FROM:<a@example.com>\r\n");
        for (var i = 0; i < 1001; i++)
            wire.Append(CultureInfo.InvariantCulture, $"RCPT TO:<r{i}@example.org>\r\n");
        wire.Append("DATA\r\n");
        var sending = server.SendAsync(wire.ToString());
        Assert.StartsWith("250 2.1.0", await server.ReplyAsync(), StringComparison.Ordinal);
        for (var i = 0; i < 1000; i++)
            Assert.StartsWith("250 2.1.5", await server.ReplyAsync(), StringComparison.Ordinal);
        Assert.StartsWith("452 4.5.3", await server.ReplyAsync(), StringComparison.Ordinal);
        Assert.StartsWith("354 ", await server.ReplyAsync(), StringComparison.Ordinal);
        await sending;
        Assert.StartsWith("250 ", await server.AskAsync("."), StringComparison.Ordinal);
        Assert.Equal(1000, Assert.Single(server.Handler.Messages).Envelope.Recipients.Length);
    }

    [Fact]
    public async Task Endless_command_line_is_refused_without_being_kept()
    {
        await using var server = new TestServer(stepwise: true);
        await server.StartAsync();
        for (var i = 0; i < 200; i++)
            await server.SendAsync(new string('x', 10_000));
        Assert.StartsWith("500 5.5.2", await server.AskAsync(""), StringComparison.Ordinal);
        Assert.StartsWith("250 ", await server.AskAsync("NOOP"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2046, "250")]
    [InlineData(2047, "500")]
    public async Task Command_line_limit_counts_its_line_end(int length, string code)
    {
        await using var server = new TestServer();
        await server.StartAsync();
        Assert.StartsWith(code, await server.AskAsync("NOOP " + new string('x', length - 5)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("connect")]
    [InlineData("mail")]
    [InlineData("rcpt")]
    [InlineData("message")]
    [InlineData("write")]
    [InlineData("commit")]
    public async Task Handler_that_throws_is_a_temporary_failure_and_the_session_goes_on(string where)
    {
        var failing = true;
        T Fail<T>(string here, T answer) => failing && here == where ? throw new InvalidOperationException("bug") : answer;
        var ok = new SmtpReply(250, "2.0.0", "ok");
        var handler = new RecordingHandler
        {
            OnConnect = () => Fail<SmtpReply?>("connect", null),
            OnMail = _ => Fail("mail", ok),
            OnRecipient = _ => Fail("rcpt", ok),
            OnMessage = () => Fail<SmtpReply?>("message", null),
            OnWrite = _ => Fail<SmtpReply?>("write", null),
            OnCommit = () => Task.FromResult(Fail("commit", ok)),
        };
        await using var server = new TestServer(handler: handler);
        if (where == "connect")
        {
            Assert.StartsWith("421 4.3.0", await server.ReplyAsync(), StringComparison.Ordinal);
            Assert.Null(await server.ReplyAsync());
            Assert.Single(handler.Faults);
            return;
        }
        await server.StartAsync();
        string? last = null;
        foreach (var line in new[] { "MAIL FROM:<a@example.com>", "RCPT TO:<b@example.org>", "DATA" })
        {
            last = await server.AskAsync(line);
            if (last!.StartsWith("451", StringComparison.Ordinal))
                break;
        }
        if (last!.StartsWith("354", StringComparison.Ordinal))
            last = await server.AskAsync("x\r\n.");
        Assert.StartsWith("451 4.3.0", last, StringComparison.Ordinal);
        Assert.Single(handler.Faults);
        Assert.Equal(handler.SinksOpened, handler.SinksDisposed);

        failing = false;
        Assert.StartsWith(
            "354", await server.AskAsync("RSET", "MAIL FROM:<a@example.com>", "RCPT TO:<b@example.org>", "DATA"), StringComparison.Ordinal);
        Assert.StartsWith("250", await server.AskAsync("x\r\n."), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Early_refusal_of_the_sink_is_told_after_the_end()
    {
        var handler = new RecordingHandler { OnWrite = length => length > 3 ? new SmtpReply(554, "5.4.6", "Loop") : null };
        await using var server = new TestServer(handler: handler, stepwise: true);
        await server.StartAsync(transaction: true);
        Assert.StartsWith("354", await server.AskAsync("DATA"), StringComparison.Ordinal);
        await server.SendAsync("abcdef\r\nQUIT\r\n");
        Assert.Equal("554 5.4.6 Loop", await server.AskAsync("."));
        Assert.Empty(handler.Messages);
        Assert.Equal(1, handler.SinksDisposed);
    }

    [Fact]
    public async Task Idle_client_gets_421_after_the_command_timeout()
    {
        var time = new FakeTimeProvider();
        await using var server = new TestServer(time: time);
        await server.StartAsync();
        await server.SendAsync("NOO");
        time.Advance(TimeSpan.FromMinutes(4));
        await server.SendAsync("P");
        Assert.False(server.Running.IsCompleted);
        await AdvanceUntilEndAsync(server, time, TimeSpan.FromMinutes(1));
        Assert.StartsWith("421 4.4.2", await server.ReplyAsync(), StringComparison.Ordinal);
        Assert.Null(await server.ReplyAsync());
    }

    [Fact]
    public async Task Data_that_stops_gets_421_and_is_discarded()
    {
        var time = new FakeTimeProvider();
        await using var server = new TestServer(time: time, stepwise: true);
        await server.StartAsync(transaction: true);
        Assert.StartsWith("354", await server.AskAsync("DATA"), StringComparison.Ordinal);
        await server.SendAsync("half");
        time.Advance(TimeSpan.FromMinutes(2));
        await server.SendAsync("more");
        time.Advance(TimeSpan.FromMinutes(2));
        Assert.False(server.Running.IsCompleted);
        await AdvanceUntilEndAsync(server, time, TimeSpan.FromMinutes(3));
        Assert.StartsWith("421 4.4.2", await server.ReplyAsync(), StringComparison.Ordinal);
        Assert.Empty(server.Handler.Messages);
        Assert.Equal(1, server.Handler.SinksDisposed);
    }

    [Fact]
    public async Task Trickling_client_meets_the_end_of_the_session()
    {
        var time = new FakeTimeProvider();
        await using var server = new TestServer(TestServer.Options() with { SessionTimeout = TimeSpan.FromMinutes(10) }, time: time);
        await server.StartAsync();
        for (var i = 0; i < 9; i++)
        {
            Assert.StartsWith("250", await server.AskAsync("NOOP"), StringComparison.Ordinal);
            time.Advance(TimeSpan.FromMinutes(1));
        }
        await AdvanceUntilEndAsync(server, time, TimeSpan.FromMinutes(2));
        Assert.StartsWith("421 4.4.2", await server.ReplyAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Shutdown_says_421_to_who_is_not_sending_content(bool transaction)
    {
        await using var server = new TestServer();
        await server.StartAsync(transaction);
        server.Shutdown();
        Assert.StartsWith("421 4.3.2", await server.ReplyAsync(), StringComparison.Ordinal);
        Assert.Null(await server.ReplyAsync());
    }

    [Fact]
    public async Task Shutdown_lets_content_finish()
    {
        await using var server = new TestServer();
        await server.StartAsync(transaction: true);
        Assert.StartsWith("354", await server.AskAsync("DATA"), StringComparison.Ordinal);
        server.Shutdown();
        Assert.StartsWith("250", await server.AskAsync("x\r\n."), StringComparison.Ordinal);
        Assert.StartsWith("421 4.3.2", await server.ReplyAsync(), StringComparison.Ordinal);
        Assert.Single(server.Handler.Messages);
    }

    [Fact]
    public async Task Shutdown_lets_chunks_finish()
    {
        await using var server = new TestServer();
        await server.StartAsync(transaction: true);
        await server.SendAsync("BDAT 2\r\nab");
        Assert.StartsWith("250", await server.ReplyAsync(), StringComparison.Ordinal);
        server.Shutdown();
        await server.SendAsync("BDAT 2 LAST\r\ncd");
        Assert.StartsWith("250", await server.ReplyAsync(), StringComparison.Ordinal);
        Assert.StartsWith("421 4.3.2", await server.ReplyAsync(), StringComparison.Ordinal);
        Assert.Equal("abcd"u8.ToArray(), Assert.Single(server.Handler.Messages).Content);
    }

    [Fact]
    public async Task Abort_ends_the_session_without_a_word()
    {
        await using var server = new TestServer();
        await server.StartAsync(transaction: true);
        Assert.StartsWith("354", await server.AskAsync("DATA"), StringComparison.Ordinal);
        await server.SendAsync("half");
        await server.Abort.CancelAsync();
        Assert.Null(await server.ReplyAsync());
        Assert.Equal(1, server.Handler.SinksDisposed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("EHLO client.exam")]
    [InlineData("EHLO c\r\nMAIL FROM:<a@example.com>\r\n")]
    [InlineData("EHLO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n")]
    [InlineData("EHLO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nhalf a message\r\n.")]
    [InlineData("EHLO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nhalf a message\r\n.\r")]
    [InlineData("EHLO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nBDAT 10 LAST\r\n123456789")]
    [InlineData("EHLO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nBDAT 3\r\n123")]
    [InlineData("EHLO c\r\nBDAT 3\r\n1")]
    public async Task Client_that_vanishes_ends_the_session_quietly(string said)
    {
        await using var server = new TestServer();
        await server.SendAsync(said);
        server.Hangup();
        await server.Running.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.Empty(server.Handler.Messages);
        Assert.Empty(server.Handler.Faults);
        Assert.Equal(server.Handler.SinksOpened, server.Handler.SinksDisposed);
    }

    [Fact]
    public async Task Client_that_hears_nothing_any_more_ends_the_session()
    {
        await using var server = new TestServer();
        await server.StartAsync();
        await server.FromServer.CompleteAsync();
        await server.SendAsync("NOOP\r\n");
        await server.Running.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.Empty(server.Handler.Faults);
    }

    [Fact]
    public async Task Refused_connection_gets_the_reply_and_is_closed()
    {
        var handler = new RecordingHandler { OnConnect = () => new SmtpReply(554, "5.7.1", "Not you") };
        await using var server = new TestServer(handler: handler);
        Assert.Equal("554 5.7.1 Not you", await server.ReplyAsync());
        Assert.Null(await server.ReplyAsync());
    }

    [Fact]
    public async Task Handler_that_says_421_closes_the_connection()
    {
        var handler = new RecordingHandler { OnMail = _ => new SmtpReply(421, "4.7.0", "Too busy") };
        await using var server = new TestServer(handler: handler);
        await server.StartAsync();
        Assert.Equal("421 4.7.0 Too busy", await server.AskAsync("MAIL FROM:<a@example.com>"));
        Assert.Null(await server.ReplyAsync());
    }

    [Fact]
    public void Implicit_tls_without_tls_options_is_refused() =>
        Assert.Throws<ArgumentException>(() => { _ = new TestServer(TestServer.Options() with { ImplicitTls = true }); });

    /// <summary>The session sets its timer on another thread; the clock moves on until it has seen the deadline pass.</summary>
    private static async Task AdvanceUntilEndAsync(TestServer server, FakeTimeProvider time, TimeSpan step)
    {
        for (var i = 0; i < 200 && !server.Running.IsCompleted; i++)
        {
            time.Advance(step);
            await Task.WhenAny(server.Running, Task.Delay(20));
        }
        Assert.True(server.Running.IsCompleted);
    }
}
