using System.Security.Cryptography;
using System.Text;
using GatewaySecure.KdcCore;
using GatewaySecure.TestKit;

namespace GatewaySecure.MailProtection.Tests;

/// <summary>docs/formats/kdc-mail.md §4–6, both ways.</summary>
public sealed class KdcMailTests
{
    private const string Signed = "From: alice@example.org\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n";
    private const string Mail = """
        Received: from a by b
        From: Alice <alice@example.org>
        To: bob@example.org
        Bcc: eve@example.org
        Subject: Secret plan
        Keywords: merger
        Date: Fri, 20 Nov 2026 11:00:00 +0000
        MIME-Version: 1.0
        Content-Type: text/plain; charset=us-ascii

        The body.

        """;

    private readonly FakeKdc _kdc = new();

    [Fact]
    public async Task Recipient_opens_and_sees_who_and_how()
    {
        var (outcome, output) = await Sealed.OpenAsync(await Sealed.WriteAsync(await SealAsync(Mail)), _kdc.KeysOf("bob@example.org"));
        var mail = Assert.IsType<OpenOutcome.Opened>(outcome).Mail;
        Assert.Equal("kdc", mail.Method);
        Assert.Equal("alice@example.org", mail.Sender?.ToString());
        Assert.Equal(Pki.Now, mail.IssuedAt);
        Assert.Equal(VerdictLevel.Good, mail.Worst);
        Assert.Contains(mail.Verdicts, v => v.Text.Contains("gateway authenticated", StringComparison.Ordinal));
        var text = Encoding.ASCII.GetString(output);
        Assert.StartsWith("GatewaySecure-Random: ", text);
        Assert.Contains("\r\nSubject: Secret plan\r\n", text);
        Assert.Contains("Content-Type: text/plain; charset=us-ascii;\r\n hp=\"cipher\"\r\n", text);
        Assert.Contains("\r\nHP-Outer: Subject: [...]\r\n", text);
        Assert.Contains("\r\nHP-Outer: To: bob@example.org\r\n", text);
        Assert.DoesNotContain("\nBcc", text);
        Assert.DoesNotContain("HP-Outer: Keywords", text);
        Assert.EndsWith("\r\n\r\nThe body.\r\n", text);
        Assert.Equal(_kdc.Orders[0].Commitment.ToArray(), SHA256.HashData(output));
    }

    [Fact]
    public async Task Outside_shows_neither_subject_nor_blind_copies()
    {
        var text = Encoding.ASCII.GetString(await Sealed.WriteAsync(await SealAsync(Mail)));
        var header = text[..text.IndexOf("\r\n\r\n", StringComparison.Ordinal)];
        Assert.StartsWith("Received: from a by b\r\nFrom: Alice <alice@example.org>\r\n", header);
        Assert.Contains("Subject: [...]\r\n", header);
        Assert.Contains("Content-Type: application/vnd.gatewaysecure.kdc-mime; name=\"mail.kdc\"", header);
        Assert.DoesNotContain("Secret", header);
        Assert.DoesNotContain("merger", header);
        Assert.DoesNotContain("\nBcc", header);
    }

    [Fact]
    public async Task Openssl_opens_the_container_with_the_ticket_key()
    {
        var state = Assert.IsType<ProtectionOutcome.Ready>(await SealAsync(Mail)).StateToKeep;
        var outcome = await SealAsync(Mail, state);
        var octets = await Sealed.WriteAsync(outcome);
        var body = Encoding.ASCII.GetString(octets).Split("\r\n\r\n")[1];
        using var folder = new TempDirectory();
        await File.WriteAllBytesAsync(folder["c.der"], Convert.FromBase64String(body), TestContext.Current.CancellationToken);
        var ticket = _kdc.StandingChecks[0].Tickets[0];
        var kek = await TicketDerivation.DeriveAsync(
            TicketPurpose.Ticket, ticket.Context, _kdc["bob@example.org"].Key, TestContext.Current.CancellationToken);
        var opened = await Tool.RunAsync("openssl", [
            "cms", "-decrypt", "-inform", "DER", "-in", folder["c.der"], "-secretkey", Convert.ToHexString(kek),
            "-secretkeyid", Convert.ToHexString(ticket.Id.Span)]);
        var entity = opened.Checked().Output;
        Assert.Equal(_kdc.Orders[0].Commitment.ToArray(), SHA256.HashData(entity));
    }

