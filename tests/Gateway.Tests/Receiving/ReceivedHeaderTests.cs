using System.Net;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Gateway.Tests.Receiving;

public sealed class ReceivedHeaderTests
{
    private static readonly DateTimeOffset Time = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);

    [Fact]
    public void The_trace_field_tells_who_how_and_when() =>
        Assert.Equal(
            "Received: from client.example ([192.0.2.7])\r\n\t(TLSv1.3:TLS_AES_256_GCM_SHA384)\r\n"
            + "\tby gateway.example with ESMTPSA id 42\r\n\tfor <bob@example.org>;\r\n\tWed, 04 Mar 2026 05:06:07 +0000\r\n",
            Write("client.example", "bob@example.org"));

    [Fact]
    public void A_certified_peer_is_named_in_a_comment() =>
        Assert.Contains(
            "\r\n\t(TLSv1.3:TLS_AES_256_GCM_SHA384, client certificate branch-1?)\r\n", WriteFor("branch-1)", "client.example", false, "bob@example.org"), StringComparison.Ordinal);

    [Fact]
    public void Several_recipients_are_not_told_of_each_other() =>
        Assert.DoesNotContain("bob", Write("client.example", "bob@example.org", "carol@example.org"), StringComparison.Ordinal);

    [Theory]
    [InlineData("evil\r\nBcc: x@y.example")]
    [InlineData("a) (b")]
    [InlineData("ünïcode")]
    public void What_a_client_calls_itself_can_add_no_line_and_no_comment(string name)
    {
        var header = Write(name, "bob@example.org");
        Assert.Equal(5, header.Split("\r\n").Length - 1);
        Assert.DoesNotContain(") (", header, StringComparison.Ordinal);
        Assert.True(Ascii.IsValid(header));
    }

    // RFC 6531 §3.7.3
    [Theory]
    [InlineData("jürgen@bücher.example", true, "jürgen@bücher.example")]
    [InlineData("jürgen@xn--bcher-kva.example", true, "jürgen@bücher.example")]
    [InlineData("bob@bücher.example", true, "bob@bücher.example")]
    [InlineData("bob@bücher.example", false, "bob@xn--bcher-kva.example")]
    [InlineData("o'hara+x!y@example.org", false, "o'hara+x!y@example.org")]
    public void The_one_recipient_is_named_in_UTF8_only_under_SMTPUTF8(string recipient, bool isUtf8, string named) =>
        Assert.Contains($"\r\n\tfor <{named}>;\r\n", WriteFor(null, "client.example", isUtf8, recipient), StringComparison.Ordinal);

    [Theory]
    [InlineData("\"a>; (b\"@example.org", true)]
    [InlineData("a\u202eb@example.org", true)]
    [InlineData("jürgen@example.org", false)]
    public void A_recipient_that_a_reader_could_misunderstand_is_left_out(string recipient, bool isUtf8) =>
        Assert.DoesNotContain("for <", WriteFor(null, "client.example", isUtf8, recipient), StringComparison.Ordinal);

    private static string Write(string helo, params string[] recipients) => WriteFor(null, helo, false, recipients);

    private static string WriteFor(string? certified, string helo, bool isUtf8, params string[] recipients)
    {
        var peer = new SmtpPeer
        {
            RemoteEndPoint = new IPEndPoint(IPAddress.Parse("::ffff:192.0.2.7"), 1234),
            LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 25),
            HeloName = helo,
            TlsDescription = "TLSv1.3:TLS_AES_256_GCM_SHA384",
            CertifiedAs = certified,
        };
        var envelope = new Envelope
        {
            Sender = null,
            SmtpUtf8 = isUtf8,
            Recipients = [.. recipients.Select(r => new EnvelopeRecipient(MailAddress.Parse(r)))],
        };
        return Encoding.UTF8.GetString(ReceivedHeader.Write(peer, envelope, "gateway.example", "ESMTPSA", "42", Time));
    }
}
