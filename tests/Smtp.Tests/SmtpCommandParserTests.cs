using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Smtp.Tests;

public sealed class SmtpCommandParserTests
{
    private static readonly DomainName Own = DomainName.Parse("mx.example.org");

    [Theory]
    [InlineData("FROM:<a@example.com>", "a@example.com")]
    [InlineData("from:<a@example.com>", "a@example.com")]
    [InlineData("FROM:<\"a b>\\\" c\"@example.com>", "\"a b>\\\" c\"@example.com")]
    [InlineData("FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]")]
    [InlineData("FROM:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]")]
    [InlineData("FROM:<@relay.example,@[IPv6:::1]:a@example.com>", "a@example.com")]
    [InlineData("FROM:<>", null)]
    public void Sender_is_read(string arguments, string? expected)
    {
        var (envelope, error) = SmtpCommandParser.ParseMail(arguments);
        Assert.Null(error);
        Assert.Equal(expected, envelope!.Sender?.ToString());
    }

    [Theory]
    [InlineData("", 501)]
    [InlineData("FROM: <a@example.com>", 501)]
    [InlineData("FROM :<a@example.com>", 501)]
    [InlineData("FROM:a@example.com", 501)]
    [InlineData("FROM:<a@example.com", 501)]
    [InlineData("FROM:<a@example.com>SIZE=1", 501)]
    [InlineData("FROM:<a@example.com>  SIZE=1", 501)]
    [InlineData("FROM:<a>", 501)]
    [InlineData("FROM:<a@b@example.com>", 501)]
    [InlineData("FROM:<a..b@example.com>", 501)]
    [InlineData("FROM:<a b@example.com>", 501)]
    [InlineData("FROM:<@relay.example:>", 501)]
    [InlineData("FROM:<@relay.example>", 501)]
    [InlineData("FROM:<@relay.example,a@example.com>", 501)]
    [InlineData("FROM:<a@example.com> SIZE=1 SIZE=2", 501)]
    [InlineData("FROM:<a@example.com> size=1 SIZE=1", 501)]
    [InlineData("FROM:<a@example.com> SIZE", 501)]
    [InlineData("FROM:<a@example.com> SIZE=", 501)]
    [InlineData("FROM:<a@example.com> SIZE=-1", 501)]
    [InlineData("FROM:<a@example.com> SIZE=1=2", 501)]
    [InlineData("FROM:<a@example.com> SIZE=123456789012345678901", 501)]
    [InlineData("FROM:<a@example.com> BODY=9BIT", 501)]
    [InlineData("FROM:<a@example.com> BODY=BINARYMIME", 501)]
    [InlineData("FROM:<a@example.com> SMTPUTF8=1", 501)]
    [InlineData("FROM:<a@example.com> RET=SOME", 501)]
    [InlineData("FROM:<a@example.com> ENVID=a+2", 501)]
    [InlineData("FROM:<a@example.com> ENVID=a+0Ab", 501)]
    [InlineData("FROM:<a@example.com> ENVID=a+2b", 501)]
    [InlineData("FROM:<a@example.com> AUTH=nobody", 501)]
    [InlineData("FROM:<a@example.com> FOO=1", 555)]
    [InlineData("FROM:<a@example.com> NOTIFY=NEVER", 555)]
    public void Bad_mail_is_refused(string arguments, int code)
    {
        var (envelope, error) = SmtpCommandParser.ParseMail(arguments);
        Assert.Null(envelope);
        Assert.Equal(code, error!.Code);
    }

    [Fact]
    public void Mail_parameters_are_kept()
    {
        var (envelope, _) = SmtpCommandParser.ParseMail(
            "FROM:<a@example.com> SIZE=1000 body=8bitmime SMTPUTF8 RET=HDRS ENVID=QQ+2B+3D+20x AUTH=<>");
        Assert.Equal(1000, envelope!.DeclaredSize);
        Assert.Equal(BodyType.EightBitMime, envelope.Body);
        Assert.True(envelope.SmtpUtf8);
        Assert.Equal(DsnReturn.Headers, envelope.Return);
        Assert.Equal("QQ+= x", envelope.EnvelopeId);
    }

    [Theory]
    [InlineData("TO:<postmaster>", "postmaster@mx.example.org")]
    [InlineData("TO:<PostMaster>", "PostMaster@mx.example.org")]
    [InlineData("TO:<b@example.org>", "b@example.org")]
    public void Recipient_is_read(string arguments, string expected)
    {
        var (recipient, error) = SmtpCommandParser.ParseRcpt(arguments, smtpUtf8: false, Own);
        Assert.Null(error);
        Assert.Equal(MailAddress.Parse(expected), recipient!.Address);
    }

