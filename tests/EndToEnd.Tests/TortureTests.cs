using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>Every mail of tests/vectors/torture passes as the same octets, however it comes and however it leaves, or is refused in plain words.</summary>
[Collection(TortureGroup.Name)]
public sealed class TortureTests(TortureFixture fixture, ITestOutputHelper output)
{
    private static readonly string[] BothSinks = [TortureFixture.ByChunks, TortureFixture.ByData];

    public static TheoryData<string> All => [.. TortureCorpus.Mails.Select(m => m.Name)];

    public static TheoryData<string> Accepted => [.. TortureCorpus.Mails.Where(m => m.Refusal is null).Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(All))]
    public async Task A_mail_of_the_torture_corpus_arrives_as_the_same_octets_or_is_refused(string name)
    {
        var mail = TortureCorpus.Get(name);
        var sent = new List<(string Sender, Way Way)>();
        using (var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort))
        {
            foreach (var way in Way.AllFor(mail))
            {
                var sender = TortureFixture.NewSender();
                var reply = await TortureFixture.SendAsync(talker, sender, BothSinks, mail, way);
                if (mail.Refusal is { } refusal)
                    Assert.True(reply.StartsWith(refusal + " ", StringComparison.Ordinal), $"{way}: {reply}");
                else
                    Assert.True(reply.StartsWith("250", StringComparison.Ordinal), $"{way}: {reply}");
                sent.Add((sender, way));
            }
            // One answer for each message: the next thing it says answers the next command.
            Assert.StartsWith("214", await talker.SayAsync("HELP"), StringComparison.Ordinal);
        }
        if (mail.Refusal is not null)
        {
            Assert.DoesNotContain(sent, s => fixture.IsAnywhere(s.Sender));
            return;
        }
        foreach (var (sender, way) in sent)
        {
            var came = way.IsData ? mail.AsData : mail.Content;
            AssertSame(came, await fixture.ArrivedAsync(fixture.ChunkSink, sender), $"{way}, on by BDAT");
            // Where the next hop knows DATA only, a mail without a line end at its end gets one: DATA can't be said without.
            AssertSame(mail.AsData, await fixture.ArrivedAsync(fixture.DataSink, sender), $"{way}, on by DATA");
        }
    }

    [Theory]
    [MemberData(nameof(Accepted))]
    public async Task A_next_hop_without_8BITMIME_gets_the_same_octets_or_the_sender_a_report(string name)
    {
        var mail = TortureCorpus.Get(name);
        var sender = TortureFixture.NewSender();
        using (var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort))
            Assert.StartsWith("250", await TortureFixture.SendAsync(talker, sender, [TortureFixture.SevenBit], mail, new Way(true, 0)), StringComparison.Ordinal);
        if (Ascii.IsValid(mail.Content))
        {
            AssertSame(mail.AsData, await fixture.ArrivedAsync(fixture.PlainSink, sender), "7-bit");
            return;
        }
        var report = await fixture.ReportedAsync(sender);
        Assert.Contains("Status: 5.6.3\r\n", report, StringComparison.Ordinal);
        Assert.DoesNotContain(fixture.PlainSink.Messages, m => m.From == sender);
    }

    [Fact]
    public async Task A_mail_under_SMTPUTF8_never_goes_to_a_next_hop_without()
    {
        var sender = TortureFixture.NewSender();
        var way = new Way(true, 0) { Parameters = " BODY=8BITMIME SMTPUTF8" };
        using (var talker = await SmtpTalker.GreetAsync(fixture.Gateway.RelayPort))
            Assert.StartsWith("250", await TortureFixture.SendAsync(talker, sender, BothSinks, TortureCorpus.Get("header-utf-8"), way), StringComparison.Ordinal);
        Assert.Contains("Status: 5.6.7\r\n", await fixture.ReportedAsync(sender), StringComparison.Ordinal);
        Assert.False(fixture.IsAnywhere(sender));
    }

    private void AssertSame(byte[] expected, byte[] arrived, string how)
    {
        var below = Mails.BelowOurReceived(arrived);
        if (expected.AsSpan().SequenceEqual(below))
            return;
        var at = expected.AsSpan().CommonPrefixLength(below);
        output.WriteLine(Encoding.Latin1.GetString(below, Math.Max(0, at - 100), Math.Min(200, below.Length - Math.Max(0, at - 100))));
        Assert.Fail($"{how}: {expected.Length} octets were sent, {below.Length} arrived, the first difference at {at}.");
    }
}
