using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Reports;
using GatewaySecure.Gateway.Tests.Queue;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using MimeKit;

namespace GatewaySecure.Gateway.Tests.Reports;

public sealed class ReportWriterTests
{
    [Theory]
    [InlineData(DsnNotify.Unspecified, true, true, false)]
    [InlineData(DsnNotify.Never, false, false, false)]
    [InlineData(DsnNotify.Failure, true, false, false)]
    [InlineData(DsnNotify.Delay, false, true, false)]
    [InlineData(DsnNotify.Success, false, false, true)]
    public async Task Only_what_notify_asks_for_is_reported(DsnNotify notify, bool failed, bool delayed, bool relayed)
    {
        foreach (var (kind, wanted) in new[] { (ReportKind.Failed, failed), (ReportKind.Delayed, delayed), (ReportKind.Relayed, relayed) })
        {
            using var bench = new QueueBench();
            var item = await bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("a@partner.example", notify)]);
            await bench.Reporter.ReportAsync(item, [new RecipientReport(0, kind, "why")], QueueBench.Cancel);
            Assert.Equal(wanted ? 1 : 0, bench.Reports.Count);
        }
    }

    [Fact]
    public async Task The_null_sender_gets_no_report()
    {
        using var bench = new QueueBench();
        var item = await bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("a@partner.example")], sender: null);
        await bench.Reporter.ReportAsync(item, [new RecipientReport(0, ReportKind.Failed, "why")], QueueBench.Cancel);
        Assert.Empty(bench.Reports);
    }

    [Theory]
    [InlineData(ProtectionMethod.Normal, true)]
    [InlineData(ProtectionMethod.Ca, false)]
    public async Task A_report_parses_and_gives_the_subject_back_only_of_unprotected_mail(ProtectionMethod method, bool subjectIsBack)
    {
        using var bench = new QueueBench();
        var item = await bench.PutAsync(QueueBench.Wants(method), [QueueBench.To("a@partner.example")]);
        var report = new RecipientReport(0, ReportKind.Failed, "refused", new SmtpReply(550, "5.1.1", "no such user"), "relay");
        await bench.Reporter.ReportAsync(item, [report], QueueBench.Cancel);

        var text = bench.ReportText();
        Assert.Equal(subjectIsBack, text.Contains("marker-secret", StringComparison.Ordinal));
        Assert.DoesNotContain("marker-body", text, StringComparison.Ordinal);
        var envelope = bench.Reports[0].Mail.Envelope;
        Assert.Null(envelope.Sender);
        Assert.Equal("alice@inside.example", Assert.Single(envelope.Recipients).Address.ToString());
        using var message = await MimeMessage.LoadAsync(new MemoryStream(Encoding.UTF8.GetBytes(text)), QueueBench.Cancel);
        var parts = Assert.IsType<MultipartReport>(message.Body);
        Assert.Equal(("delivery-status", 3), (parts.ReportType, parts.Count));
        var groups = Assert.IsType<MessageDeliveryStatus>(parts[1]).StatusGroups;
        Assert.Equal("envelope-7", groups[0]["Original-Envelope-Id"]);
        Assert.Equal("rfc822; a@partner.example", groups[1]["Final-Recipient"]);
        Assert.Equal("failed", groups[1]["Action"]);
        Assert.Equal("5.1.1", groups[1]["Status"]);
        Assert.Equal("auto-replied", message.Headers["Auto-Submitted"]);
    }

    [Fact]
    public async Task What_others_wrote_adds_no_line()
    {
        using var bench = new QueueBench();
        var item = await bench.PutAsync(
            QueueBench.Wants(ProtectionMethod.Normal),
            [new EnvelopeRecipient(MailAddress.Parse("a@partner.example"), DsnNotify.Unspecified, "rfc822;x\r\nAction: delivered")]);
        await bench.Reporter.ReportAsync(item, [new RecipientReport(0, ReportKind.Failed, "why\r\n\r\nAction: delivered\nBcc: x")], QueueBench.Cancel);
        var lines = bench.ReportText().Split("\r\n");
        Assert.DoesNotContain(lines, l => l.StartsWith("Action: delivered", StringComparison.Ordinal) || l.StartsWith("Bcc", StringComparison.Ordinal));
        Assert.All(lines, l => Assert.DoesNotContain(l, char.IsControl));
    }

    [Fact]
    public async Task An_internationalised_recipient_makes_a_global_report_in_eight_bits_with_lines_of_legal_length()
    {
        using var bench = new QueueBench();
        var item = await bench.PutAsync(QueueBench.Wants(ProtectionMethod.Normal), [QueueBench.To("jürgen@partner.example")]);
        await bench.Reporter.ReportAsync(item, [new RecipientReport(0, ReportKind.Failed, new string('€', 2000))], QueueBench.Cancel);
        var text = bench.ReportText();
        Assert.Contains("Content-Type: message/global-delivery-status\r\n", text, StringComparison.Ordinal);
        Assert.Contains("Final-Recipient: utf-8; jürgen@partner.example\r\n", text, StringComparison.Ordinal);
        Assert.Equal(BodyType.EightBitMime, bench.Reports[0].Mail.Envelope.Body);
        Assert.All(text.Split("\r\n"), l => Assert.InRange(Encoding.UTF8.GetByteCount(l), 0, 998));
    }
}