    [Theory]
    [InlineData("TO:<>", 501)]
    [InlineData("TO:<b>", 501)]
    [InlineData("FROM:<b@example.org>", 501)]
    [InlineData("TO:<b@example.org> NOTIFY=NEVER,FAILURE", 501)]
    [InlineData("TO:<b@example.org> NOTIFY=", 501)]
    [InlineData("TO:<b@example.org> NOTIFY=SOMETIMES", 501)]
    [InlineData("TO:<b@example.org> ORCPT=b@example.org", 501)]
    [InlineData("TO:<b@example.org> ORCPT=rfc822;b+0D+0Ax", 501)]
    [InlineData("TO:<b@example.org> ORCPT=rfc822;", 501)]
    [InlineData("TO:<b@example.org> SIZE=1", 555)]
    public void Bad_rcpt_is_refused(string arguments, int code)
    {
        var (recipient, error) = SmtpCommandParser.ParseRcpt(arguments, smtpUtf8: false, Own);
        Assert.Null(recipient);
        Assert.Equal(code, error!.Code);
    }

    [Theory]
    [InlineData("\u2028")]
    [InlineData("\u0085")]
    [InlineData("\u202e")]
    public void Internationalised_original_recipient_holds_no_line_end(string character)
    {
        Assert.NotNull(SmtpCommandParser.ParseRcpt("TO:<b@example.org> ORCPT=utf-8;jürgen@x.example", smtpUtf8: true, Own).Recipient);
        Assert.Equal(501, SmtpCommandParser.ParseRcpt($"TO:<b@example.org> ORCPT=utf-8;a{character}b@x.example", smtpUtf8: true, Own).Error!.Code);
    }

    [Fact]
    public void Rcpt_parameters_are_kept()
    {
        var (recipient, _) = SmtpCommandParser.ParseRcpt(
            "TO:<b@example.org> NOTIFY=SUCCESS,Delay ORCPT=rfc822;b+2Bx@example.org", smtpUtf8: false, Own);
        Assert.Equal(DsnNotify.Success | DsnNotify.Delay, recipient!.Notify);
        Assert.Equal("rfc822;b+x@example.org", recipient.OriginalRecipient);
    }

    [Fact]
    public void Path_beyond_256_octets_is_refused()
    {
        var domain = string.Join('.', Enumerable.Repeat(new string('d', 60), 4));
        Assert.NotNull(SmtpCommandParser.ParseMail($"FROM:<{new string('a', 10)}@{domain}>").Envelope);
        Assert.Equal(501, SmtpCommandParser.ParseMail($"FROM:<{new string('a', 11)}@{domain}>").Error!.Code);
    }

    [Theory]
    [InlineData("0", true, 0)]
    [InlineData("12 LAST", true, 12)]
    [InlineData("12 last", true, 12)]
    [InlineData("99999999999999999999", true, long.MaxValue)]
    [InlineData("", false, 0)]
    [InlineData("LAST", false, 0)]
    [InlineData("-1", false, 0)]
    [InlineData("+1", false, 0)]
    [InlineData("1 2", false, 0)]
    [InlineData("1  LAST", false, 0)]
    public void Chunk_size_is_read(string arguments, bool good, long size)
    {
        Assert.Equal(good, SmtpCommandParser.TryParseBdat(arguments, out var read));
        if (good)
            Assert.Equal(size, read);
    }

    [Theory]
    [InlineData("client.example", true)]
    [InlineData("WIN_PC", true)]
    [InlineData("[192.0.2.1]", true)]
    [InlineData("[IPv6:2001:db8::1]", true)]
    [InlineData("", false)]
    [InlineData("a b", false)]
    [InlineData("a(comment)", false)]
    [InlineData("<script>", false)]
    public void Hello_name_can_stand_in_a_header(string name, bool good) =>
        Assert.Equal(good, SmtpCommandParser.TryParseHello(name, out _));

    [Fact]
    public void Xtext_round_trips()
    {
        const string text = "rfc822 +=~ x";
        Assert.True(Xtext.TryDecode(Xtext.Encode(text), allowUtf8: false, out var back));
        Assert.Equal(text, back);
        Assert.Equal("j\\x{FC}rgen", Xtext.Encode("jürgen"));
    }

    [Fact]
    public void Reply_text_can_not_break_out_of_its_line()
    {
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        ReplyFormat.Write(output, new SmtpReply(550, EnhancedStatus.Parse("5.7.1"), ["no\r\n250 yes", "ü" + new string('x', 600)]));
        var lines = Encoding.ASCII.GetString(output.WrittenSpan).Split("\r\n");
        Assert.Equal("550-5.7.1 no??250 yes", lines[0]);
        Assert.StartsWith("550 5.7.1 ?xxx", lines[1], StringComparison.Ordinal);
        Assert.Equal("", lines[2]);
        Assert.All(lines, line => Assert.InRange(line.Length, 0, 510));
    }
}
