using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Several recipients, each by his own method; next hops that are away, or say no.</summary>
public sealed class DeliveryTests(GatewayFixture fixture)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_mail_to_three_goes_to_each_as_his_rule_wants_and_to_nobody_otherwise()
    {
        var id = Mails.NewId();
        var text = Mails.Text(id, "alice@example.org", $"bob@example.org, {GatewayFixture.PartnerAddress}, open@outside.example");
        (await fixture.SwaksAsync($"bob@example.org,{GatewayFixture.PartnerAddress},open@outside.example", text)).Checked();
        var until = DateTime.UtcNow.AddSeconds(20);
        while (fixture.Delivered(id).Count() < 3 && DateTime.UtcNow < until)
            await Task.Delay(100, Cancel);
        var files = fixture.Delivered(id).ToDictionary(f => File.ReadLines(f).First(l => l.StartsWith("X-Original-To: ", StringComparison.Ordinal))[15..]);
        Assert.Equal(["bob@example.org", "open@outside.example", GatewayFixture.PartnerAddress], files.Keys.Order(StringComparer.Ordinal));
        Assert.True(Mails.TellsSecret(await File.ReadAllBytesAsync(files["open@outside.example"], Cancel)));
        Assert.False(Mails.TellsSecret(await File.ReadAllBytesAsync(files["bob@example.org"], Cancel)));
        Assert.False(Mails.TellsSecret(await File.ReadAllBytesAsync(files[GatewayFixture.PartnerAddress], Cancel)));
        var clear = fixture.Gateway["three-clear.eml"];
        var opened = await fixture.Bob.OpenAsync(files["bob@example.org"], clear);
        Assert.True(opened.ExitCode == 0, opened.All);
        Assert.Contains(Mails.Secret, await File.ReadAllTextAsync(clear, Cancel), StringComparison.Ordinal);
        Assert.Contains(
            Mails.Secret,
            await File.ReadAllTextAsync(await fixture.Partner.OpenAsync(files[GatewayFixture.PartnerAddress], fixture.Gateway), Cancel),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_blind_recipient_gets_his_own_copy_and_shows_in_no_other()
    {
        var dave = await CardHolder.IssueAsync(fixture.Gateway, "dave@example.org");
        var id = Mails.NewId();
        var text = Mails.Text(id, "alice@example.org", "bob@example.org");
        (await fixture.SwaksAsync("bob@example.org,dave@example.org", text)).Checked();
        var until = DateTime.UtcNow.AddSeconds(20);
        while (fixture.Delivered(id).Count() < 2 && DateTime.UtcNow < until)
            await Task.Delay(100, Cancel);
        var files = fixture.Delivered(id).ToDictionary(f => File.ReadLines(f).First(l => l.StartsWith("X-Original-To: ", StringComparison.Ordinal))[15..]);
        Assert.Equal(2, files.Count);
        var forBob = await File.ReadAllBytesAsync(files["bob@example.org"], Cancel);
        var body = Encoding.ASCII.GetString(forBob).Split("\n\n", 2)[1].ReplaceLineEndings("");
        Assert.DoesNotContain("dave@", Encoding.Latin1.GetString(forBob), StringComparison.Ordinal);
        Assert.DoesNotContain("dave@", Encoding.Latin1.GetString(Convert.FromBase64String(body)), StringComparison.Ordinal);
        Assert.Contains("bob@", Encoding.Latin1.GetString(Convert.FromBase64String(body)), StringComparison.Ordinal);
        foreach (var (holder, address) in new[] { (fixture.Bob, "bob@example.org"), (dave, "dave@example.org") })
        {
            var opened = await holder.OpenAsync(files[address], fixture.Gateway[$"blind-{address}.eml"]);
            Assert.True(opened.ExitCode == 0, opened.All);
        }
    }

    [Fact]
    public async Task A_From_that_is_not_the_authenticated_sender_never_becomes_his_kdc_mail()
    {
        var id = Mails.NewId();
        // Alice proves that she is Alice, and writes as somebody else.
        (await fixture.SwaksAsync("bob@example.org", Mails.Text(id, "boss@example.org", "bob@example.org"))).Checked();
        // All that goes out is the report to her, and even that does not tell the subject of what was to be protected.
        var report = await File.ReadAllTextAsync(await fixture.DeliveredAsync(id), Cancel);
        Assert.Single(fixture.Delivered(id));
        Assert.Contains("X-Original-To: alice@example.org", report, StringComparison.Ordinal);
        Assert.Contains("multipart/report", report, StringComparison.Ordinal);
        Assert.DoesNotContain(Mails.Subject, report, StringComparison.Ordinal);
        Assert.Contains((await fixture.Gateway.QueueAsync()).EnumerateArray(), line =>
            line.GetProperty("state").GetString() == "held" && line.GetProperty("reason").GetString()!.Contains("boss@example.org", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_next_hop_that_is_away_is_tried_again_and_one_that_says_no_makes_a_report()
    {
        var port = Loopback.FreePort();
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = port });
        await gateway.StartAsync();
        using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort))
        {
            foreach (var recipient in new[] { "patient@outside.example", "unknown@outside.example" })
            {
                var text = Mails.Text(Mails.NewId(), "sender@example.org", recipient);
                Assert.StartsWith(
                    "250", await talker.DeliverAsync("sender@example.org", recipient, Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
            }
        }
        await gateway.Child.WaitForLineAsync("tried again later", TimeSpan.FromSeconds(10));

        await using var sink = new SmtpSink(
            new SmtpSinkOptions { Keep = true, Answer = line => line.Contains("TO:<unknown@", StringComparison.Ordinal) ? "550 5.1.1 Nobody of that name" : null },
            port);
        // A host that could not be reached is left alone for 20 seconds. The second mail delivered is the report.
        var until = DateTime.UtcNow.AddSeconds(45);
        while (sink.Count < 2 && DateTime.UtcNow < until)
            await Task.Delay(100, Cancel);
        Assert.True(sink.Count == 2, gateway.LogText);
        Assert.Equal(["patient@outside.example"], Assert.Single(sink.Messages, m => m.From == "sender@example.org").Recipients);
        var report = Assert.Single(sink.Messages, m => m.From.Length == 0);
        Assert.Equal(["sender@example.org"], report.Recipients);
        var said = Encoding.UTF8.GetString(report.Content);
        foreach (var expected in new[] { "Action: failed", "Status: 5.1.1", "unknown@outside.example", "Nobody of that name" })
            Assert.Contains(expected, said, StringComparison.Ordinal);
        // A report is never answered by another report, and nothing stays behind.
        await Task.Delay(1500, Cancel);
        Assert.Equal(2, sink.Count);
        Assert.Equal(0, (await gateway.QueueAsync()).GetArrayLength());
    }

    [Fact]
    public async Task Mail_that_goes_round_in_circles_is_refused()
    {
        // The gateway is its own next hop: whatever leaves comes back, until the gateway has seen it too often.
        var port = Loopback.FreePort();
        await using var looping = new GatewayProcess(new GatewaySetup { NextHopPort = port, RelayPort = port });
        await looping.StartAsync();
        using (var talker = await SmtpTalker.GreetAsync(looping.RelayPort))
        {
            var text = Mails.Text(Mails.NewId(), "sender@outside.example", "round@outside.example");
            await talker.DeliverAsync("sender@outside.example", "round@outside.example", Encoding.ASCII.GetBytes(text));
        }
        await looping.Child.WaitForLineAsync("given up", TimeSpan.FromSeconds(30));
        // The report circles too, and ends likewise, without another report.
        var until = DateTime.UtcNow.AddSeconds(30);
        while ((await looping.QueueAsync()).GetArrayLength() > 0 && DateTime.UtcNow < until)
            await Task.Delay(300, Cancel);
        Assert.Equal(0, (await looping.QueueAsync()).GetArrayLength());
        Assert.InRange(looping.Child.Log.Count(l => l.Contains(" accepted from ", StringComparison.Ordinal)), 4, 10);
    }
}
