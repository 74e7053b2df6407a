using System.Text;
using System.Text.Json;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>A gateway with a KDC that runs as a process of its own.</summary>
public sealed class KdcServerTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Mail_is_sealed_by_the_server_waits_while_it_is_away_and_goes_on_when_it_is_back()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var kdc = new KdcProcess();
        var (lines, certificate) = kdc.GatewayLines(GatewaySetup.HostName);
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sink.Port, KdcLines = lines });
        (await kdc.ToolAsync("principal", "add", "--kind", "gateway", "--name", GatewaySetup.HostName, "--domain", "example.org", "--certificate", certificate))
            .Checked();
        await kdc.Child.StartAsync();

        // Without a key of the KDC the gateway does not start, and says what to do.
        var early = await Assert.ThrowsAsync<InvalidOperationException>(() => gateway.StartAsync());
        Assert.Contains("gateway kdc enroll", early.Message, StringComparison.Ordinal);
        var token = gateway["token"];
        await File.WriteAllTextAsync(token, (await kdc.ToolAsync("gateway", "token", GatewaySetup.HostName)).Checked().Text, Cancel);
        (await EnrollAsync(gateway, token)).Checked();
        // Once only.
        Assert.Equal(1, (await EnrollAsync(gateway, token)).ExitCode);

        await CardHolder.IssueAsync(kdc.State, name => kdc[name], "alice@example.org");
        var bob = await CardHolder.IssueAsync(kdc.State, name => kdc[name], "bob@example.org");
        await gateway.StartAsync();
        await SendAsync(gateway, "first");
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(30));
        await AssertOpensAsync(bob, gateway, sink.Messages[0].Content);

        Assert.Equal(0, await kdc.Child.StopAsync());
        await SendAsync(gateway, "second");
        await SendAsync(gateway, "third");
        await gateway.Child.WaitForLineAsync("can't be reached", TimeSpan.FromSeconds(30));
        Assert.Single(sink.Messages);
        Assert.Equal(2, (await gateway.QueueAsync()).GetArrayLength());

        await kdc.Child.StartAsync();
        await sink.WaitForAsync(3, TimeSpan.FromSeconds(40));
        Assert.All(sink.Messages, m => Assert.Equal(["bob@example.org"], m.Recipients));
        foreach (var message in sink.Messages)
            await AssertOpensAsync(bob, gateway, message.Content);
        foreach (var (name, content) in gateway.Traces())
            Assert.False(Mails.TellsSecret(content), $"{name} tells the secret.");

        var explained = (await gateway.ToolAsync(
            "policy", "explain", "--config", gateway.ConfigurationFile, "--from", "alice@example.org", "--to", "bob@example.org")).Checked();
        Assert.Contains("key version 1", explained.Text, StringComparison.Ordinal);
        var stranger = await gateway.ToolAsync(
            "policy", "explain", "--config", gateway.ConfigurationFile, "--from", "alice@example.org", "--to", "nobody@example.org");
        Assert.Contains("not known to the KDC", stranger.All, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_tool_adds_shows_suspends_and_deletes_principals_beside_the_running_server()
    {
        await using var kdc = new KdcProcess();
        await kdc.Child.StartAsync();
        var added = Json(await kdc.ToolAsync(
            "principal", "add", "--name", "Carol", "--address", "carol@example.org", "--expires", "2099-01-01", "--json"));
        Assert.Equal("active", added.GetProperty("status").GetString());
        Assert.Equal("planned", Json(await kdc.ToolAsync("principal", "expire", "Carol", "--active-from", "2098-01-01", "--json")).GetProperty("status").GetString());
        Assert.Equal("expired", Json(await kdc.ToolAsync("principal", "expire", "Carol", "--expires", "now", "--json")).GetProperty("status").GetString());
        Assert.Equal("active", Json(await kdc.ToolAsync("principal", "expire", "Carol", "--json")).GetProperty("status").GetString());
        var suspended = Json(await kdc.ToolAsync("principal", "suspend", "carol@example.org", "--reason", "on leave", "--json"));
        Assert.Equal("on leave", suspended.GetProperty("reason").GetString());
        (await kdc.ToolAsync("principal", "resume", "carol@example.org")).Checked();
        (await kdc.ToolAsync("principal", "delete", "carol@example.org", "--reason", "left")).Checked();

        // Freed for somebody else, hidden, kept.
        (await kdc.ToolAsync("principal", "add", "--name", "Another Carol", "--address", "carol@example.org")).Checked();
        var shown = Json(await kdc.ToolAsync("principal", "list", "--json"));
        Assert.Equal("Another Carol", Assert.Single(shown.EnumerateArray()).GetProperty("name").GetString());
        var all = Json(await kdc.ToolAsync("principal", "list", "--all", "--json"));
        Assert.Equal(2, all.GetArrayLength());
        var first = Json(await kdc.ToolAsync("principal", "show", added.GetProperty("id").GetString()!, "--json"));
        Assert.Equal("deleted", first.GetProperty("status").GetString());
        Assert.Equal("carol@example.org", first.GetProperty("formerAddresses")[0].GetProperty("address").GetString());

        var wrong = await kdc.ToolAsync("principal", "resume", added.GetProperty("id").GetString()!);
        Assert.Equal(1, wrong.ExitCode);
        Assert.Contains("for ever", wrong.Error, StringComparison.Ordinal);
        Assert.Equal(1, (await kdc.ToolAsync("principal", "show", "nobody@example.org")).ExitCode);
        Assert.Equal(1, Json(await kdc.ToolAsync("status", "--json")).GetProperty("users").GetInt32());
    }

    private static JsonElement Json(ToolResult result) => JsonDocument.Parse(result.Checked().Output).RootElement;

    private static Task<ToolResult> EnrollAsync(GatewayProcess gateway, string token) =>
        gateway.ToolAsync("kdc", "enroll", "--config", gateway.ConfigurationFile, "--token-file", token);

    private static async Task SendAsync(GatewayProcess gateway, string subject) =>
        (await gateway.SwaksAsync("bob@example.org", Mails.Text($"{subject}-{Mails.NewId()}", "alice@example.org", "bob@example.org"))).Checked();

    private static async Task AssertOpensAsync(CardHolder holder, GatewayProcess gateway, byte[] mail)
    {
        var file = gateway[$"{Guid.NewGuid():N}.eml"];
        await File.WriteAllBytesAsync(file, mail, Cancel);
        var opened = await holder.OpenAsync(file, file + ".clear");
        Assert.True(opened.ExitCode == 0, opened.All);
        Assert.Contains(Mails.Secret, await File.ReadAllTextAsync(file + ".clear", Encoding.UTF8, Cancel), StringComparison.Ordinal);
    }
}
