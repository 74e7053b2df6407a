using System.Text;
using GatewaySecure.Smtp.Client;

namespace GatewaySecure.Smtp.Tests;

public sealed class SmtpReplyParserTests
{
    [Theory]
    [InlineData("250 2.1.5 Ok\r\n", 250, "2.1.5", "Ok")]
    [InlineData("250 Ok\r\n", 250, null, "Ok")]
    [InlineData("250\r\n", 250, null, "")]
    [InlineData("250 \r\n", 250, null, "")]
    [InlineData("250 5.1.5 odd\r\n", 250, null, "5.1.5 odd")]
    [InlineData("550-5.7.1 one\r\n550 5.7.1 two\r\n", 550, "5.7.1", "one|two")]
    [InlineData("550-5.7.1 one\r\n550 two\r\n", 550, "5.7.1", "one|two")]
    [InlineData("250-mx\r\n250-SIZE 5\r\n250 DSN\r\n", 250, null, "mx|SIZE 5|DSN")]
    [InlineData("550 a\0b\t\r\n", 550, null, "a?b?")]
    // Unicode's own line and paragraph ends, and what turns the direction of writing.
    [InlineData("550 a\u00e2\u0080\u00a8b\u00e2\u0080\u00a9c\u00c2\u0085d\u00e2\u0080\u00ae\u00c3\u00bc\r\n", 550, null, "a?b?c?d?\u00fc")]
    public void Reply_is_read(string input, int code, string? status, string lines)
    {
        var octets = Encoding.Latin1.GetBytes(input);
        Assert.Equal(ReplyParse.Complete, SmtpReplyParser.Parse(octets, out var reply, out var consumed));
        Assert.Equal(octets.Length, consumed);
        Assert.Equal(code, reply!.Code);
        Assert.Equal(status, reply.Status?.ToString());
        Assert.Equal(lines, string.Join('|', reply.Lines));
        // And any front of it is incomplete, never another reply.
        for (var i = 0; i < octets.Length; i++)
            Assert.Equal(ReplyParse.Incomplete, SmtpReplyParser.Parse(octets.AsSpan(0, i), out _, out _));
    }

    [Theory]
    [InlineData("250 a\n")]
    [InlineData("250 a\rb\r\n")]
    [InlineData("250 a\nb\r\n")]
    [InlineData("150 a\r\n")]
    [InlineData("650 a\r\n")]
    [InlineData("25 a\r\n")]
    [InlineData("2500 a\r\n")]
    [InlineData("250xa\r\n")]
    [InlineData("\r\n")]
    [InlineData("250-a\r\n251 b\r\n")]
    [InlineData("250-a\r\nb\r\n")]
    public void Malformed_reply_is_refused(string input) =>
        Assert.Equal(ReplyParse.Malformed, SmtpReplyParser.Parse(Encoding.Latin1.GetBytes(input), out _, out _));

    [Fact]
    public void Endless_line_is_refused() =>
        Assert.Equal(ReplyParse.Malformed, SmtpReplyParser.Parse(Encoding.ASCII.GetBytes("250 " + new string('x', 3000)), out _, out _));

    [Fact]
    public void Endless_reply_is_refused() =>
        Assert.Equal(
            ReplyParse.Malformed,
            SmtpReplyParser.Parse(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("250-x\r\n", 200))), out _, out _));
}
