using System.Globalization;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>SMTP smuggling, in and out: what one server takes for the end of a mail and another does not never makes two mails of one.</summary>
[Collection(TortureGroup.Name)]
public sealed class SmugglingTests(TortureFixture fixture, ITestOutputHelper output)
{
    private const string Dialogue = "MAIL FROM:<boss@example.org>\r\nRCPT TO:<victim@data.example>\r\nDATA\r\n";

    private static readonly string[] FalseEnds =
    [
        "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r.\n", "\n.\r", "\n\r.\r\n", "\r\r.\r\r", "\r\n.\r\r\n", "\r\n\r.\r\n", "\n\n.\n\n",
        "\r\n\0.\r\n", "\r\n.\0\r\n", "\r\n.\r\0\n", "\0\r\n.\n", "\r\n..\r\n", "\r\n. \r\n", "\r\n.\t\r\n", "\r\n.\u0085", "\u0085.\u0085",
    ];

    private static readonly string[] Deliveries = ["in one packet", "octet by octet", "the end in two packets", "BDAT", "BDAT in two chunks"];

    public static TheoryData<string, string> Attempts =>
        [.. FalseEnds.SelectMany(end => Deliveries.Select(how => new TheoryDataRow<string, string>(end, how)))];

    [Theory]
    [MemberData(nameof(Attempts))]
    public async Task A_smuggled_second_mail_never_comes_out(string end, string how)
    {
        var first = Guid.NewGuid().ToString("N");
        var second = Guid.NewGuid().ToString("N");
        using (var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort))
        {
            var head = $"Subject: {first}\r\n\r\none";
            var tail = $"{Dialogue}Subject: {second}\r\n\r\ntwo\r\n";
            await talker.SayAsync("MAIL FROM:<alice@example.org> BODY=8BITMIME");
            await talker.SayAsync($"RCPT TO:<{TortureFixture.ByData}>");
            if (how.StartsWith("BDAT", StringComparison.Ordinal))
                await SendChunksAsync(talker, head + end, tail, inTwo: how != "BDAT");
            else
                await SendDataAsync(talker, head, end, tail, how);
            var reply = await talker.ReadReplyAsync();
            output.WriteLine(reply);
            // One message, one answer: the next thing it says answers the next command.
            Assert.StartsWith("214", await talker.SayAsync("HELP"), StringComparison.Ordinal);
            if (reply.StartsWith("250", StringComparison.Ordinal))
                await WaitForAsync(first);
            else
                Assert.Matches(@"^554 5\.6\.0 \S+", reply);
        }
        await AssertAliveAsync();
        var since = fixture.DataSink.Messages;
        Assert.DoesNotContain(since, m => m.From == "boss@example.org" || m.Recipients.Contains("victim@data.example"));
        Assert.InRange(since.Count(m => m.Content.AsSpan().IndexOf(Encoding.ASCII.GetBytes(second)) >= 0), 0, 1);
    }

    /// <summary>Also where the listener mends the line ends of a device: then they are all mended, and the dots doubled.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_leaves_has_one_end_even_for_a_next_hop_that_takes_any_line_end(bool normalising)
    {
        await using var sloppy = new SloppySink();
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sloppy.Port, NormaliseFrom = normalising ? "127.0.0.1/32" : "" });
        await gateway.StartAsync();
        var accepted = 0;
        using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort))
        {
            foreach (var end in FalseEnds)
            {
                Assert.StartsWith("354", await talker.OfferAsync("alice@example.org", "someone@outside.example"), StringComparison.Ordinal);
                await talker.SendAsync($"Subject: x\r\n\r\none{end}{Dialogue}two\r\n.\r\n");
                accepted += (await talker.ReadReplyAsync()).StartsWith("250", StringComparison.Ordinal) ? 1 : 0;
            }
            foreach (var mail in TortureCorpus.Mails.Where(m => m.Refusal is null && m.Content.Length < 200_000))
            {
                Assert.StartsWith(
                    "250", await talker.DeliverAsync("alice@example.org", "someone@outside.example", mail.Content), StringComparison.Ordinal);
                accepted++;
            }
        }
        await WaitForAsync(() => sloppy.Messages.Count >= accepted && sloppy.Commands.Count(c => c == "DATA") >= accepted);
        Assert.Equal(accepted, sloppy.Messages.Count);
        // Only what our own client says.
        Assert.All(sloppy.Commands, c => Assert.Matches(
            "^(EHLO gateway.example.org|(MAIL FROM:<alice@example.org>|RCPT TO:<someone@outside.example>)( BODY=8BITMIME)?|DATA|RSET|QUIT)$", c));
        Assert.Equal(accepted, sloppy.Commands.Count(c => c.StartsWith("MAIL ", StringComparison.Ordinal)));
    }

    private static async Task SendDataAsync(SmtpTalker talker, string head, string end, string tail, string how)
    {
        Assert.StartsWith("354", await talker.SayAsync("DATA"), StringComparison.Ordinal);
        var whole = Encoding.Latin1.GetBytes($"{head}{end}{tail}.\r\n");
        switch (how)
        {
            case "octet by octet":
                await talker.SendInPiecesAsync(whole, 1);
                break;
            case "the end in two packets":
                var cut = head.Length + (end.Length / 2);
                await talker.SendAsync(whole.AsMemory(0, cut));
                // Long enough for the server to have read so far.
                await Task.Delay(20, TestContext.Current.CancellationToken);
                await talker.SendAsync(whole.AsMemory(cut));
                break;
            default:
                await talker.SendAsync(whole);
                break;
        }
    }

    private static async Task SendChunksAsync(SmtpTalker talker, string head, string tail, bool inTwo)
    {
        if (!inTwo)
        {
            await talker.SendAsync(string.Create(CultureInfo.InvariantCulture, $"BDAT {head.Length + tail.Length} LAST\r\n{head}{tail}"));
            return;
        }
        await talker.SendAsync(string.Create(CultureInfo.InvariantCulture, $"BDAT {head.Length}\r\n{head}BDAT {tail.Length} LAST\r\n{tail}"));
        var answer = await talker.ReadReplyAsync();
        Assert.Matches("^(250|554) ", answer);
        // The rest of a message that was refused has no transaction any more.
        if (answer.StartsWith("554", StringComparison.Ordinal))
        {
            Assert.StartsWith("503", await talker.ReadReplyAsync(), StringComparison.Ordinal);
            await talker.SendAsync("MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.org>\r\nBDAT 1 LAST\r\n\n");
            await talker.ReadReplyAsync();
            await talker.ReadReplyAsync();
        }
    }

    private Task WaitForAsync(string text) =>
        WaitForAsync(() => fixture.DataSink.Messages.Any(m => m.Content.AsSpan().IndexOf(Encoding.ASCII.GetBytes(text)) >= 0));

    private static async Task WaitForAsync(Func<bool> isThere)
    {
        for (var until = DateTime.UtcNow.AddSeconds(30); !isThere() && DateTime.UtcNow < until;)
            await Task.Delay(20, TestContext.Current.CancellationToken);
        Assert.True(isThere(), "It did not come in time.");
    }

    /// <summary>A good mail still goes through.</summary>
    private async Task AssertAliveAsync()
    {
        var sender = TortureFixture.NewSender();
        using var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort);
        var text = Encoding.ASCII.GetBytes(Mails.Text(Mails.NewId(), sender, TortureFixture.ByData));
        Assert.StartsWith("250", await talker.DeliverAsync(sender, TortureFixture.ByData, text), StringComparison.Ordinal);
        await fixture.ArrivedAsync(fixture.DataSink, sender);
    }
}
