using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>kill -9 at every step of a delivery, by the next hop's own hand: it knows best when it hears what. Copies are counted.</summary>
public sealed class DeliveryKillTests(ITestOutputHelper output)
{
    private const string Recipient = "reader@outside.example";

    [Fact]
    public async Task Killed_at_every_step_of_a_delivery_the_mail_arrives_and_twice_only_where_the_answer_was_lost()
    {
        string? killAt = null;
        string? answer = null;
        GatewayProcess? gateway = null;
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true, Answer = Answer });
        await using var running = gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sink.Port });
        await gateway.StartAsync();

        await KillAsync("EHLO", null, copies: 1);
        await KillAsync("MAIL", null, copies: 1);
        await KillAsync("RCPT", null, copies: 1);
        await KillAsync("DATA", null, copies: 1);
        // The next hop drops the connection after the final dot and has not taken the mail.
        await KillAsync(".", "", copies: 1);
        await KillAsync(".", "451 4.3.0 Later", copies: 1);
        // It has taken it, and nobody hears so: the double that SMTP can't avoid (RFC 5321 §4.1.1.4, RFC 1047).
        await KillAsync(".", null, copies: 2);
        Assert.Equal(8, sink.Count);

        async Task KillAsync(string step, string? says, int copies)
        {
            var before = sink.Count;
            (killAt, answer) = (step, says);
            using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort))
            {
                var mail = Encoding.ASCII.GetBytes(Mails.Text(Mails.NewId(), "alice@example.org", Recipient));
                await talker.OfferAsync("alice@example.org", Recipient);
                await talker.SendAsync(mail);
                await talker.SendAsync(".\r\n");
                // It may be killed before the answer is out: then it is in the spool all the same, and this client does not send again.
                var reply = await talker.ReadReplyAsync();
                Assert.True(reply.Length == 0 || reply.StartsWith("250", StringComparison.Ordinal), reply);
            }
            await gateway.Child.WaitForEndAsync(TimeSpan.FromSeconds(20));
            Assert.Null(killAt);
            await gateway.StartAsync();
            await sink.WaitForAsync(before + copies, TimeSpan.FromSeconds(30));
            var queue = Path.Combine(gateway.SpoolFolder, "queue");
            for (var until = DateTime.UtcNow.AddSeconds(20); Directory.GetFiles(queue).Length > 0; await Task.Delay(30))
                Assert.True(DateTime.UtcNow < until, gateway.LogText);
            output.WriteLine($"killed at {step} ({says ?? "taken"}): {sink.Count - before} arrived");
            Assert.Equal(before + copies, sink.Count);
        }

        string? Answer(string line)
        {
            if (killAt is null || !line.StartsWith(killAt, StringComparison.Ordinal))
                return null;
            killAt = null;
            ProcessSignal.Kill(gateway!.Child.Id);
            return answer;
        }
    }
}