    [Fact]
    public async Task Retry_sends_the_identical_entity_under_a_fresh_nonce_and_asks_for_standing()
    {
        var first = Assert.IsType<ProtectionOutcome.Ready>(await SealAsync(Mail));
        var second = Assert.IsType<ProtectionOutcome.Ready>(await SealAsync(Mail, first.StateToKeep));
        Assert.Single(_kdc.Orders);
        Assert.Single(_kdc.StandingChecks);
        var one = await Sealed.WriteAsync(first);
        var two = await Sealed.WriteAsync(second);
        Assert.NotEqual(one, two);
        Assert.Equal(
            (await Sealed.OpenAsync(one, _kdc.KeysOf("bob@example.org"))).Output,
            (await Sealed.OpenAsync(two, _kdc.KeysOf("bob@example.org"))).Output);
    }

    [Fact]
    public async Task Retry_after_loss_of_standing_fails_with_the_reason()
    {
        var first = Assert.IsType<ProtectionOutcome.Ready>(await SealAsync(Mail));
        _kdc.Standing = "bob@example.org was suspended.";
        Assert.Equal("bob@example.org was suspended.", Assert.IsType<ProtectionOutcome.Failed>(await SealAsync(Mail, first.StateToKeep)).Reason);
    }

    [Fact]
    public async Task Retry_past_the_last_moment_to_send_gets_new_tickets_for_the_same_entity()
    {
        var first = Assert.IsType<ProtectionOutcome.Ready>(await SealAsync(Mail));
        _kdc.Now = Pki.Now.AddDays(2);
        var second = Assert.IsType<ProtectionOutcome.Ready>(await SealAsync(Mail, first.StateToKeep, now: _kdc.Now));
        Assert.Equal(2, _kdc.Orders.Count);
        Assert.Equal(_kdc.Orders[0].Commitment.ToArray(), _kdc.Orders[1].Commitment.ToArray());
        Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(await Sealed.WriteAsync(second), _kdc.KeysOf("bob@example.org"))).Outcome);
    }

    [Theory]
    [InlineData("From: mallory@example.org\n\nx")]
    [InlineData("To: bob@example.org\n\nx")]
    [InlineData("From: alice@example.org\nFrom: alice@example.org\n\nx")]
    [InlineData("From: alice@example.org, mallory@example.org\n\nx")]
    [InlineData("From: team: alice@example.org;\n\nx")]
    public async Task Message_not_from_the_sender_alone_gets_no_ticket(string mail)
    {
        Assert.IsType<ProtectionOutcome.Failed>(await SealAsync(mail));
        Assert.Empty(_kdc.Orders);
    }

    [Theory]
    [InlineData("From: alice@example.org\n\nx")]
    [InlineData("From: \"Example, Alice\" <Alice@EXAMPLE.org>\n\nx")]
    [InlineData("From: =?utf-8?q?Al=C3=AFce?=\n <alice@example.org> (office)\n\nx")]
    [InlineData("from : <alice@example.org>\nBroken line\nFrom: mallory@example.org\n\nx")]
    public async Task Sender_is_understood_in_every_spelling(string mail)
    {
        var octets = await Sealed.WriteAsync(await SealAsync(mail));
        var (outcome, output) = await Sealed.OpenAsync(octets, _kdc.KeysOf("bob@example.org"));
        Assert.IsType<OpenOutcome.Opened>(outcome);
        Assert.EndsWith("x", Encoding.ASCII.GetString(output));
    }

    [Fact]
    public async Task Answers_of_the_kdc_become_outcomes()
    {
        _kdc.Answer = new TicketOutcome.Refused("revoked.", Sealed.Address("bob@example.org"));
        Assert.Equal("bob@example.org: revoked.", Assert.IsType<ProtectionOutcome.Failed>(await SealAsync(Mail)).Reason);
        _kdc.Answer = new TicketOutcome.Unavailable("later");
        Assert.Equal("later", Assert.IsType<ProtectionOutcome.Deferred>(await SealAsync(Mail)).Reason);
    }

    [Fact]
    public async Task Any_changed_octet_releases_nothing()
    {
        var octets = await Sealed.WriteAsync(await SealAsync(Mail));
        var text = Encoding.ASCII.GetString(octets);
        var bodyAt = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        var cms = Convert.FromBase64String(text[bodyAt..]);
        for (var i = 0; i < cms.Length; i++)
        {
            var changed = (byte[])cms.Clone();
            changed[i] ^= 0x01;
            var mail = Encoding.ASCII.GetBytes(text[..bodyAt] + Convert.ToBase64String(changed, Base64FormattingOptions.InsertLineBreaks) + "\r\n");
            var (outcome, output) = await Sealed.OpenAsync(mail, _kdc.KeysOf("bob@example.org"));
            // The one version octet of KEKRecipientInfo and of the object mean nothing to a reader.
            if (outcome is OpenOutcome.Opened)
                Assert.True(cms[i - 2] == 0x02 && cms[i - 1] == 0x01, $"The octet at {i} may be changed unseen.");
            else
                Assert.Empty(output);
        }
    }

    [Fact]
    public async Task Another_text_beside_the_ticket_is_refused()
    {
        // bob knows K_S, and puts his own text under carol's ticket.
        _kdc.Twist = context => context with { Commitment = SHA256.HashData("another text"u8) };
        var octets = await Sealed.WriteAsync(await SealAsync(Mail));
        await RefusedAsync(octets, "bob@example.org", OpenFailure.Damaged, "another text");
    }

    [Fact]
    public async Task Sender_in_the_ticket_and_in_the_mail_must_agree()
    {
        _kdc.Twist = context => context with { Sender = context.Sender with { Address = Sealed.Address("mallory@example.org") } };
        await RefusedAsync(await Sealed.WriteAsync(await SealAsync(Mail)), "bob@example.org", OpenFailure.WrongSender, "Forged sender");
    }

    [Fact]
    public async Task Ticket_for_another_person_or_realm_touches_no_card()
    {
        var octets = await Sealed.WriteAsync(await SealAsync(Mail));
        await RefusedAsync(octets, "carol@example.org", OpenFailure.NoKey, "no ticket");
        Assert.Equal(0, ((SoftwareKey)_kdc["carol@example.org"].Key).Uses);
        var bob = _kdc["bob@example.org"];
        var keys = new OpeningKeys { Card = new CardIdentity(Realm.Parse("other.example"), bob.Id, bob.Kvno, bob.Key) };
        Assert.Equal(OpenFailure.NoKey, Assert.IsType<OpenOutcome.Refused>((await Sealed.OpenAsync(octets, keys)).Outcome).Failure);
    }

    [Fact]
    public async Task Ticket_for_an_earlier_card_says_what_to_do()
    {
        var octets = await Sealed.WriteAsync(await SealAsync(Mail));
        _kdc["bob@example.org"] = _kdc["bob@example.org"] with { Kvno = 2, Key = new SoftwareKey() };
        await RefusedAsync(octets, "bob@example.org", OpenFailure.OldCard, "exchange");
        Assert.Equal(0, ((SoftwareKey)_kdc["bob@example.org"].Key).Uses);
    }

    [Theory]
    [InlineData(Evidence.Card, VerdictLevel.Good, "card")]
    [InlineData(Evidence.Relay, VerdictLevel.Warning, "not proved")]
    public async Task Evidence_is_told_in_plain_words(Evidence evidence, VerdictLevel level, string word)
    {
        var outcome = await SealAsync(Mail, evidence: evidence);
        var opened = Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(await Sealed.WriteAsync(outcome), _kdc.KeysOf("bob@example.org"))).Outcome);
        Assert.Contains(opened.Mail.Verdicts, v => v.Level == level && v.Text.Contains(word, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("smime=pass reason=\"Signed by alice@example.org: CN=Alice.\"", VerdictLevel.Good, "Signed by alice@example.org")]
    [InlineData("smime=fail reason=\"The mail was changed.\"", VerdictLevel.Bad, "was changed")]
    [InlineData("smime=policy reason=\"Signed by x@evil.example, but the mail says it is from alice@example.org.\"", VerdictLevel.Warning, "x@evil.example")]
    [InlineData("smime=neutral reason=\"Encrypted, not signed.\"", VerdictLevel.Warning, "not proved")]
    [InlineData("dmarc=pass header.from=example.org", VerdictLevel.Good, "DMARC")]
    [InlineData("dmarc=fail header.from=example.org", VerdictLevel.Warning, "DMARC")]
    [InlineData("none", VerdictLevel.Warning, "not proved")]
    public async Task From_outside_the_gateway_says_what_it_found_and_nobody_else_does(string found, VerdictLevel level, string word)
    {
        const string Forged = "Authentication-Results: gateway.example.org; smime=pass reason=\"Forged.\"\n";
        foreach (var mail in new[] { Forged + Mail, Forged + Signed })
        {
            var order = Order(MemoryMail.Of(mail), Evidence.Outside) with { Found = Encoding.ASCII.GetBytes($"Authentication-Results: gateway.example.org;\r\n\t{found}\r\n") };
            var sealed_ = await new MailProtector(new FixedTime(Pki.Now)).SealKdcAsync(order, TestContext.Current.CancellationToken);
            var (outcome, output) = await Sealed.OpenAsync(await Sealed.WriteAsync(sealed_), _kdc.KeysOf("bob@example.org"));
            var opened = Assert.IsType<OpenOutcome.Opened>(outcome).Mail;
            Assert.Null(opened.Sender);
            Assert.Contains(opened.Verdicts, v => v.Text.StartsWith("The mail came from outside", StringComparison.Ordinal));
            Assert.Contains(opened.Verdicts, v => v.Level == level && v.Text.Contains(word, StringComparison.Ordinal));
            Assert.DoesNotContain(opened.Verdicts, v => v.Text.Contains("Forged", StringComparison.Ordinal));
            Assert.DoesNotContain("Forged", Encoding.ASCII.GetString(output), StringComparison.Ordinal);
        }
        // In mail of the realm's own people the field means nothing, wherever it stands.
        var own = Order(MemoryMail.Of(Mail), Evidence.Auth) with { Found = Encoding.ASCII.GetBytes(Forged.ReplaceLineEndings("\r\n")) };
        var inside = await new MailProtector(new FixedTime(Pki.Now)).SealKdcAsync(own, TestContext.Current.CancellationToken);
        var read = Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(await Sealed.WriteAsync(inside), _kdc.KeysOf("bob@example.org"))).Outcome).Mail;
        Assert.DoesNotContain(read.Verdicts, v => v.Text.Contains("Forged", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Ticket_far_from_the_date_only_warns()
    {
        _kdc.Now = Pki.Now.AddDays(-400);
        var octets = await Sealed.WriteAsync(await SealAsync(Mail));
        var opened = Assert.IsType<OpenOutcome.Opened>((await Sealed.OpenAsync(octets, _kdc.KeysOf("bob@example.org"))).Outcome);
        Assert.Contains(opened.Mail.Verdicts, v => v.Level == VerdictLevel.Warning && v.Text.Contains("sent again", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("notice")]
    [InlineData("attached")]
    [InlineData("attached-base64")]
    [InlineData("retyped")]
    [InlineData("line-feeds")]
    public async Task Protected_part_is_found_wherever_it_is(string how)
    {
        var octets = Encoding.ASCII.GetString(await Sealed.WriteAsync(await SealAsync(Mail)));
        var part = octets[octets.IndexOf("MIME-Version", StringComparison.Ordinal)..];
        const string Multipart = "From: list@example.net\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nOpen this with your card.\r\n--b\r\n";
        var mail = how switch
        {
            "notice" => $"{Multipart}{part}\r\n--b\r\n\r\nfooter\r\n--b--\r\n",
            "attached" => $"{Multipart}Content-Type: message/rfc822\r\n\r\n{octets}\r\n--b--\r\n",
            "attached-base64" => $"{Multipart}Content-Type: application/octet-stream; name=x.eml\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                + $"{Convert.ToBase64String(Encoding.ASCII.GetBytes(octets), Base64FormattingOptions.InsertLineBreaks)}\r\n--b--\r\n",
            "retyped" => octets.Replace("application/vnd.gatewaysecure.kdc-mime", "application/octet-stream", StringComparison.Ordinal),
            _ => octets.Replace("\r\n", "\n", StringComparison.Ordinal),
        };
        var (outcome, output) = await Sealed.OpenAsync(Encoding.ASCII.GetBytes(mail), _kdc.KeysOf("bob@example.org"));
        var opened = Assert.IsType<OpenOutcome.Opened>(outcome).Mail;
        Assert.Equal(_kdc.Orders[0].Commitment.ToArray(), SHA256.HashData(output));
        Assert.Equal(how is "notice" or "attached" or "attached-base64", opened.Verdicts.Any(v => v.Text.Contains("larger message", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Signed_entity_gets_the_random_line_and_nothing_else()
    {
        var (_, output) = await Sealed.OpenAsync(await Sealed.WriteAsync(await SealAsync(Signed)), _kdc.KeysOf("bob@example.org"));
        var text = Encoding.ASCII.GetString(output);
        Assert.Equal(Signed, text[(text.IndexOf("\r\n", StringComparison.Ordinal) + 2)..]);
    }

    [Fact]
    public async Task Large_mail_opens_with_little_memory()
    {
        var mail = new LargeMail("From: alice@example.org\nContent-Type: text/plain\n", 30L * 1024 * 1024);
        using var folder = new TempDirectory();
        var ready = Assert.IsType<ProtectionOutcome.Ready>(await SealAsync(mail, null, Evidence.Auth, Pki.Now));
        await using (var file = File.Create(folder["m.eml"]))
            await ready.Message.WriteToAsync(file, TestContext.Current.CancellationToken);
        Assert.Equal(ready.Message.Length, new FileInfo(folder["m.eml"]).Length);
        var sink = new CountingStream();
        // File and sink answer at once, so all of it runs on this thread.
        var before = GC.GetAllocatedBytesForCurrentThread();
        var outcome = await new MailOpener(new FixedTime(Pki.Now)).OpenAsync(
            new FileMail(folder["m.eml"]), _kdc.KeysOf("bob@example.org"), sink, TestContext.Current.CancellationToken);
        Assert.IsType<OpenOutcome.Opened>(outcome);
        Assert.True(sink.Count > mail.Length);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 8 * 1024 * 1024);
    }

    private async Task RefusedAsync(byte[] octets, string reader, OpenFailure failure, string word)
    {
        var (outcome, output) = await Sealed.OpenAsync(octets, _kdc.KeysOf(reader));
        var refused = Assert.IsType<OpenOutcome.Refused>(outcome);
        Assert.Equal(failure, refused.Failure);
        Assert.Contains(word, refused.Reason);
        Assert.Empty(output);
    }

    private Task<ProtectionOutcome> SealAsync(
        string mail, ReadOnlyMemory<byte>? state = null, Evidence evidence = Evidence.Auth, DateTimeOffset? now = null) =>
        SealAsync(MemoryMail.Of(mail), state, evidence, now ?? Pki.Now);

    private Task<ProtectionOutcome> SealAsync(IMailContent mail, ReadOnlyMemory<byte>? state, Evidence evidence, DateTimeOffset now) =>
        new MailProtector(new FixedTime(now)).SealKdcAsync(Order(mail, evidence) with { KeptState = state }, TestContext.Current.CancellationToken).AsTask();

    private KdcOrder Order(IMailContent mail, Evidence evidence) =>
        new(mail, Sealed.Address("alice@example.org"), [Sealed.Address("bob@example.org")], evidence, _kdc, null);

    private sealed class FileMail(string path) : IMailContent
    {
        public long Length => new FileInfo(path).Length;

        public Stream OpenRead() => File.OpenRead(path);
    }
}
