using System.Text;
using System.Text.Json;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Operators act on the queue of a running gateway and of a stopped one; what they did outlives a kill and stands in the audit.</summary>
public sealed class QueueCommandTests
{
    private const string Recipient = "reader@outside.example";
    private const string Other = "other@elsewhere.example";

    [Fact]
    public async Task What_is_held_deleted_and_released_stays_so_over_a_kill_and_stands_in_the_audit()
    {
        var nextHop = Loopback.FreePort();
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = nextHop });
        await gateway.StartAsync();
        var held = await SendAsync(gateway, Recipient);
        var deleted = await SendAsync(gateway, Other);
        var plain = await SendAsync(gateway, "third@outside.example");

        Assert.Contains("1 mail (1 recipient) held", (await gateway.ToolAsync("queue", "hold", "--recipient", Recipient)).Checked().Text, StringComparison.Ordinal);
        Assert.Contains("1 mail (1 recipient) deleted", (await gateway.ToolAsync("queue", "delete", deleted)).Checked().Text, StringComparison.Ordinal);
        var nothing = await gateway.ToolAsync("queue", "delete");
        Assert.Equal(1, nothing.ExitCode);
        Assert.Contains("--all", nothing.Error, StringComparison.Ordinal);
        await gateway.Child.KillAsync();
        await gateway.StartAsync();

        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true }, nextHop);
        await gateway.ToolAsync("queue", "retry", "--all");
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(30));
        Assert.Equal(["third@outside.example"], Assert.Single(sink.Messages).Recipients);
        var listed = Assert.Single((await gateway.QueueAsync()).EnumerateArray());
        Assert.Equal((held, "held"), (listed.GetProperty("id").GetString(), listed.GetProperty("state").GetString()));
        Assert.Contains("held by ", listed.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Contains("outside.example", (await gateway.ToolAsync("queue", "list", "--summary")).Checked().Text, StringComparison.Ordinal);
        Assert.Contains("decided by the default", (await gateway.ToolAsync("queue", "show", held)).Checked().Text, StringComparison.Ordinal);

        (await gateway.ToolAsync("queue", "release", held)).Checked();
        await sink.WaitForAsync(2, TimeSpan.FromSeconds(30));
        Assert.Contains(sink.Messages, m => m.Recipients.SequenceEqual([Recipient]));
        Assert.DoesNotContain(sink.Messages, m => m.Recipients.Contains(Other));
        Assert.NotEqual(plain, held);

        var audit = (await gateway.ToolAsync("audit", "show", "--json")).Checked().Text;
        var actions = JsonDocument.Parse(audit).RootElement.EnumerateArray()
            .Where(e => e.GetProperty("action").GetString()!.StartsWith("queue.", StringComparison.Ordinal))
            .Select(e => (e.GetProperty("action").GetString(), e.GetProperty("subject").GetString()));
        Assert.Equal([("queue.hold", held), ("queue.delete", deleted), ("queue.release", held)], actions.Where(a => a.Item1 != "queue.retry"));
        Assert.Contains($"{Environment.UserName} (uid ", audit, StringComparison.Ordinal);
        (await gateway.ToolAsync("audit", "verify")).Checked();
    }

    [Fact]
    public async Task The_same_commands_work_on_the_spool_of_a_stopped_gateway()
    {
        var nextHop = Loopback.FreePort();
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = nextHop });
        await gateway.StartAsync();
        var bounced = await SendAsync(gateway, Recipient);
        var deleted = await SendAsync(gateway, Other);
        await gateway.Child.KillAsync();

        Assert.Equal(2, (await gateway.QueueAsync()).GetArrayLength());
        var unnamed = await gateway.ToolAsync("queue", "bounce", bounced);
        Assert.Equal(1, unnamed.ExitCode);
        Assert.Contains("--config", unnamed.Error, StringComparison.Ordinal);
        (await gateway.ToolAsync("queue", "bounce", bounced, "--config", gateway.ConfigurationFile)).Checked();
        (await gateway.ToolAsync("queue", "delete", deleted)).Checked();
        var report = Assert.Single((await gateway.QueueAsync()).EnumerateArray());
        Assert.Equal(("<>", "alice@example.org"), (report.GetProperty("sender").GetString(), report.GetProperty("recipient").GetString()));

        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true }, nextHop);
        await gateway.StartAsync();
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(30));
        var text = Encoding.UTF8.GetString(Assert.Single(sink.Messages).Content);
        Assert.Contains($"Final-Recipient: rfc822; {Recipient}\r\nAction: failed", text, StringComparison.Ordinal);
        Assert.Equal(0, (await gateway.QueueAsync()).GetArrayLength());
    }

    [Fact]
    public async Task Less_protection_needs_two_users_of_the_machine()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "Two users need root on Linux.");
        var login = File.Exists("/proc/self/loginuid") ? await File.ReadAllTextAsync("/proc/self/loginuid", TestContext.Current.CancellationToken) : "4294967295";
        Assert.SkipUnless(login.Trim() == "4294967295", "Whoever logged in here is the same person under either user.");
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sink.Port, RunAs = GatewaySetup.Nobody });
        Assert.SkipUnless((await Tool.RunAsync("setpriv", [.. GatewayProcess.As(GatewaySetup.Nobody), "test", "-x", Programs.Gateway])).ExitCode == 0, "That user can't run the program under test.");
        await gateway.StartAsync();
        var id = await SendAsync(gateway, "late@partner.example");
        await gateway.Child.WaitForLineAsync("held", TimeSpan.FromSeconds(20));

        // The rules are changed, and the gateway takes them up.
        await gateway.Child.KillAsync();
        var yaml = await File.ReadAllTextAsync(gateway.ConfigurationFile, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(
            gateway.ConfigurationFile, yaml.Replace("[partner.example, sink.partner.example]", "[other.example]", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        await gateway.StartAsync();
        var first = await AskAsync();
        Assert.Equal(1, (await gateway.ToolAsAsync(GatewaySetup.Nobody, "queue", "withdraw", first)).ExitCode);
        (await gateway.ToolAsync("queue", "withdraw", first)).Checked();
        Assert.Equal(1, (await gateway.ToolAsAsync(GatewaySetup.Nobody, "queue", "approve", first)).ExitCode);
        var request = await AskAsync();
        Assert.Contains("late@partner.example", (await gateway.ToolAsync("queue", "requests")).Checked().Text, StringComparison.Ordinal);
        var same = await gateway.ToolAsync("queue", "approve", request);
        Assert.Equal(1, same.ExitCode);
        Assert.Contains("Another person", same.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(sink.Messages, m => m.Recipients.Contains("late@partner.example"));

        (await gateway.ToolAsAsync(GatewaySetup.Nobody, "queue", "approve", request)).Checked();
        for (var i = 0; i < 300 && !sink.Messages.Any(m => m.Recipients.Contains("late@partner.example")); i++)
            await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.True(Mails.TellsSecret(Assert.Single(sink.Messages, m => m.Recipients.Contains("late@partner.example")).Content));
        var audit = (await gateway.ToolAsAsync(GatewaySetup.Nobody, "audit", "show")).Checked().Text;
        Assert.Contains("queue.lowering.ask", audit, StringComparison.Ordinal);
        Assert.Contains("root (uid 0)", audit, StringComparison.Ordinal);
        Assert.Contains($"(uid {GatewaySetup.Nobody})", audit, StringComparison.Ordinal);
        Assert.Contains("queue.lowering.withdraw", audit, StringComparison.Ordinal);

        async Task<string> AskAsync() => JsonDocument.Parse((await gateway.ToolAsync("queue", "redecide", id, "--json")).Checked().Text)
            .RootElement.EnumerateArray().Single(e => e.TryGetProperty("expires", out _)).GetProperty("id").GetString()!;
    }

    /// <returns>The mail's id.</returns>
    private static async Task<string> SendAsync(GatewayProcess gateway, string recipient)
    {
        using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort);
        var text = Mails.Text(Mails.NewId(), "alice@example.org", recipient);
        var reply = await talker.DeliverAsync("alice@example.org", recipient, Encoding.ASCII.GetBytes(text));
        Assert.StartsWith("250 2.0.0 Queued as ", reply, StringComparison.Ordinal);
        return reply.Trim()["250 2.0.0 Queued as ".Length..];
    }
}
