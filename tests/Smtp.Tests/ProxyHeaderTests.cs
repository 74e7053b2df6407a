using System.Net;
using System.Text;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Smtp.Tests;

public sealed class ProxyHeaderTests
{
    private const string Signature = "\r\n\r\n\0\r\nQUIT\n";

    [Theory]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 50000 25\r\n", "192.0.2.7:50000", "198.51.100.1:25")]
    [InlineData("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", "255.255.255.255:65535", "0.0.0.0:0")]
    [InlineData("PROXY TCP6 2001:db8::7 ::1 50000 25\r\n", "[2001:db8::7]:50000", "[::1]:25")]
    [InlineData("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")]
    [InlineData("PROXY UNKNOWN\r\n", null, null)]
    [InlineData("PROXY UNKNOWN ffff::1 anything at all\r\n", null, null)]
    [InlineData(Signature + "\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\0\x19", "192.0.2.7:50000", "198.51.100.1:25")]
    [InlineData(Signature + "\x21\x11\0\x12\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\0\x19\x04\0\x03TLV", "192.0.2.7:50000", "198.51.100.1:25")]
    [InlineData(Signature + "\x21\x21\0\x24 \x01\r\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xc3\x50\0\x19", "[2001:db8::7]:50000", "[::1]:25")]
    [InlineData(Signature + "\x20\0\0\0", null, null)]
    [InlineData(Signature + "\x20\x11\0\u0004abcd", null, null)]
    [InlineData(Signature + "\x21\0\0\x02xx", null, null)]
    public void Header_is_read_however_it_arrives(string header, string? source, string? destination)
    {
        for (var length = 0; length < header.Length; length++)
            Assert.IsType<ProxyHeaderResult.Incomplete>(Parse(header[..length]));
        foreach (var behind in new[] { "", "EHLO x\r\n", "\x16\x03\x01" })
        {
            var found = Assert.IsType<ProxyHeaderResult.Found>(Parse(header + behind));
            Assert.Equal(source is null ? null : IPEndPoint.Parse(source), found.Source);
            Assert.Equal(destination is null ? null : IPEndPoint.Parse(destination), found.Destination);
            Assert.Equal(header.Length, found.Length);
        }
    }

    [Theory]
    [InlineData("EHLO client.example\r\n")]
    [InlineData("proxy TCP4 192.0.2.7 198.51.100.1 50000 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 50000\r\n")]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 50000 25 x\r\n")]
    [InlineData("PROXY  TCP4 192.0.2.7 198.51.100.1 50000 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2 198.51.100.1 50000 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.07 198.51.100.1 50000 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.256 198.51.100.1 50000 25\r\n")]
    [InlineData("PROXY TCP4 ::1 ::1 50000 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n")]
    [InlineData("PROXY TCP6 192.0.2.7 198.51.100.1 50000 25\r\n")]
    [InlineData("PROXY TCP6 fe80::1%eth0 ::1 50000 25\r\n")]
    [InlineData("PROXY TCP6 [::1] ::1 50000 25\r\n")]
    [InlineData("PROXY UDP4 192.0.2.7 198.51.100.1 50000 25\r\n")]
    [InlineData("PROXY \r\n")]
    [InlineData(Signature + "\x11\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\0\x19")]
    [InlineData(Signature + "\x22\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\0\x19")]
    [InlineData(Signature + "\x21\x12\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\0\x19")]
    [InlineData(Signature + "\x21\x11\0\x0b\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\0")]
    [InlineData(Signature + "\x21\x21\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\0\x19")]
    [InlineData(Signature + "\x21\x11\xff\xff")]
    public void Anything_else_is_invalid(string header) => Assert.IsType<ProxyHeaderResult.Invalid>(Parse(header));

    [Fact]
    public void Endless_line_is_invalid_at_the_protocols_limit()
    {
        Assert.IsType<ProxyHeaderResult.Incomplete>(Parse("PROXY UNKNOWN " + new string('x', 92)));
        Assert.IsType<ProxyHeaderResult.Invalid>(Parse("PROXY UNKNOWN " + new string('x', 93)));
    }

    [Fact]
    public void Nonsense_is_read_without_an_exception()
    {
        var random = new Random(3);
        var fragments = new[] { "PROXY ", "TCP4 ", "TCP6 ", "UNKNOWN", "1.2.3.4 ", "::1 ", "25", " ", "\r\n", Signature, "\x21", "\x20", "\x11", "\x21\x21\0\x24", "\0" };
        for (var round = 0; round < 20_000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 10)).Select(_ => random.Next(5) == 0
                ? ((char)random.Next(256)).ToString()
                : fragments[random.Next(fragments.Length)]));
            if (Parse(text) is ProxyHeaderResult.Found found)
                Assert.InRange(found.Length, 1, text.Length);
        }
    }

    private static ProxyHeaderResult Parse(string octets) => ProxyHeader.Parse(Encoding.Latin1.GetBytes(octets));
}
