using System.Collections.Concurrent;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Without a reserve the disk fails in the middle of a write, for many senders at once: a small file system of its own, filled to the brim.</summary>
public sealed class NoSpaceLeftTests(ITestOutputHelper output)
{
    private const int Senders = 10;
    private const string Recipient = "reader@outside.example";

    [Fact]
    public async Task A_full_disk_answers_452_to_all_and_every_acknowledged_mail_arrives_once_there_is_room()
    {
        if (!Environment.IsPrivilegedProcess)
            Assert.Skip("Only root may mount a file system.");
        var isShut = true;
        await using var sink = new SmtpSink(new SmtpSinkOptions
        {
            Keep = true,
            Answer = line => isShut && line.StartsWith("MAIL", StringComparison.Ordinal) ? "451 4.3.0 Later" : null,
        });
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sink.Port, MinimumFreeSpace = "1B" });
        var mount = await Tool.RunAsync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", gateway.State]);
        if (mount.ExitCode != 0)
            Assert.Skip($"No file system can be mounted here: {mount.All.Trim()}");
        try
        {
            var ballast = Path.Combine(gateway.State, "ballast");
            await File.WriteAllBytesAsync(ballast, new byte[12 << 20], TestContext.Current.CancellationToken);
            await gateway.StartAsync();

            var acknowledged = new ConcurrentDictionary<string, bool>();
            var refusals = await Task.WhenAll(Enumerable.Range(0, Senders).Select(_ => SendUntilRefusedAsync(gateway.RelayPort, acknowledged)));
            output.WriteLine($"{acknowledged.Count} acknowledged until the disk was full; then: {refusals[0]}");
            Assert.All(refusals, reply => Assert.StartsWith("452 4.3.1", reply, StringComparison.Ordinal));
            Assert.NotInRange(acknowledged.Count, 0, 50);
            Assert.Equal(0, sink.Count);

            File.Delete(ballast);
            isShut = false;
            await sink.WaitForAsync(acknowledged.Count, TimeSpan.FromSeconds(60));
            // What asked the disk a moment ago may still know it as full.
            for (var until = DateTime.UtcNow.AddSeconds(10); !await IsAcceptedAsync(gateway.RelayPort, acknowledged); await Task.Delay(200, TestContext.Current.CancellationToken))
                Assert.True(DateTime.UtcNow < until, gateway.LogText);
            await sink.WaitForAsync(acknowledged.Count, TimeSpan.FromSeconds(30));
            var arrived = sink.Messages.Select(m => IdOf(m.Content)).ToList();
            Assert.Equal(acknowledged.Keys.Order(), arrived.Order());
            await gateway.Child.StopAsync();
        }
        finally
        {
            if (gateway.Child.IsRunning)
                await gateway.Child.KillAsync();
            (await Tool.RunAsync("umount", [gateway.State])).Checked();
        }
    }

    /// <returns>The first reply that is not 250.</returns>
    private static async Task<string> SendUntilRefusedAsync(int port, ConcurrentDictionary<string, bool> acknowledged)
    {
        using var talker = await SmtpTalker.GreetAsync(port);
        while (true)
        {
            var (id, reply) = await SendAsync(talker);
            if (!reply.StartsWith("250", StringComparison.Ordinal))
                return reply;
            acknowledged[id] = true;
        }
    }

    private static async Task<bool> IsAcceptedAsync(int port, ConcurrentDictionary<string, bool> acknowledged)
    {
        using var talker = await SmtpTalker.GreetAsync(port);
        var (id, reply) = await SendAsync(talker);
        return reply.StartsWith("250", StringComparison.Ordinal) && acknowledged.TryAdd(id, true);
    }

    private static async Task<(string Id, string Reply)> SendAsync(SmtpTalker talker)
    {
        var id = Mails.NewId();
        var body = string.Concat(Enumerable.Repeat(new string('x', 76) + "\r\n", 300));
        var mail = Mails.Text(id, "alice@example.org", Recipient, body);
        return (id, await talker.DeliverAsync("alice@example.org", Recipient, Encoding.ASCII.GetBytes(mail)));
    }

    private static string IdOf(byte[] content)
    {
        var head = Encoding.Latin1.GetString(content.AsSpan(0, Math.Min(content.Length, 2048)));
        return head.Split("Message-ID: <", 2)[1].Split('>', 2)[0];
    }
}
