using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>What must be protected and can't be stays, and says why; it goes once it can be.</summary>
public sealed class HeldMailTests
{
    private const string Recipient = "late@partner.example";

    [Fact]
    public async Task Mail_without_a_certificate_is_held_reported_and_delivered_protected_once_there_is_one()
    {
        await using var sink = new SmtpSink(new SmtpSinkOptions { Keep = true });
        using var partner = new Partner(Recipient);
        await using var gateway = new GatewayProcess(new GatewaySetup { NextHopPort = sink.Port });
        partner.TellAuthority(gateway);
        await gateway.StartAsync();
        var id = Mails.NewId();
        using (var talker = await SmtpTalker.GreetAsync(gateway.RelayPort))
        {
            var reply = await talker.DeliverAsync(
                "alice@example.org", Recipient, Encoding.ASCII.GetBytes(Mails.Text(id, "alice@example.org", Recipient)));
            Assert.StartsWith("250 2.0.0", reply, StringComparison.Ordinal);
        }

        await gateway.Child.WaitForLineAsync("held", TimeSpan.FromSeconds(20));
        var queue = (await gateway.QueueAsync()).GetRawText();
        Assert.Contains(Recipient, queue, StringComparison.Ordinal);
        Assert.Contains("held", queue, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("certificate", queue, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("partners get S/MIME", queue, StringComparison.Ordinal);

        // The only mail that leaves is the report to the sender.
        await sink.WaitForAsync(1, TimeSpan.FromSeconds(20));
        var report = Assert.Single(sink.Messages);
        Assert.Equal("", report.From);
        Assert.Equal(["alice@example.org"], report.Recipients);
        var text = Encoding.UTF8.GetString(report.Content);
        Assert.Contains("multipart/report", text, StringComparison.Ordinal);
        Assert.Contains("Action: delayed", text, StringComparison.Ordinal);
        Assert.Contains(Recipient, text, StringComparison.Ordinal);
        Assert.False(Mails.TellsSecret(report.Content));
        foreach (var (name, content) in gateway.Traces())
            Assert.False(Mails.TellsSecret(content), $"{name} tells the secret.");

        await gateway.Child.KillAsync();
        partner.TellCertificate(gateway);
        await gateway.StartAsync();
        await sink.WaitForAsync(2, TimeSpan.FromSeconds(30));
        var protectedMail = Assert.Single(sink.Messages, m => m.Recipients.Contains(Recipient));
        Assert.False(Mails.TellsSecret(protectedMail.Content));
        var file = gateway["arrived.eml"];
        await File.WriteAllBytesAsync(file, protectedMail.Content, TestContext.Current.CancellationToken);
        Assert.Contains(
            Mails.Secret, await File.ReadAllTextAsync(await partner.OpenAsync(file, gateway), TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }
}
