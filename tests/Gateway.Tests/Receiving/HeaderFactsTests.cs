using System.Text;
using GatewaySecure.Gateway.Receiving;
using GatewaySecure.Policies;

namespace GatewaySecure.Gateway.Tests.Receiving;

public sealed class HeaderFactsTests
{
    [Theory]
    [InlineData("Subject: plain\r\n\r\n", "plain")]
    [InlineData("Subject:no space\r\n\r\n", "no space")]
    [InlineData("Subject: folded\r\n in two\r\n\tand three\r\n\r\n", "folded in two\tand three")]
    [InlineData("Subject: =?utf-8?q?=5Bsecure=5D?= offer\r\n\r\n", "[secure] offer")]
    [InlineData("Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n\r\n", "Grüße")]
    [InlineData("Subject: Grüße\r\n\r\n", "Grüße")]
    [InlineData("Subject: =?utf-8?q?=5Bsecure=5D?= Grüße\r\n\r\n", "[secure] Grüße")]
    [InlineData("Subject: =?nonsense?x?broken\r\n\r\n", "=?nonsense?x?broken")]
    [InlineData("Subject:\r\n\r\n", "")]
    [InlineData("Subject: no end", "no end")]
    public void A_value_is_unfolded_and_decoded(string header, string value) =>
        Assert.Equal(value, Assert.Single(HeaderFacts.Read(Encoding.UTF8.GetBytes(header))).Value);

    [Fact]
    public void Octets_that_are_no_utf8_are_shown_and_never_thrown_about() =>
        Assert.Equal("Grüße", Assert.Single(HeaderFacts.Read(Encoding.Latin1.GetBytes("Subject: Grüße\r\n\r\n"))).Value);

    [Fact]
    public void Every_field_is_there_repeated_ones_too_and_nothing_of_the_body() =>
        Assert.Equal(
            [new HeaderFact("A", "1"), new HeaderFact("subject", "x"), new HeaderFact("SUBJECT", "y"), new HeaderFact("Z", "2")],
            HeaderFacts.Read("A: 1\r\nsubject : x\r\nthis is no field\r\nSUBJECT: y\r\nZ: 2\r\n\r\nBody: 3\r\n"u8));

    [Fact]
    public void A_message_is_read_to_the_end_of_its_header()
    {
        using var message = new MemoryStream(Encoding.ASCII.GetBytes("A: 1\r\n\r\nB: 2\r\n" + new string('x', 100_000)));
        Assert.Equal("A", Assert.Single(HeaderFacts.ReadFrom(message)).Name);
    }

    [Theory]
    [InlineData("A: 1\nB: 2\n more\n\nC: 3\n")]
    [InlineData("A: 1\r\nB: 2\n more\r\n\nC: 3\n")]
    public void A_file_may_end_its_lines_in_lf(string text)
    {
        using var message = new MemoryStream(Encoding.ASCII.GetBytes(text));
        Assert.Equal([new HeaderFact("A", "1"), new HeaderFact("B", "2 more")], HeaderFacts.ReadFrom(message));
    }

    [Fact]
    public void A_line_end_between_two_reads_is_one_line_end()
    {
        // The CR is the last octet of the first read of 16 KiB.
        using var message = new MemoryStream(Encoding.ASCII.GetBytes("A: " + new string('x', (16 * 1024) - 4) + "\r\nB: 2\r\n\r\n"));
        Assert.Equal(["A", "B"], HeaderFacts.ReadFrom(message).Select(h => h.Name));
    }

    [Fact]
    public void Random_octets_never_throw()
    {
        var random = new Random(17);
        var alphabet = "Subject: =?utf-8?q?b?\r\n\t \u00ff\0x"u8.ToArray();
        for (var i = 0; i < 5000; i++)
            HeaderFacts.Read(random.GetItems(alphabet, random.Next(80)));
    }
}
