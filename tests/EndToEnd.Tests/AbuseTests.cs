using System.Net.Sockets;
using System.Text;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Envelopes and dialogues that try to break a line, or to take what others need. The gateway stays small and goes on.</summary>
[Collection(TortureGroup.Name)]
public sealed class AbuseTests(TortureFixture fixture, ITestOutputHelper output)
{
    private const long Allowed = 48L << 20;

    /// <summary>What would break a line of a header, a report or the next dialogue.</summary>
    [Theory]
    [InlineData("EHLO a\rb")]
    [InlineData("EHLO a\nb")]
    [InlineData("EHLO (comment)")]
    [InlineData("EHLO a b")]
    [InlineData("EHLO a;FORGED")]
    [InlineData("HELO \u00e2\u0080\u00a8FORGED")]
    [InlineData("MAIL FROM:<a\r@x.example>")]
    [InlineData("MAIL FROM:<\"a\rFORGED\"@x.example>")]
    [InlineData("MAIL FROM:<\"a\nFORGED\"@x.example>")]
    [InlineData("MAIL FROM:<\"a\0b\"@x.example>")]
    [InlineData("MAIL FROM:<\"a\u001bb\"@x.example>")]
    [InlineData("MAIL FROM:<\"a\\\rb\"@x.example>")]
    [InlineData("MAIL FROM:<a@x.example\rFORGED>")]
    [InlineData("MAIL FROM:<\"a\u00e2\u0080\u00a8FORGED\"@x.example> SMTPUTF8")]
    [InlineData("MAIL FROM:<\"a\u00c2\u0085FORGED\"@x.example> SMTPUTF8")]
    [InlineData("MAIL FROM:<a\u00e2\u0080\u00a9b@x.example> SMTPUTF8")]
    [InlineData("MAIL FROM:<a@x\u00e2\u0080\u00a8.example> SMTPUTF8")]
    [InlineData("MAIL FROM:<a@x.example> ENVID=x+0D+0AFORGED:+20yes")]
    [InlineData("MAIL FROM:<a@x.example> ENVID=x+0AFORGED")]
    [InlineData("MAIL FROM:<a@x.example> ENVID=x+00")]
    [InlineData("MAIL FROM:<a@x.example> ENVID=x+7F")]
    [InlineData("MAIL FROM:<a@x.example> ENVID=x+C2+85")]
    [InlineData("MAIL FROM:<a@x.example> AUTH=a+0D+0Ab@x.example")]
    [InlineData("MAIL FROM:<a@x.example> SIZE=-1")]
    [InlineData("MAIL FROM:<a@x.example> SIZE=0x10")]
    [InlineData("MAIL FROM:<a@x.example> SIZE=999999999999999999999")]
    [InlineData("MAIL FROM:<a@x.example> SIZE=1 SIZE=2")]
    [InlineData("MAIL FROM:<a@x.example> FORGED=\u00e2\u0080\u00a8")]
    [InlineData("RCPT TO:<b@x.example> ORCPT=rfc822;a+0D+0AFORGED")]
    [InlineData("RCPT TO:<b@x.example> ORCPT=rf\tc822;a")]
    [InlineData("RCPT TO:<b@x.example> ORCPT=utf-8;a+E2+80+A8")]
    [InlineData("RCPT TO:<\"b>c@x.example>")]
    [InlineData("RCPT TO:<b@x.example> <c@x.example>")]
    [InlineData("RCPT TO:<b@x.example>\rRCPT TO:<c@x.example>")]
    [InlineData("RCPT TO:<b@x.example> NOTIFY=NEVER\rDATA")]
    [InlineData("RCPT TO:<b@[127.0.0.1\r]>")]
    public async Task What_would_break_a_line_is_refused_in_one_line_that_does_not_repeat_it(string command)
    {
        using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort);
        if (command.StartsWith("RCPT", StringComparison.Ordinal))
            Assert.StartsWith("250", await talker.SayAsync("MAIL FROM:<alice@example.org> SMTPUTF8"), StringComparison.Ordinal);
        var reply = await talker.SayAsync(command);
        output.WriteLine(reply);
        Assert.Matches("^5[0-9][0-9] 5\\.[ -~]+$", reply);
        Assert.DoesNotContain("FORGED:", reply, StringComparison.Ordinal);
        Assert.StartsWith("214", await talker.SayAsync("HELP"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("BDAT -1 LAST", "501")]
    [InlineData("BDAT", "501")]
    [InlineData("BDAT LAST", "501")]
    [InlineData("BDAT 1x", "501")]
    [InlineData("BDAT 1 LAST LAST", "501")]
    [InlineData("BDAT 1 FIRST", "501")]
    [InlineData("BDAT 0x10", "501")]
    [InlineData("BDAT 999999999999999999999999", "501")]
    public async Task A_chunk_of_unknown_size_ends_the_session(string command, string code)
    {
        using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort);
        await talker.SayAsync("MAIL FROM:<alice@example.org>");
        await talker.SayAsync($"RCPT TO:<{TortureFixture.ByData}>");
        await talker.SendAsync($"{command}\r\nMAIL FROM:<boss@example.org>\r\n");
        Assert.StartsWith(code, await talker.ReadReplyAsync(), StringComparison.Ordinal);
        Assert.Equal("", await talker.ReadReplyAsync());
    }

