using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Reports;
using GatewaySecure.Gateway.Tests.Queue;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using GatewaySecure.TestKit;
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
    public async Task All_that_is_to_be_said_at_once_stands_in_one_report_and_another_parser_reads_it_the_same()
    {
        using var bench = new QueueBench();
        var item = await bench.PutAsync(
            QueueBench.Wants(ProtectionMethod.Normal),
            [
                new EnvelopeRecipient(MailAddress.Parse("failed@partner.example"), DsnNotify.Unspecified, "rfc822;first+failed@partner.example"),
                QueueBench.To("late@partner.example"),
                QueueBench.To("passed@partner.example", DsnNotify.Success),
                QueueBench.To("there@partner.example", DsnNotify.Success | DsnNotify.Failure),
                QueueBench.To("silent@partner.example", DsnNotify.Never),
            ]);
        bench.Time.Advance(TimeSpan.FromHours(5));
        await bench.Reporter.ReportAsync(
            item,
            [
                new RecipientReport(0, ReportKind.Failed, "relay refused it", new SmtpReply(550, "5.1.1", "no such user"), "relay"),
                new RecipientReport(1, ReportKind.Delayed, "relay said later", new SmtpReply(451, "4.3.0", "later"), "relay"),
                new RecipientReport(2, ReportKind.Relayed, "relay took it", new SmtpReply(250, "2.0.0", "ok"), "relay"),
                new RecipientReport(3, ReportKind.Delivered, "outbox took it", new SmtpReply(250, "2.0.0", "Written to x"), "outbox"),
                new RecipientReport(4, ReportKind.Failed, "refused", new SmtpReply(550, "5.1.1", "no such user"), "relay"),
            ],
            QueueBench.Cancel);
        var expected = """
            failed@partner.example|failed|5.1.1|rfc822;first+failed@partner.example|smtp; 550 5.1.1 no such user|
            late@partner.example|delayed|4.3.0||smtp; 451 4.3.0 later|Fri, 06 Mar 2026 12:00:00 +0000
            passed@partner.example|relayed|2.0.0||smtp; 250 2.0.0 ok|
            there@partner.example|delivered|2.0.0|||
            """;
        Assert.Equal(expected.ReplaceLineEndings("\n"), string.Join('\n', await PythonReport.RecipientsAsync(Octets(bench))));
        Assert.Equal(
            expected.ReplaceLineEndings("\n").Split('\n').Select(l => l.Split('|')[0]),
            Status(await LoadAsync(bench)).Skip(1).Select(g => g["Final-Recipient"]!["rfc822; ".Length..]));
    }

    [Theory]
    [InlineData(DsnReturn.Full, ProtectionMethod.Normal, true, nameof(ReportKind.Failed), 100, true)]
    [InlineData(DsnReturn.Headers, ProtectionMethod.Normal, true, nameof(ReportKind.Failed), 100, false)]
    [InlineData(null, ProtectionMethod.Normal, true, nameof(ReportKind.Failed), 100, false)]
    [InlineData(DsnReturn.Full, ProtectionMethod.Ca, true, nameof(ReportKind.Failed), 100, false)]
    [InlineData(DsnReturn.Full, ProtectionMethod.Kdc, true, nameof(ReportKind.Failed), 100, false)]
    [InlineData(DsnReturn.Full, ProtectionMethod.Normal, false, nameof(ReportKind.Failed), 100, false)]
    [InlineData(DsnReturn.Full, ProtectionMethod.Normal, true, nameof(ReportKind.Delayed), 100, false)]
    [InlineData(DsnReturn.Full, ProtectionMethod.Normal, true, nameof(ReportKind.Failed), 70_000, false)]
    public async Task The_whole_mail_is_given_back_only_where_it_was_asked_for_and_tells_nobody_anything(
        DsnReturn? asked, ProtectionMethod method, bool inside, string kind, int length, bool whole)
    {
        using var bench = new QueueBench();
        byte[] body = [.. QueueBench.Message, .. Enumerable.Repeat("filler\r\n"u8.ToArray(), length / 8).SelectMany(l => l)];
        var item = await bench.PutAsync(
            QueueBench.Wants(method),
            [QueueBench.To("a@partner.example", DsnNotify.Failure | DsnNotify.Delay)],
            change: m => m with { Envelope = m.Envelope with { Return = asked }, Session = m.Session with { FromInside = inside } },
            content: body);
        await bench.Reporter.ReportAsync(item, [new RecipientReport(0, Enum.Parse<ReportKind>(kind), "why")], QueueBench.Cancel);
        var returned = Assert.IsType<MultipartReport>((await LoadAsync(bench)).Body)[2];
        Assert.Equal(whole ? "message/rfc822" : "text/rfc822-headers", returned.ContentType.MimeType);
        if (whole)
            Assert.True(Octets(bench).AsSpan().IndexOf(body) > 0);
        else
            Assert.DoesNotContain("marker-body", bench.ReportText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mail_that_was_to_be_protected_once_is_not_given_back_though_it_is_not_any_more()
    {
        using var bench = new QueueBench();
        var item = await bench.PutAsync(
            QueueBench.Wants(ProtectionMethod.Ca),
            [QueueBench.To("a@partner.example")],
            change: m => m with { Envelope = m.Envelope with { Return = DsnReturn.Full } });
        await item.DecideAsync([(0, QueueBench.Wants(ProtectionMethod.Normal))], [], QueueBench.Cancel);
        await bench.Reporter.ReportAsync(item, [new RecipientReport(0, ReportKind.Failed, "why")], QueueBench.Cancel);
        Assert.DoesNotContain("marker", bench.ReportText(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Subject: long\r\n\r\n", 2000, false)]
    [InlineData("Subject: 8-bit\r\n\r\n\u00fc", 10, false)]
    [InlineData("Subject: \u00fc\r\n\r\n", 10, false)]
    [InlineData("Subject: \u00fc\r\n\r\n\u00fc", 10, true)]
    public async Task What_is_given_back_can_travel_the_way_back(string start, int line, bool utf8)
    {
        using var bench = new QueueBench();
        var item = await bench.PutAsync(
            QueueBench.Wants(ProtectionMethod.Normal),
            [QueueBench.To("a@partner.example")],
            change: m => m with { Envelope = m.Envelope with { Return = DsnReturn.Full, SmtpUtf8 = utf8 }, HoldsEightBit = true },
            content: Encoding.UTF8.GetBytes(start + new string('x', line) + "\r\n"));
        await bench.Reporter.ReportAsync(item, [new RecipientReport(0, ReportKind.Failed, "warum: \u00fc \u2192")], QueueBench.Cancel);
        Assert.All(Lines(bench), l => Assert.InRange(l.Length, 0, 998));
        Assert.Equal(!utf8, Ascii.IsValid(Octets(bench)));
        Assert.Equal(utf8 ? BodyType.EightBitMime : BodyType.SevenBit, bench.Reports[0].Mail.Envelope.Body);
        var parts = Assert.IsType<MultipartReport>((await LoadAsync(bench)).Body);
        Assert.Equal(utf8 ? "message/global" : "text/rfc822-headers", parts[2].ContentType.MimeType);
        Assert.Contains("warum: \u00fc \u2192", Assert.IsType<TextPart>(parts[0]).Text, StringComparison.Ordinal);
        Assert.Equal(["a@partner.example|failed|5.7.1|||"], await PythonReport.RecipientsAsync(Octets(bench)));
    }

    [Fact]
    public async Task A_stranger_whose_address_may_be_forged_hears_of_failures_only_unless_he_asked()
    {
        using var bench = new QueueBench();
        var item = await bench.PutAsync(
            QueueBench.Wants(ProtectionMethod.Normal),
            [QueueBench.To("a@inside.example"), QueueBench.To("b@inside.example", DsnNotify.Delay)],
            change: m => m with { Session = m.Session with { FromInside = false } });
        await bench.Reporter.ReportAsync(item, [new RecipientReport(0, ReportKind.Delayed, "held", IsHeld: true)], QueueBench.Cancel);
        Assert.Empty(bench.Reports);
        await bench.Reporter.ReportAsync(
            item, [new RecipientReport(0, ReportKind.Failed, "no"), new RecipientReport(1, ReportKind.Delayed, "later")], QueueBench.Cancel);
        Assert.Equal(
            ["a@inside.example|failed|5.7.1|||", "b@inside.example|delayed|4.4.7|||Fri, 06 Mar 2026 12:00:00 +0000"],
            await PythonReport.RecipientsAsync(Octets(bench)));
    }

    [Fact]
    public async Task What_others_wrote_adds_no_line()
    {
        using var bench = new QueueBench();
        var item = await bench.PutAsync(
            QueueBench.Wants(ProtectionMethod.Normal),
            [new EnvelopeRecipient(MailAddress.Parse("a@partner.example"), DsnNotify.Unspecified, "rfc822;x\r\nAction: delivered")]);
        await bench.Reporter.ReportAsync(item, [new RecipientReport(0, ReportKind.Failed, "why\r\n\r\nAction: delivered\nBcc: x\u2028Bcc: y\u2029\u202e")], QueueBench.Cancel);
        var lines = bench.ReportText().Split("\r\n");
        Assert.DoesNotContain(lines, l => l.StartsWith("Action: delivered", StringComparison.Ordinal) || l.StartsWith("Bcc", StringComparison.Ordinal));
        Assert.All(lines, l => Assert.DoesNotContain(l, c => char.IsControl(c) || c is '\u2028' or '\u2029' or '\u202e'));
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
        Assert.All(Lines(bench), l => Assert.InRange(l.Length, 0, 998));
    }

    private static byte[] Octets(QueueBench bench) => Spool.SpoolBench.ReadAll(Assert.Single(bench.Reports));

    /// <summary>One character for each octet.</summary>
    private static string[] Lines(QueueBench bench) => Encoding.Latin1.GetString(Octets(bench)).Split("\r\n");

    private static Task<MimeMessage> LoadAsync(QueueBench bench) => MimeMessage.LoadAsync(new MemoryStream(Octets(bench)), QueueBench.Cancel);

    private static HeaderListCollection Status(MimeMessage message) =>
        Assert.IsType<MessageDeliveryStatus>(Assert.IsType<MultipartReport>(message.Body)[1]).StatusGroups;
}
