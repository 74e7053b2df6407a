using System.Globalization;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Mail passes scanners before it is protected, or does not go on.</summary>
public sealed class ScanningTests
{
    private const string Recipient = "someone@outside.example";

    [Fact]
    public async Task Clamav_lets_clean_mail_pass_stops_infected_mail_and_while_it_is_down_mail_waits()
    {
        await using var clamav = await PrivateClamav.StartAsync();
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, clamav.Port);

        var clean = await SendAsync(gateway, "nothing of interest");
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(30));
        var arrived = Encoding.ASCII.GetString(sink.Messages[0].Content);
        Assert.StartsWith("X-Virus-", arrived, StringComparison.Ordinal);
        Assert.Contains("X-Virus-Status: Clean\r\n", arrived, StringComparison.Ordinal);
        Assert.Equal(clean, Encoding.ASCII.GetString(Mails.BelowOurReceived(sink.Messages[0].Content)));

        await SendAsync(gateway, $"This is {PrivateClamav.Pattern}.");
        await gateway.Child.WaitForLineAsync("Scanner virus refused", TimeSpan.FromSeconds(30));
        var queue = await WaitForQueueAsync(gateway, "Gateway.Test.Pattern");
        Assert.Contains("held", queue, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("scan.refusal", (await gateway.ToolAsync("audit", "show")).Checked().Text, StringComparison.Ordinal);

        // Its sender is inside and is told; nothing of the mail itself leaves.
        await sink.WaitForAsync(2, TimeSpan.FromSeconds(30));
        Assert.Equal("alice@example.org", Assert.Single(sink.Messages[1].Recipients));
        Assert.DoesNotContain(PrivateClamav.Pattern, Encoding.ASCII.GetString(sink.Messages[1].Content), StringComparison.Ordinal);

        await clamav.Clamd.StopAsync();
        await SendAsync(gateway, "while it is down");
        await gateway.Child.WaitForLineAsync("Scanner virus could not look at", TimeSpan.FromSeconds(30));
        Assert.Contains("held until scanner virus", await WaitForQueueAsync(gateway, "held until"), StringComparison.Ordinal);
        Assert.Equal(2, sink.Messages.Count);

        await clamav.Clamd.StartAsync(TimeSpan.FromSeconds(60));
        await sink.WaitForAsync(3, TimeSpan.FromSeconds(60));
        Assert.Contains("while it is down", Encoding.ASCII.GetString(sink.Messages[2].Content), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mail_that_passed_is_not_scanned_again_after_a_retry_and_a_restart()
    {
        await using var filter = await OddFilter.StartAsync();
        var isOpen = false;
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true, Answer = l => !isOpen && l.StartsWith("MAIL", StringComparison.Ordinal) ? "451 4.3.0 later" : null });
        await using var gateway = await StartAsync(sink, filter.Port);
        await SendAsync(gateway, "Text", "X-Test: describe\r\n");
        await gateway.Child.WaitForLineAsync("451 4.3.0 later", TimeSpan.FromSeconds(20));
        await gateway.Child.KillAsync();
        await filter.StopAsync();
        isOpen = true;
        await gateway.StartAsync();
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(30));
        Assert.Contains("X-Seen: ", Encoding.ASCII.GetString(Assert.Single(sink.Messages).Content), StringComparison.Ordinal);
        Assert.Single(gateway.Child.Log, l => l.Contains("passed scanner", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("hold", "reject", "held", true)]
    [InlineData("bounce", "reject", null, true)]
    [InlineData("discard", "reject", null, false)]
    [InlineData("discard", "discard", null, false)]
    [InlineData("discard", "quarantine", "held", true)]
    [InlineData("discard", "replace-body", "held", true)]
    public async Task What_follows_a_refusal_is_as_configured(string infected, string wish, string? state, bool isReported)
    {
        await using var filter = await OddFilter.StartAsync();
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, filter.Port, infected);
        await SendAsync(gateway, "Text", $"X-Test: {wish}\r\n");
        await gateway.Child.WaitForLineAsync("Scanner virus refused", TimeSpan.FromSeconds(20));
        if (state is not null)
            Assert.Contains(state, await WaitForQueueAsync(gateway, "scanner virus refused it"), StringComparison.OrdinalIgnoreCase);

        // A second mail passes: by then the first has had its consequences.
        await SendAsync(gateway, "Text");
        await sink.WaitForAsync(isReported ? 2 : 1, TimeSpan.FromSeconds(30));
        Assert.Equal(isReported ? 1 : 0, sink.Messages.Count(m => m.From.Length == 0));
        Assert.Single(sink.Messages, m => m.Recipients.Contains(Recipient));
        Assert.Contains("scan.refusal", (await gateway.ToolAsync("audit", "show")).Checked().Text, StringComparison.Ordinal);
        if (state is null)
            await WaitForQueueAsync(gateway, null);
    }

    [Fact]
    public async Task Infected_mail_from_outside_is_held_and_its_sender_told_nothing()
    {
        await using var filter = await OddFilter.StartAsync();
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, filter.Port, "bounce");
        using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort, "127.0.0.2"))
        {
            var text = "X-Test: reject\r\n" + Mails.Text(Mails.NewId(), "bob@partner.test", "dora@example.org");
            Assert.StartsWith("250", await talker.DeliverAsync("bob@partner.test", "dora@example.org", Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
        }
        Assert.Contains("held", await WaitForQueueAsync(gateway, "scanner virus refused it"), StringComparison.OrdinalIgnoreCase);
        await SendAsync(gateway, "Text");
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(20));
        Assert.Equal(Recipient, Assert.Single(Assert.Single(sink.Messages).Recipients));
    }

    [Fact]
    public async Task What_scanners_see_is_the_form_that_leaves_so_what_tnef_hides_is_found_once_it_is_opened()
    {
        const string partner = "partner@partner.example";
        await using var filter = await OddFilter.StartAsync();
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = await StartAsync(sink, filter.Port, tnef: "open");
        using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort);
        var text = $"X-Test: reject-report\r\nFrom: alice@example.org\r\nMessage-ID: <{Mails.NewId()}>\r\n" + Mails.Winmail();
        Assert.StartsWith("250", await talker.DeliverAsync("alice@example.org", Recipient, Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(20));
        Assert.Equal(text, Encoding.ASCII.GetString(Mails.BelowOurReceived(sink.Messages[0].Content)));

        Assert.StartsWith("250", await talker.DeliverAsync("alice@example.org", partner, Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
        var queue = await WaitForQueueAsync(gateway, "scanner virus refused it");
        Assert.Contains(partner, queue, StringComparison.Ordinal);
        Assert.DoesNotContain(sink.Messages, m => m.Recipients.Contains(partner));
    }

    private static async Task<GatewayProcess> StartAsync(SmtpSink sink, int milterPort, string infected = "hold", string tnef = "keep")
    {
        var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port,
            Tnef = tnef,
            More = string.Create(CultureInfo.InvariantCulture, $"scanners:\n  - name: virus\n    milter: 127.0.0.1:{milterPort}\n    timeout: 20s\n    infected: {infected}\n"),
        });
        await gateway.StartAsync();
        return gateway;
    }

    private static async Task<string> SendAsync(GatewayProcess gateway, string body, string header = "")
    {
        using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort);
        var text = header + Mails.Text(Mails.NewId(), "alice@example.org", Recipient, body);
        Assert.StartsWith("250", await talker.DeliverAsync("alice@example.org", Recipient, Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
        return text;
    }

    /// <param name="text">That the list shall hold; null: that it is empty.</param>
    private static async Task<string> WaitForQueueAsync(GatewayProcess gateway, string? text)
    {
        for (var i = 0; i < 60; i++)
        {
            var queue = await gateway.QueueAsync();
            var raw = queue.GetRawText();
            if (text is null ? queue.GetArrayLength() == 0 : raw.Contains(text, StringComparison.Ordinal))
                return raw;
            await Task.Delay(250, TestContext.Current.CancellationToken);
        }
        throw new TimeoutException($"The queue does not come to '{text}':\n{gateway.LogText}");
    }
}
