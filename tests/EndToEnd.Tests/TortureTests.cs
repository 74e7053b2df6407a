using System.Text;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Mail as nobody should write it: refused with a clear 5xx, or delivered as the same octets; and the gateway goes on.</summary>
public sealed class TortureTests(GatewayFixture fixture, ITestOutputHelper output)
{
    private const string ByChunks = "someone@sink.example";
    private const string ByData = "someone@data.example";

    /// <summary>Octets as Latin-1; MARK becomes a text that the test finds its mail by.</summary>
    public static TheoryData<string, string> Odd => new()
    {
        { "no header", "\r\nMARK\r\n" },
        { "no body", "Subject: MARK\r\n" },
        { "no empty line before the body", "Subject: a\r\nMARK is no header field\r\n" },
        { "8-bit header", "Subject: Gr\u00fc\u00dfe MARK\r\nFrom: J\u00fcrgen <alice@example.org>\r\n\r\nx\r\n" },
        { "octets that are no UTF-8", "Subject: MARK\r\nX-Bad: \u00c3\u0028\u00ff\u00fe\r\n\r\n\u0080\u0081\r\n" },
        { "broken boundaries", "Subject: MARK\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--b\r\n\r\n--a--\r\n--a\r\n" },
        { "boundary missing", "Subject: MARK\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed\r\n\r\n--\r\n" },
        { "many parts, one in the other", "Subject: MARK\r\n" + string.Concat(Enumerable.Range(0, 500).Select(i =>
            $"Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n")) },
        { "dots", "Subject: MARK\r\n\r\n.\r\n..\r\n.x\r\n...\r\n" },
        { "the same field often", "Subject: MARK\r\n" + string.Concat(Enumerable.Repeat("From: alice@example.org\r\n", 200)) + "\r\nx\r\n" },
        { "colons without names", ": MARK\r\n:\r\n: \r\n\r\nx\r\n" },
        { "folded into nothing", "Subject: MARK\r\n \r\n\t\r\n\r\nx\r\n" },
        { "long header line", "Subject: MARK\r\nX-Long: " + new string('a', 20_000) + "\r\n\r\nx\r\n" },
        { "very long body line", "Subject: MARK\r\n\r\n" + new string('b', 200_000) + "\r\n" },
        { "NUL", "Subject: MARK\r\n\r\na\0b\r\n" },
        { "NUL in the header", "Subject: MARK \0\r\n\r\nx\r\n" },
        { "encoded word that is none", "Subject: =?utf-8?q?MARK\r\nFrom: =?x?b?////?= <alice@example.org>\r\n\r\nx\r\n" },
        { "winmail.dat", "Subject: MARK\r\nContent-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n" },
    };