    [Fact]
    public async Task A_chunk_that_is_too_large_is_read_past_and_kept_nowhere()
    {
        var growth = await GrowthAsync(async () =>
        {
            // More than any limit is announced; what comes is not kept, and the session ends where the client leaves.
            using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort);
            await talker.SayAsync("MAIL FROM:<alice@example.org>");
            await talker.SayAsync($"RCPT TO:<{TortureFixture.ByData}>");
            await talker.SendAsync("BDAT 9223372036854775807\r\n");
            var block = new byte[1 << 20];
            for (var i = 0; i < 64; i++)
                await talker.SendAsync(block);
        });
        output.WriteLine($"{growth >> 20} MB");
        Assert.InRange(growth, long.MinValue, Allowed);
    }

    [Fact]
    public async Task Lines_without_end_cost_no_memory()
    {
        var growth = await GrowthAsync(async () =>
        {
            var block = Encoding.ASCII.GetBytes(new string('x', 1 << 20));
            using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort);
            for (var i = 0; i < 64; i++)
                await talker.SendAsync(block);
            Assert.StartsWith("500", await talker.SayAsync(""), StringComparison.Ordinal);
            Assert.StartsWith("354", await talker.OfferAsync("alice@example.org", TortureFixture.ByData), StringComparison.Ordinal);
            await talker.SendAsync("X-Long: ");
            for (var i = 0; i < 64; i++)
                await talker.SendAsync(block);
            await talker.SendAsync("\r\n.\r\n");
            Assert.StartsWith("552 5.3.4", await talker.ReadReplyAsync(), StringComparison.Ordinal);
        });
        output.WriteLine($"{growth >> 20} MB");
        Assert.InRange(growth, long.MinValue, Allowed);
    }

    [Theory]
    [InlineData("RSET")]
    [InlineData("NOOP")]
    [InlineData("VRFY a")]
    [InlineData("BOGUS")]
    [InlineData("STARTTLS x")]
    public async Task Ten_thousand_commands_that_bring_no_mail_end_the_session(string command)
    {
        using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort);
        await SendUnlessClosedAsync(talker, string.Concat(Enumerable.Repeat(command + "\r\n", 10_000)));
        var replies = new List<string>();
        while (await talker.ReadReplyAsync() is { Length: > 0 } reply)
            replies.Add(reply);
        Assert.InRange(replies.Count, 1, 200);
        // The last word may be lost where the client was still talking (RFC 1122 §4.2.2.13).
        if (replies.Count == 101)
            Assert.StartsWith("421", replies[^1], StringComparison.Ordinal);
        Assert.DoesNotContain(replies[..^1], r => r.StartsWith("421", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Who_reads_no_reply_gets_no_more_memory_than_others()
    {
        var growth = await GrowthAsync(async () =>
        {
            var talkers = new List<SmtpTalker>();
            for (var i = 0; i < 3; i++)
            {
                var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort);
                talkers.Add(talker);
                await talker.SayAsync("MAIL FROM:<alice@example.org>");
                // Each recipient beyond the thousandth is answered 452, and that is no error of the client's.
                await SendUnlessClosedAsync(talker, string.Concat(Enumerable.Repeat("RCPT TO:<a@outside.example>\r\n", 100_000)));
            }
            talkers.ForEach(t => t.Dispose());
        });
        output.WriteLine($"{growth >> 20} MB");
        Assert.InRange(growth, long.MinValue, Allowed);
    }

    private async Task<long> GrowthAsync(Func<Task> abuse)
    {
        var before = fixture.Gateway.Child.ReadMemory().Resident;
        fixture.Gateway.Child.ResetPeakMemory();
        await abuse();
        return fixture.Gateway.Child.ReadMemory().Peak - before;
    }

    /// <summary>As far as the server takes it within a second, or until it has closed.</summary>
    private static async Task SendUnlessClosedAsync(SmtpTalker talker, string text)
    {
        try
        {
            await talker.SendAsync(text).AsTask().WaitAsync(TimeSpan.FromSeconds(1));
        }
        catch (Exception e) when (e is IOException or SocketException or TimeoutException)
        {
            // It closed, or it stopped to read: both are what is tested.
        }
    }
}
