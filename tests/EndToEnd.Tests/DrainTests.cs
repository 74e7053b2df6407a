using System.Diagnostics;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Told to stop while mail arrives.</summary>
public sealed class DrainTests
{
    [Fact]
    public async Task What_arrives_is_finished_the_rest_told_421_and_each_acknowledged_mail_comes_out_once()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sink.Port, SinkPort = sink.Port, More = "limits: { drain-timeout: 5s }\n" });
        await gateway.StartAsync();
        var idle = await OpenAsync(10);
        var sending = await OpenAsync(10);
        var stuck = await OpenAsync(3);
        var acknowledged = new List<string>();

        using (var before = await SmtpTalker.GreetAsync(gateway.RelayPort))
            await SendAsync(before, "before", begun: false);
        foreach (var (talker, i) in sending.Concat(stuck).Select((t, i) => (t, i)))
        {
            Assert.StartsWith("354", await talker.OfferAsync("alice@example.org", "someone@sink.example"), StringComparison.Ordinal);
            await talker.SendAsync($"Subject: mail {i}\r\n");
        }

        var stopped = gateway.Child.StopAsync(TimeSpan.FromSeconds(60));
        var waited = Stopwatch.StartNew();
        foreach (var talker in idle)
            Assert.StartsWith("421 4.3.2", await talker.ReadReplyAsync(), StringComparison.Ordinal);
        Assert.InRange(waited.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(4));
        foreach (var (talker, i) in sending.Select((t, i) => (t, i)))
            await SendAsync(talker, $"mail {i}", begun: true);
        foreach (var talker in stuck)
            Assert.Equal("", await talker.ReadReplyAsync());
        Assert.Equal(0, await stopped);
        await gateway.Child.WaitForLineAsync("were cut", TimeSpan.FromSeconds(5));

        await gateway.StartAsync();
        await sink.WaitForAsync(acknowledged.Count, TimeSpan.FromSeconds(30));
        // Anything more would have to come within the first retry.
        await Task.Delay(TimeSpan.FromSeconds(2), TestContext.Current.CancellationToken);
        var subjects = sink.Messages.Select(m => Encoding.ASCII.GetString(m.Content).Split("\r\n").Single(l => l.StartsWith("Subject: ", StringComparison.Ordinal))[9..]);
        Assert.Equal(11, acknowledged.Count);
        Assert.Equal(acknowledged.Order(), subjects.Order());
        foreach (var talker in idle.Concat(sending).Concat(stuck))
            talker.Dispose();

        async Task<List<SmtpTalker>> OpenAsync(int count)
        {
            var talkers = new List<SmtpTalker>();
            for (var i = 0; i < count; i++)
                talkers.Add(await SmtpTalker.GreetAsync(gateway.RelayPort));
            return talkers;
        }

        async Task SendAsync(SmtpTalker talker, string subject, bool begun)
        {
            if (!begun)
            {
                await talker.OfferAsync("alice@example.org", "someone@sink.example");
                await talker.SendAsync($"Subject: {subject}\r\n");
            }
            Assert.StartsWith("250", await talker.SayAsync("\r\nbody\r\n."), StringComparison.Ordinal);
            acknowledged.Add(subject);
        }
    }
}