    [Theory]
    [MemberData(nameof(Odd))]
    public async Task Malformed_mail_arrives_as_the_same_bytes_or_is_refused(string name, string text)
    {
        foreach (var recipient in new[] { ByChunks, ByData })
        {
            var mark = Guid.NewGuid().ToString("N");
            var message = Encoding.Latin1.GetBytes(text.Replace("MARK", mark, StringComparison.Ordinal));
            using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort);
            var reply = await talker.DeliverAsync("alice@example.org", recipient, message);
            output.WriteLine($"{name}: {reply}");
            await AssertSameOrRefusedAsync(reply, mark, message);
            Assert.StartsWith("250", await talker.SayAsync("NOOP"), StringComparison.Ordinal);
        }
        await AssertAliveAsync();
    }

    [Theory]
    [InlineData("no end", ByChunks)]
    [InlineData("no end", ByData)]
    [InlineData("a\r\n.\r\nMAIL FROM:<boss@example.org>\r\n", ByChunks)]
    [InlineData("a\r\n.\r\nMAIL FROM:<boss@example.org>\r\n", ByData)]
    [InlineData("a\r\n.", ByData)]
    [InlineData(".\r\n", ByData)]
    [InlineData("a\n.\nMAIL FROM:<boss@example.org>\r\n", ByData)]
    public async Task What_came_by_BDAT_arrives_whole_or_is_refused(string body, string recipient)
    {
        var mark = Guid.NewGuid().ToString("N");
        var message = Encoding.ASCII.GetBytes($"Subject: {mark}\r\n\r\n{body}");
        using (var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort))
        {
            await talker.SayAsync("MAIL FROM:<alice@example.org>");
            await talker.SayAsync($"RCPT TO:<{recipient}>");
            await talker.SendAsync($"BDAT {message.Length} LAST\r\n");
            await talker.SendAsync(message);
            var reply = await talker.ReadReplyAsync();
            output.WriteLine(reply);
            if (reply.StartsWith("250", StringComparison.Ordinal))
            {
                var arrived = Mails.BelowOurReceived((await fixture.SunkAsync(mark)).Content);
                // The octets that came; a next hop without CHUNKING may need the line end that DATA can't do without.
                Assert.True(arrived.AsSpan().StartsWith(message), Encoding.Latin1.GetString(arrived));
                Assert.True(arrived.Length == message.Length || arrived.AsSpan(message.Length).SequenceEqual("\r\n"u8));
            }
            else
            {
                AssertClearRefusal(reply);
            }
        }
        await AssertAliveAsync();
    }

    [Theory]
    [InlineData("Subject: x\r\n\r\na\nb\r\n")]
    [InlineData("Subject: x\r\n\r\na\rb\r\n")]
    [InlineData("Subject: x\n\nall of it\n")]
    [InlineData("Subject: x\r\n\r\na\r\r\n")]
    public async Task A_bare_CR_or_LF_is_refused_and_the_dialogue_stays_in_step(string text)
    {
        using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort);
        AssertClearRefusal(await talker.DeliverAsync("alice@example.org", ByChunks, Encoding.Latin1.GetBytes(text)));
        Assert.StartsWith("250", await talker.SayAsync("NOOP"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_header_above_a_megabyte_is_refused()
    {
        using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort);
        var text = string.Concat(Enumerable.Repeat("X-Filler: " + new string('a', 900) + "\r\n", 1300)) + "\r\nx\r\n";
        AssertClearRefusal(await talker.DeliverAsync("alice@example.org", ByChunks, Encoding.ASCII.GetBytes(text)));
        await AssertAliveAsync();
    }

    /// <summary>What some servers take for the end of data and others do not.</summary>
    [Theory]
    [InlineData("\n.\n")]
    [InlineData("\n.\r\n")]
    [InlineData("\r\n.\n")]
    [InlineData("\r.\r")]
    [InlineData("\r.\r\n")]
    [InlineData("\r\n.\r")]
    [InlineData("\r\n\0.\r\n")]
    [InlineData("\r\n.\0\r\n")]
    [InlineData("\r\n.\r\r\n")]
    public async Task A_smuggled_second_mail_never_comes_out(string end)
    {
        var first = Guid.NewGuid().ToString("N");
        var second = Guid.NewGuid().ToString("N");
        using (var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort))
        {
            Assert.StartsWith("354", await talker.OfferAsync("alice@example.org", ByData), StringComparison.Ordinal);
            await talker.SendAsync($"Subject: {first}\r\n\r\none{end}MAIL FROM:<boss@example.org>\r\nRCPT TO:<victim@data.example>\r\nDATA\r\n"
                + $"Subject: {second}\r\n\r\ntwo\r\n.\r\n");
            var reply = await talker.ReadReplyAsync();
            output.WriteLine(reply);
            // One message, one answer: the next thing it says answers the next command.
            Assert.StartsWith("250 ", await talker.SayAsync("NOOP"), StringComparison.Ordinal);
            if (reply.StartsWith("250", StringComparison.Ordinal))
                await fixture.SunkAsync(first);
            else
                AssertClearRefusal(reply);
        }
        await AssertAliveAsync();
        var since = fixture.DataSink.Messages;
        Assert.DoesNotContain(since, m => m.From == "boss@example.org" || m.Recipients.Contains("victim@data.example"));
        Assert.InRange(since.Count(m => m.Content.AsSpan().IndexOf(Encoding.ASCII.GetBytes(second)) >= 0), 0, 1);
    }

    private async Task AssertSameOrRefusedAsync(string reply, string mark, byte[] message)
    {
        if (!reply.StartsWith("250", StringComparison.Ordinal))
        {
            AssertClearRefusal(reply);
            return;
        }
        var arrived = Mails.BelowOurReceived((await fixture.SunkAsync(mark)).Content);
        Assert.True(message.AsSpan().SequenceEqual(arrived), "It arrived changed:\n" + Encoding.Latin1.GetString(arrived)[..Math.Min(arrived.Length, 2000)]);
    }

    private static void AssertClearRefusal(string reply) => Assert.Matches(@"^5\d\d 5\.\d+\.\d+ \S+", reply);

    /// <summary>A good mail still goes through.</summary>
    private async Task AssertAliveAsync()
    {
        var id = Mails.NewId();
        using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort);
        var text = Mails.Text(id, "alice@example.org", ByChunks);
        Assert.StartsWith(
            "250", await talker.DeliverAsync("alice@example.org", ByChunks, Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
        await fixture.SunkAsync(id);
    }
}
