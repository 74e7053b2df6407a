using System.Net;
using System.Net.Sockets;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>It starts whole or not at all, says plainly what is wrong, and ends in good order.</summary>
public sealed class StartupTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task All_errors_of_a_configuration_are_told_at_once_with_line_and_key_and_nothing_listens()
    {
        var (relay, submission) = (Loopback.FreePort(), Loopback.FreePort());
        var good = new GatewaySetup { NextHopPort = Loopback.FreePort() }.Yaml(relay, submission);
        var bad = good
            .Replace("max-message-size: 220 MB", "max-message-size: huge", StringComparison.Ordinal)
            .Replace("relay-networks: [127.0.0.1/32]", "relay-networks: [everybody]", StringComparison.Ordinal)
            .Replace("default-next-hop: default", "default-next-hop: nowhere", StringComparison.Ordinal)
            .Replace("    method: ca", "    method: rot13", StringComparison.Ordinal)
            + "no-such-key: 1\n";
        var result = await RunAsync(bad);
        Assert.True(result.ExitCode is 1 or 2, result.All);
        var lines = bad.Split('\n');
        foreach (var key in new[] { "max-message-size", "relay-networks", "default-next-hop", "method", "no-such-key" })
        {
            var values = key switch
            {
                "max-message-size" => "huge",
                "relay-networks" => "everybody",
                "default-next-hop" => "nowhere",
                "method" => "rot13",
                _ => "no-such-key",
            };
            var line = Array.FindIndex(lines, l => l.Contains(values, StringComparison.Ordinal)) + 1;
            Assert.Contains(result.All.Split('\n'), said => said.Contains(key, StringComparison.Ordinal) && said.Contains($":{line}", StringComparison.Ordinal));
        }
        Assert.DoesNotContain("   at ", result.All, StringComparison.Ordinal);
        AssertNobodyListens(relay);
        AssertNobodyListens(submission);
        Assert.False(File.Exists(Path.Combine(_directory["state"], "gatewaysecure.db")), "It began to make its state.");
    }

    [Fact]
    public async Task A_port_in_use_is_a_plain_error_and_nothing_stays_started()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var relay = Loopback.FreePort();
        var taken = ((IPEndPoint)other.LocalEndpoint).Port;
        var result = await RunAsync(new GatewaySetup { NextHopPort = Loopback.FreePort() }.Yaml(relay, taken));
        Assert.True(result.ExitCode is 1 or 2, $"exit status {result.ExitCode}: {result.All}");
        Assert.Contains($"127.0.0.1:{taken}", result.All, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.All, StringComparison.Ordinal);
        AssertNobodyListens(relay);
    }

    [Fact]
    public async Task A_second_gateway_on_the_same_state_is_refused_and_the_first_goes_on()
    {
        await using var first = new GatewayProcess(new GatewaySetup { NextHopPort = Loopback.FreePort() });
        await first.StartAsync();
        var second = new GatewaySetup { NextHopPort = Loopback.FreePort() }.Yaml(Loopback.FreePort(), Loopback.FreePort());
        var file = _directory["second.yaml"];
        await File.WriteAllTextAsync(file, second, Cancel);
        var result = await Tool.RunAsync(Programs.Gateway, ["run", "--config", file, "--state", first.State], timeout: TimeSpan.FromSeconds(20));
        Assert.True(result.ExitCode is 1 or 2, $"exit status {result.ExitCode}: {result.All}");
        Assert.Contains("Another gateway", result.All, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.All, StringComparison.Ordinal);
        using var talker = await SmtpTalker.GreetAsync(first.RelayPort);
        Assert.StartsWith("250", await talker.SayAsync("NOOP"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task SIGTERM_delivers_what_is_under_way_says_421_and_exits_with_0()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions
        {
            Keep = true,
            // The next hop thinks a while over each message: it is under way when the signal comes.
            Answer = line =>
            {
                if (line == ".")
                    Thread.Sleep(4000);
                return null;
            },
        });
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sink.Port });
        await gateway.StartAsync();
        using var idle = await SmtpTalker.GreetAsync(gateway.RelayPort);
        using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort))
        {
            var text = Mails.Text(Mails.NewId(), "alice@example.org", "someone@outside.example");
            Assert.StartsWith("250",
                await talker.DeliverAsync("alice@example.org", "someone@outside.example", Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
        }
        await Task.Delay(500, Cancel);
        Assert.Equal(0, sink.Count);
        var port = gateway.RelayPort;
        Assert.Equal(0, await gateway.Child.StopAsync(TimeSpan.FromSeconds(25)));
        Assert.Equal(1, sink.Count);
        Assert.StartsWith("421", await idle.ReadReplyAsync(), StringComparison.Ordinal);
        AssertNobodyListens(port);
        // It was recorded as delivered: another life sends nothing.
        await gateway.StartAsync();
        await Task.Delay(1500, Cancel);
        Assert.Equal(1, sink.Count);
    }

    private async Task<ToolResult> RunAsync(string configuration)
    {
        var file = _directory["gateway.yaml"];
        await File.WriteAllTextAsync(file, configuration, Cancel);
        return await Tool.RunAsync(Programs.Gateway, ["run", "--config", file, "--state", _directory["state"]], timeout: TimeSpan.FromSeconds(20));
    }

    private static void AssertNobodyListens(int port)
    {
        using var client = new TcpClient();
        Assert.Throws<SocketException>(() => client.Connect(IPAddress.Loopback, port));
    }
}
