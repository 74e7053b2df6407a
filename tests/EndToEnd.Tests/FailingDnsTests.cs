using System.Diagnostics;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>A domain that can't be looked up rests as a whole.</summary>
public sealed class FailingDnsTests
{
    private const int Mx = 15;
    private const int Count = 30;

    [Fact]
    public async Task While_a_domain_can_not_be_looked_up_its_lane_rests_and_its_mail_neither_asks_nor_counts_attempts()
    {
        await using var dns = new FaultyDns();
        await using var sink = new SmtpSink();
        await using var gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = sink.Port,
            MxDomains = ["partner.test"],
            More = $"dns:\n  resolver: '{dns.Address}'\n",
        });
        await gateway.StartAsync();
        using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort))
        {
            for (var i = 0; i < Count; i++)
            {
                var text = Mails.Text(Mails.NewId(), "alice@example.org", "bob@partner.test");
                Assert.StartsWith("250", await talker.DeliverAsync("alice@example.org", "bob@partner.test", Encoding.ASCII.GetBytes(text)), StringComparison.Ordinal);
            }
        }

        // A failure is remembered for five seconds. Mail that is tried on its own schedule (after 1, 2, 5, 5… seconds) would ask each time that is over: a fourth
        // time after 15 to 20 seconds. One mail that asks for all of them after rests of 1, 2, 4, 8 and 16 seconds does so at 0, 7, 15 and 31.
        for (var until = Stopwatch.GetTimestamp() + (90 * Stopwatch.Frequency); Times(dns).Count < 4; await Task.Delay(100, TestContext.Current.CancellationToken))
            Assert.True(Stopwatch.GetTimestamp() < until, gateway.LogText);
        var times = Times(dns);
        Assert.True(Stopwatch.GetElapsedTime(times[0], times[3]) > TimeSpan.FromSeconds(25), $"The fourth question came after {Stopwatch.GetElapsedTime(times[0], times[3])}.");

        var attempts = (await gateway.QueueAsync()).EnumerateArray().Select(e => e.GetProperty("attempts").GetInt32()).ToList();
        Assert.Equal(Count, attempts.Count);
        // The first five at once, then one after each rest.
        Assert.InRange(attempts.Sum(), 5, 15);
        Assert.Equal(0, sink.Count);
    }

    /// <summary>When the domain was asked for; deliveries that begin at once ask at once.</summary>
    private static List<long> Times(FaultyDns dns)
    {
        var times = new List<long>();
        foreach (var question in dns.Questions.Where(q => q is { Name: "partner.test", Type: Mx }))
        {
            if (times.Count == 0 || Stopwatch.GetElapsedTime(times[^1], question.At) > TimeSpan.FromSeconds(2))
                times.Add(question.At);
        }
        return times;
    }
}
