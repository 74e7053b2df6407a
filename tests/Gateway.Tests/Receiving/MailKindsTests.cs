using System.Text;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Tests.Receiving;

/// <summary>Only what its whole structure proves is of a kind; whoever dresses a mail up gains nothing.</summary>
public sealed class MailKindsTests
{
    private const string Meeting = """
        BEGIN:VCALENDAR
        PRODID:-//Microsoft Corporation//Outlook 16.0 MIMEDIR//EN
        VERSION:2.0
        METHOD:REQUEST
        BEGIN:VTIMEZONE
        TZID:W. Europe Standard Time
        BEGIN:STANDARD
        DTSTART:16011028T030000
        TZOFFSETFROM:+0200
        TZOFFSETTO:+0100
        END:STANDARD
        END:VTIMEZONE
        BEGIN:VEVENT
        ATTENDEE;CN=Carol;RSVP=TRUE:mailto:carol@partner.example
        ORGANIZER;CN=Alice:mailto:alice@example.org
        UID:040000008200E00074C5B7101A82E008
        DTSTART:20260301T120000Z
        SUMMARY:A long title that is
          folded
        BEGIN:VALARM
        TRIGGER:-PT15M
        ACTION:DISPLAY
        END:VALARM
        END:VEVENT
        END:VCALENDAR

        """;

    private const string Invitation = $"""
        From: alice@example.org
        To: carol@partner.example
        Subject: Lunch
        MIME-Version: 1.0
        Content-Type: multipart/alternative; boundary=b

        --b
        Content-Type: text/plain

        Lunch
        --b
        Content-Type: text/html

        <p>Lunch</p>
        --b
        Content-Type: text/calendar; charset=utf-8; method=REQUEST

        {Meeting}
        --b--

        """;

    private const string Receipt = """
        From: carol@example.org
        To: bob@partner.example
        Subject: Read: Offer
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=disposition-notification; boundary=b

        --b
        Content-Type: text/plain

        Your message was read.
        --b
        Content-Type: message/disposition-notification

        Reporting-UA: mail.example.org; Microsoft Outlook
        Final-Recipient: rfc822;carol@example.org
        Disposition: automatic-action/MDN-sent-automatically; displayed

        --b--

        """;

    private const string Report = """
        From: postmaster@example.org
        Content-Type: multipart/report; report-type=delivery-status; boundary=b

        --b
        Content-Type: text/plain

        It could not be delivered.
        --b
        Content-Type: message/delivery-status

        Reporting-MTA: dns; mail.example.org

        Final-Recipient: rfc822; nobody@example.org
        Action: failed
        Status: 5.1.1

        --b
        Content-Type: text/rfc822-headers

        Message-ID: <1@partner.example>

        --b--

        """;

    [Fact]
    public void The_real_ones_are_known()
    {
        Assert.Equal(MailKind.Calendar, Of(Invitation));
        Assert.Equal(MailKind.Calendar, Of("From: a@example.org\nContent-Type: text/calendar; method=request\n\n" + Meeting));
        Assert.Equal(MailKind.Receipt, Of(Receipt, nullSender: true));
        Assert.Equal(MailKind.Report, Of(Report, nullSender: true));
    }

    /// <summary>Each turns a real invitation into something that gains more than a meeting may.</summary>
    public static TheoryData<string, string, string> Disguises => new()
    {
        { "another method", "method=REQUEST", "method=PUBLISH" },
        { "no method", "; method=REQUEST", "" },
        { "the object says another", "METHOD:REQUEST", "METHOD:CANCEL" },
        { "no meeting in it", "BEGIN:VEVENT", "BEGIN:VTODO" },
        { "nobody is invited", "ATTENDEE;CN=Carol;RSVP=TRUE:mailto:carol@partner.example\n", "" },
        { "a file attached", "SUMMARY:", "ATTACH;ENCODING=BASE64;VALUE=BINARY:AAAA\nSUMMARY:" },
        { "a file in an unknown field", "SUMMARY:", "X-FILE;ENCODING=BASE64:AAAA\nSUMMARY:" },
        { "text behind it", "END:VCALENDAR\n", "END:VCALENDAR\nsecret: plans\n" },
        { "text before it", "BEGIN:VCALENDAR\n", "secret:plans\nBEGIN:VCALENDAR\n" },
        { "cut off", "END:VCALENDAR\n", "" },
        { "another part", "--b--", "--b\nContent-Type: application/pdf\n\nx\n--b--" },
        { "another text", "--b--", "--b\nContent-Type: text/plain\n\nplans\n--b--" },
        { "mixed", "multipart/alternative", "multipart/mixed" },
        { "a part as attachment", "Content-Type: text/html\n", "Content-Type: text/html\nContent-Disposition: attachment\n" },
        { "an image in its text", "<p>Lunch</p>", "<img src=\"data:image/png;base64,AAAA\">" },
        { "text behind the last part", "--b--\n", "--b--\nplans\n" },
        { "two types", "Content-Type: multipart", "Content-Type: text/plain\nContent-Type: multipart" },
        { "two types of a part", "Content-Type: text/html\n", "Content-Type: text/html\nContent-Type: application/pdf\n" },
        { "a header alone", "Content-Type: multipart/alternative; boundary=b\n", "Content-Type: text/plain\nContent-Class: urn:content-classes:calendarmessage\n" },
    };

    [Theory]
    [MemberData(nameof(Disguises))]
    public void A_mail_dressed_up_as_a_meeting_is_ordinary(string name, string real, string disguise)
    {
        Assert.Contains(real, Invitation.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.True(Of(Invitation.ReplaceLineEndings("\n").Replace(real, disguise, StringComparison.Ordinal)) == MailKind.Ordinary, name);
    }

    [Fact]
    public void Receipts_and_reports_come_from_nobody_and_give_no_mail_back()
    {
        Assert.Equal(MailKind.Ordinary, Of(Receipt));
        Assert.Equal(MailKind.Ordinary, Of(Report));
        Assert.Equal(MailKind.Ordinary, Of(Receipt.Replace("--b--", "--b\nContent-Type: message/rfc822\n\nSubject: secret\n\nplans\n--b--", StringComparison.Ordinal), true));
        Assert.Equal(MailKind.Ordinary, Of(Report.Replace("text/rfc822-headers", "message/rfc822", StringComparison.Ordinal), true));
        Assert.Equal(MailKind.Ordinary, Of(Receipt.Replace("was read.", new string('x', 9000), StringComparison.Ordinal), true));
        Assert.Equal(MailKind.Ordinary, Of(Receipt.Replace("Disposition:", "X-Disposition:", StringComparison.Ordinal), true));
        Assert.Equal(MailKind.Ordinary, Of(Report.Replace("Action:", "X-Action:", StringComparison.Ordinal), true));
    }

    [Fact]
    public void Whatever_comes_it_is_of_some_kind()
    {
        var random = new Random(3);
        var real = Encoding.ASCII.GetBytes(Invitation);
        for (var round = 0; round < 500; round++)
        {
            var damaged = (byte[])real.Clone();
            for (var i = 0; i < 5; i++)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            Assert.InRange(MailKinds.Of(damaged.AsMemory(0, random.Next(damaged.Length)), nullSender: true), MailKind.Ordinary, MailKind.Journal);
        }
    }

    private static MailKind Of(string mail, bool nullSender = false) =>
        MailKinds.Of(Encoding.UTF8.GetBytes(mail.ReplaceLineEndings("\r\n")), nullSender);
}
