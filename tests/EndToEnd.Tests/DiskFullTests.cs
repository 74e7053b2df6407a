using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>A state directory on a small disk of its own, filled to the brim.</summary>
public sealed class DiskFullTests
{
    [Fact]
    public async Task A_full_disk_is_answered_with_452_loses_nothing_and_is_overcome_without_a_restart()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "Mounting a small disk needs root on Linux.");
        var nextHop = Loopback.FreePort();
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = nextHop, MinimumFreeSpace = "2 MB" });
        var mounted = await Tool.RunAsync("mount", ["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", gateway.State]);
        Assert.SkipUnless(mounted.ExitCode == 0, "This container may not mount a disk.");
        try
        {
            await gateway.StartAsync();
            var accepted = new List<string>();
            var reply = "";
            for (var i = 0; i < 200; i++)
            {
                var id = Mails.NewId();
                reply = await SendAsync(gateway, id);
                if (!reply.StartsWith("250", StringComparison.Ordinal))
                    break;
                accepted.Add(id);
            }
            Assert.StartsWith("452 4.3.1", reply, StringComparison.Ordinal);
            Assert.InRange(accepted.Count, 5, 100);
            Assert.Equal(accepted.Count, (await gateway.QueueAsync()).GetArrayLength());

            await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true }, nextHop);
            await sink.WaitForAsync(accepted.Count, TimeSpan.FromSeconds(60));
            reply = "";
            for (var i = 0; i < 50 && !reply.StartsWith("250", StringComparison.Ordinal); i++)
            {
                await Task.Delay(200, TestContext.Current.CancellationToken);
                var id = Mails.NewId();
                reply = await SendAsync(gateway, id);
                if (reply.StartsWith("250", StringComparison.Ordinal))
                    accepted.Add(id);
            }
            Assert.StartsWith("250", reply, StringComparison.Ordinal);
            await sink.WaitForAsync(accepted.Count, TimeSpan.FromSeconds(30));
            var arrived = sink.Messages.Select(m => Encoding.ASCII.GetString(m.Content)).ToList();
            Assert.All(accepted, id => Assert.Single(arrived, text => text.Contains(id, StringComparison.Ordinal)));
            Assert.Equal(accepted.Count, arrived.Count);
        }
        finally
        {
            await gateway.Child.DisposeAsync();
            await Tool.RunAsync("umount", ["-l", gateway.State]);
        }
    }

    private static async Task<string> SendAsync(GatewayProcess gateway, string id)
    {
        using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort);
        var text = Mails.Text(id, "alice@example.org", "reader@outside.example", string.Concat(Enumerable.Repeat("Filler, line after line.\r\n", 8000)));
        return await talker.DeliverAsync("alice@example.org", "reader@outside.example", Encoding.ASCII.GetBytes(text));
    }
}
