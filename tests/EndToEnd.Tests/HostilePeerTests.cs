using System.Collections.Concurrent;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Next hops that lie: about TLS, and in what they answer. And envelopes that try to be more than one line.</summary>
public sealed class HostilePeerTests
{
    private const string Secret = "NobodyShallSayThisInClear";

    /// <summary>Replies by the local part of the recipient: what the sender must hear of, and what is tried again.</summary>
    private static readonly Dictionary<string, string> Refusals = new()
    {
        ["lines"] = "550-5.1.1 one\r\n550-5.1.1 FORGED: yes\r\n550 5.1.1 \u001b[2J\u0007three",
        ["separator"] = "550 5.1.1 a\u00e2\u0080\u00a8FORGED: yes\u00e2\u0080\u00a9FORGED: no",
        ["c1"] = "550 5.1.1 a\u00c2\u0085FORGED: yes",
        ["turned"] = "550 5.1.1 \u00e2\u0080\u00aeDEGROF",
        ["long"] = "550 5.1.1 " + new string('x', 1900),
        ["status"] = "550 5.1.1 --report\t\u0000Action: delivered",
    };

    private static readonly Dictionary<string, string> Nonsense = new()
    {
        ["bare-lf"] = "550 5.1.1 a\nFORGED: yes",
        ["bare-cr"] = "550 5.1.1 a\rFORGED: yes",
        ["endless-lines"] = string.Concat(Enumerable.Repeat("550-5.1.1 x\r\n", 300)) + "550 5.1.1 x",
        ["endless-line"] = "550 5.1.1 " + new string('x', 100_000),
        ["no-code"] = "FORGED: yes",
        ["two-codes"] = "550-5.1.1 one\r\n250 2.1.5 two",
        ["temporary"] = "450-4.2.0 one\r\n450 4.2.0 \u001b]0;FORGED\u0007",
    };

    private static readonly string[] Quoted =
        ["\"a b\"", "\"a>b\"", "\"a\\\"b\"", "\"a\\\\\"", "\"> SIZE=1 <\"", "\"RCPT TO:<x@y>\"", "\"@x,@y:z\"", "a+b=c", "+0D+0A", "\"+0D+0A\""];

