using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>A 250 is a promise that outlives the process.</summary>
public sealed partial class CrashTests(ITestOutputHelper output)
{
    private const int Sessions = 20;
    private const int Count = 5000;
    private const string Plain = "reader@outside.example";
    private const string Partners = "partner@partner.example";

    [Fact]
    public async Task Every_acknowledged_mail_arrives_and_none_in_clear_though_the_gateway_is_killed_three_times()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        using var partner = new Partner(Partners);
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sink.Port });
        partner.TellAuthority(gateway);
        partner.TellCertificate(gateway);
        await gateway.StartAsync();

        var acknowledged = new ConcurrentDictionary<string, string>();
        var waiting = new ConcurrentQueue<int>(Enumerable.Range(0, Count));
        var clock = Stopwatch.StartNew();
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        var sending = Enumerable.Range(0, Sessions).Select(_ => Task.Run(() =>
            SendAsync(gateway.RelayPort, waiting, acknowledged, deadline.Token))).ToArray();
        // The first life must have got somewhere, and each further one a good part of the rest.
        for (var kill = 1; kill <= 3; kill++)
        {
            var mark = Count * kill / 5 + Random.Shared.Next(Count / 10);
            while (acknowledged.Count < mark && !deadline.IsCancellationRequested && !sending.Any(s => s.IsFaulted))
                await Task.Delay(5, CancellationToken.None);
            await Task.Delay(Random.Shared.Next(50), CancellationToken.None);
            output.WriteLine($"{clock.Elapsed.TotalSeconds:F1} s: kill -9 after {acknowledged.Count} acknowledged, {sink.Count} arrived");
            Assert.False(acknowledged.Count >= Count, "It was killed too late to prove anything.");
            await gateway.Child.KillAsync();
            await gateway.StartAsync();
        }
        await Task.WhenAll(sending);
        output.WriteLine($"{clock.Elapsed.TotalSeconds:F1} s: {acknowledged.Count} acknowledged");
        Assert.Equal(Count, acknowledged.Count);

        var until = DateTime.UtcNow.AddSeconds(60);
        Dictionary<string, int> arrived;
        do
        {
            await Task.Delay(250, CancellationToken.None);
            arrived = Arrived(sink.Messages);
        }
        while (acknowledged.Keys.Any(id => !arrived.ContainsKey(id)) && DateTime.UtcNow < until);
        var missing = acknowledged.Where(a => !arrived.ContainsKey(a.Key)).ToList();
        output.WriteLine($"{clock.Elapsed.TotalSeconds:F1} s: {arrived.Count} arrived, {arrived.Values.Count(n => n > 1)} more than once");
        Assert.True(missing.Count == 0, $"{missing.Count} acknowledged mails did not arrive, the first: {missing.FirstOrDefault()}");
        foreach (var message in sink.Messages)
        {
            if (message.Recipients.Contains(Partners))
                Assert.False(Mails.TellsSecret(message.Content), "A mail that a rule wants protected arrived in clear.");
            else
                Assert.True(Mails.TellsSecret(message.Content), "A mail that no rule touches was changed.");
        }
        // Once is the rule; twice only what was under way in a delivery when it was killed.
        Assert.InRange(arrived.Values.Count(n => n > 1), 0, Count / 10);
    }

    /// <summary>One session after another, one mail after another, until none waits; what got no 250 goes back, and out again under a new id.</summary>
    private static async Task SendAsync(
        int port, ConcurrentQueue<int> waiting, ConcurrentDictionary<string, string> acknowledged, CancellationToken cancellationToken)
    {
        while (!waiting.IsEmpty && !cancellationToken.IsCancellationRequested)
        {
            int? inHand = null;
            try
            {
                using var talker = await SmtpTalker.GreetAsync(port);
                while (waiting.TryDequeue(out var number))
                {
                    inHand = number;
                    var recipient = number % 2 == 0 ? Plain : Partners;
                    var id = $"{number}.{Guid.NewGuid():N}@example.org";
                    var text = Mails.Text(id, "alice@example.org", recipient);
                    var reply = await talker.DeliverAsync("alice@example.org", recipient, Encoding.ASCII.GetBytes(text));
                    if (!reply.StartsWith("250", StringComparison.Ordinal))
                    {
                        Assert.True(reply.Length == 0 || reply[0] == '4', reply);
                        break;
                    }
                    acknowledged[id] = recipient;
                    inHand = null;
                }
            }
            catch (Exception e) when (e is SocketException or IOException)
            {
                await Task.Delay(20, CancellationToken.None);
            }
            if (inHand is { } again)
                waiting.Enqueue(again);
        }
    }

    private static Dictionary<string, int> Arrived(IReadOnlyList<SinkMessage> messages)
    {
        var counts = new Dictionary<string, int>();
        foreach (var message in messages)
        {
            var head = Encoding.Latin1.GetString(message.Content.AsSpan(0, Math.Min(message.Content.Length, 4096)));
            var id = MessageId().Match(head).Groups[1].Value;
            counts[id] = counts.GetValueOrDefault(id) + 1;
        }
        return counts;
    }

    [GeneratedRegex(@"^Message-ID: <([^>]+)>", RegexOptions.Multiline)]
    private static partial Regex MessageId();
}
