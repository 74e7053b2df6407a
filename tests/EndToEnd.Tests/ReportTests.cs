using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>What senders are told, over real SMTP: to a Postfix that takes the reports, and by next hops with and without DSN.</summary>
public sealed class ReportTests
{
    [Fact]
    public async Task Success_and_failure_come_back_in_one_report_that_a_postfix_takes_and_python_reads()
    {
        await using var postfix = await PrivatePostfix.StartAsync(new PostfixOptions());
        await using var sink = new SmtpSink(new SmtpSinkOptions { Answer = Refusal });
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = postfix.Port, SinkPort = sink.Port });
        await gateway.StartAsync();
        await SendAsync(
            gateway,
            " RET=FULL ENVID=our+2Bown",
            "good@sink.example> NOTIFY=SUCCESS,FAILURE",
            "bad@sink.example> NOTIFY=FAILURE ORCPT=rfc822;first@sink.example",
            "silent@sink.example> NOTIFY=NEVER");

        var report = await File.ReadAllBytesAsync(Assert.Single(await postfix.WaitForDeliveriesAsync(1, TimeSpan.FromSeconds(30))), TestContext.Current.CancellationToken);
        var text = Encoding.Latin1.GetString(report).ReplaceLineEndings("\r\n");
        Assert.Contains("Return-Path: <>\r\n", text, StringComparison.Ordinal);
        Assert.Contains("Original-Envelope-Id: our+own\r\n", text, StringComparison.Ordinal);
        Assert.Contains("Content-Type: message/rfc822\r\n", text, StringComparison.Ordinal);
        Assert.Contains(Mails.Secret, text, StringComparison.Ordinal);
        var told = await PythonReport.RecipientsAsync(report);
        Assert.Equal(2, told.Length);
        Assert.StartsWith("good@sink.example|relayed|2.", told[0], StringComparison.Ordinal);
        Assert.Equal("bad@sink.example|failed|5.1.1|rfc822;first@sink.example|smtp; 550 5.1.1 nobody of that name|", told[1]);

        static string? Refusal(string line) => line.Contains("bad@", StringComparison.Ordinal) || line.Contains("silent@", StringComparison.Ordinal)
            ? "550 5.1.1 nobody of that name"
            : null;
    }

    [Fact]
    public async Task A_next_hop_with_DSN_gets_the_senders_wishes_and_reports_success_itself()
    {
        var lines = new System.Collections.Concurrent.ConcurrentQueue<string>();
        await using var sink = new SmtpSink(new SmtpSinkOptions
        {
            Keywords = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN"],
            Keep = true,
            Answer = line =>
            {
                lines.Enqueue(line);
                return null;
            },
        });
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sink.Port });
        await gateway.StartAsync();
        await SendAsync(gateway, " RET=HDRS ENVID=our+2Bown", "good@sink.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bone@sink.example");
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(30));
        Assert.EndsWith(" RET=HDRS ENVID=our+2Bown", Assert.Single(sink.Messages).MailCommand, StringComparison.Ordinal);
        Assert.Contains("RCPT TO:<good@sink.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bone@sink.example", lines);
        for (var i = 0; i < 50 && (await gateway.QueueAsync()).GetArrayLength() > 0; i++)
            await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.Single(sink.Messages);
    }

    private static async Task SendAsync(GatewayProcess gateway, string mail, params string[] recipients)
    {
        using var talker = await SmtpTalker.GreetAsync(gateway.RelayPort);
        Assert.StartsWith("250", await talker.SayAsync($"MAIL FROM:<alice@example.org>{mail}"), StringComparison.Ordinal);
        foreach (var recipient in recipients)
            Assert.StartsWith("250", await talker.SayAsync($"RCPT TO:<{recipient}"), StringComparison.Ordinal);
        Assert.StartsWith("354", await talker.SayAsync("DATA"), StringComparison.Ordinal);
        var text = Mails.Text(Mails.NewId(), "alice@example.org", "good@sink.example");
        Assert.StartsWith("250", await talker.SayAsync(text + "."), StringComparison.Ordinal);
    }
}