    /// <summary>Each says what it says when the gateway greets, says EHLO and says STARTTLS; to what comes in the handshake's place it answers 250.</summary>
    private static readonly (string Name, string Greeting, string Ehlo, string StartTls)[] Liars =
    [
        ("stripped", "220 mx", "250-mx\r\n250 8BITMIME", "502 5.5.1 what?"),
        ("refused", "220 mx", "250-mx\r\n250 STARTTLS", "454 4.7.0 not now"),
        ("injected", "220 mx", "250-mx\r\n250 STARTTLS", "220 go\r\n250-mx\r\n250 8BITMIME"),
        ("injected-in-part", "220 mx", "250-mx\r\n250 STARTTLS", "220 go\r\n2"),
        ("said-before-asked", "220 mx\r\n250-mx\r\n250 8BITMIME\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go", "250 mx", "250 mx"),
        ("odd", "220 mx", "250-mx\r\n250 STARTTLS", "250 go"),
        ("in-clear-after-all", "220 mx", "250-mx\r\n250 STARTTLS", "220 go"),
        ("ready-at-once", "250 mx", "250 mx", "250 mx"),
        ("old", "220 mx", "502 5.5.1 what?", "502 5.5.1 what?"),
    ];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_wants_TLS_is_never_said_to_a_next_hop_that_lies_about_it()
    {
        var heard = new ConcurrentDictionary<string, string>();
        var hops = Liars.ToDictionary(l => l.Name, l => new LoopbackServer((stream, cancel) => LieAsync(l, stream, heard, cancel)));
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port, FurtherHops = [.. hops.Select(h => ($"{h.Key}.example", h.Value.Port, "required"))],
        });
        await gateway.StartAsync();
        using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort))
        {
            foreach (var liar in Liars)
            {
                Assert.StartsWith(
                    "250", await talker.DeliverAsync("alice@example.org", $"x@{liar.Name}.example", Encoding.ASCII.GetBytes($"Subject: x\r\n\r\n{Secret}\r\n")), StringComparison.Ordinal);
            }
        }
        foreach (var liar in Liars)
            await gateway.Child.WaitForLineAsync($"to x@{liar.Name}.example: tried again later", TimeSpan.FromSeconds(30));
        Assert.Equal(Liars.Length, (await gateway.QueueAsync()).GetArrayLength());
        foreach (var hop in hops.Values)
            await hop.DisposeAsync();
        // To a greeting that is none nothing is said.
        Assert.Equal(Liars.Where(l => l.Greeting.StartsWith("220", StringComparison.Ordinal)).Select(l => l.Name).Order(), heard.Keys.Order());
        Assert.All(heard.Values, said =>
        {
            Assert.DoesNotContain("MAIL", said, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("alice", said, StringComparison.Ordinal);
            Assert.DoesNotContain(Secret, said, StringComparison.Ordinal);
        });
        Assert.Equal(0, sink.Count);
    }

    [Fact]
    public async Task What_a_hostile_next_hop_answers_forges_no_line_of_a_log_a_report_or_a_list()
    {
        await using var hop = new SmtpSink(new SmtpSinkOptions
        {
            Keep = true,
            Answer = line => line.StartsWith("RCPT TO:<", StringComparison.Ordinal) ? Refusals.Concat(Nonsense).Single(a => line.Contains($"<{a.Key}@", StringComparison.Ordinal)).Value : null,
        });
        await using var reports = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = reports.Port, FurtherHops = [("answers.example", hop.Port, "never")] });
        await gateway.StartAsync();
        using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort))
        {
            foreach (var name in Refusals.Concat(Nonsense).Select(a => a.Key))
            {
                var text = $"Subject: a\u000b\u001b[31mred\u0085\r\nX-Folded: one\r\n\tFORGED: folded\r\nFORGED no field\r\n\r\nFORGED: body\r\n";
                Assert.StartsWith(
                    "250", await talker.DeliverAsync($"{name}@example.org", $"{name}@answers.example", Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
            }
        }
        foreach (var name in Nonsense.Keys)
            await gateway.Child.WaitForLineAsync($"to {name}@answers.example: tried again later", TimeSpan.FromSeconds(30));
        await reports.WaitForAsync(Refusals.Count, TimeSpan.FromSeconds(30));

        Assert.Equal(Refusals.Keys.Order(), reports.Messages.Select(m => Assert.Single(m.Recipients).Split('@')[0]).Order());
        foreach (var report in reports.Messages)
        {
            var text = Encoding.UTF8.GetString(report.Content);
            // Everything but what is given back of the mail itself, which is the sender's own.
            var ours = text[..text.LastIndexOf("\r\nContent-Type: text/rfc822-headers", StringComparison.Ordinal)];
            AssertPlain(ours.Split("\r\n"), report.Recipients[0]);
            Assert.Equal(1, ours.Split("\r\n").Count(l => l.StartsWith("Action: ", StringComparison.Ordinal)));
            Assert.DoesNotContain(text.Split("\r\n"), l => l.StartsWith("FORGED", StringComparison.Ordinal));
        }
        AssertPlain(gateway.Child.Log, "log");
        var list = (await gateway.ToolAsync("queue", "list")).Checked();
        AssertPlain(list.Text.Split('\n'), "list");
        Assert.Equal(Nonsense.Keys.Order(), (await gateway.QueueAsync()).EnumerateArray()
            .Select(i => i.GetRawText().Split("@answers.example")[0].Split('"')[^1]).Order());
    }

    [Fact]
    public async Task A_quoted_local_part_reaches_the_next_hop_as_it_was_written_in_one_command()
    {
        var lines = new ConcurrentQueue<string>();
        await using var hop = new SmtpSink(new SmtpSinkOptions
        {
            Keep = true,
            Answer = line =>
            {
                lines.Enqueue(line);
                return null;
            },
        });
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = hop.Port });
        await gateway.StartAsync();
        using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort))
        {
            foreach (var local in Quoted)
            {
                Assert.StartsWith(
                    "250", await talker.DeliverAsync($"{local}@example.org", $"{local}@outside.example", "Subject: x\r\n\r\nx\r\n"u8.ToArray()), StringComparison.Ordinal);
            }
        }
        await hop.WaitForAsync(Quoted.Length, TimeSpan.FromSeconds(30));
        Assert.Equal(Quoted.Select(l => $"RCPT TO:<{l}@outside.example>").Order(), lines.Where(l => l.StartsWith("RCPT", StringComparison.Ordinal)).Order());
        Assert.Equal(
            Quoted.Select(l => $"MAIL FROM:<{l}@example.org>").Order(),
            lines.Where(l => l.StartsWith("MAIL", StringComparison.Ordinal)).Select(l => l.Split(" SIZE=")[0] + (l.Contains("SIZE=1 <", StringComparison.Ordinal) ? " SIZE=1 <\"@example.org>" : "")).Order());
        Assert.All(lines, l => Assert.Matches("^(EHLO|MAIL FROM:<|RCPT TO:<|DATA$|RSET$|QUIT$|\\.$)", l));
    }

    private static void AssertPlain(IEnumerable<string> lines, string where) => Assert.All(lines, l =>
    {
        Assert.True(!l.StartsWith("FORGED", StringComparison.Ordinal), $"{where}: {l}");
        Assert.True(l.All(c => c == '\t' || !(char.IsControl(c) || c is '\u2028' or '\u2029' or '\u202e')), $"{where}: {l}");
        Assert.True(l.Length < 5000, $"{where}: a line of {l.Length}");
    });

    private static async Task LieAsync(
        (string Name, string Greeting, string Ehlo, string StartTls) liar, Stream stream, ConcurrentDictionary<string, string> heard, CancellationToken cancellationToken)
    {
        var buffer = new byte[16 * 1024];
        await SayAsync(liar.Greeting);
        int count;
        while ((count = await stream.ReadAsync(buffer, cancellationToken)) > 0)
        {
            var said = Encoding.Latin1.GetString(buffer, 0, count);
            heard.AddOrUpdate(liar.Name, said, (_, before) => before + said);
            await SayAsync(said.Split(' ', '\r')[0] switch
            {
                "EHLO" => liar.Ehlo,
                "STARTTLS" => liar.StartTls,
                "DATA" => "354 go",
                _ => "250 ok",
            });
        }

        ValueTask SayAsync(string reply) => stream.WriteAsync(Encoding.ASCII.GetBytes(reply + (reply.EndsWith("\r\n2", StringComparison.Ordinal) ? "" : "\r\n")), cancellationToken);
    }
}
