using System.Text;
using GatewaySecure.Gateway.Receiving;

namespace GatewaySecure.Gateway.Tests.Receiving;

public sealed class HeaderCaptureTests
{
    [Theory]
    [InlineData("A: 1\r\nB: 2\r\n\r\nbody\r\n\r\nmore", "A: 1\r\nB: 2\r\n\r\n")]
    [InlineData("\r\nbody", "\r\n")]
    [InlineData("A: 1\r\n\r\n", "A: 1\r\n\r\n")]
    [InlineData("no header at all", "no header at all")]
    public void The_header_ends_at_its_empty_line_however_the_octets_are_cut(string message, string header)
    {
        var octets = Encoding.ASCII.GetBytes(message);
        for (var size = 1; size <= octets.Length; size++)
        {
            var capture = new HeaderCapture();
            foreach (var piece in octets.Chunk(size))
                capture.Add(piece);
            Assert.Equal(header, Encoding.ASCII.GetString(capture.Octets));
            Assert.Equal(header.EndsWith("\r\n\r\n", StringComparison.Ordinal) || header == "\r\n", capture.IsComplete);
        }
    }

    [Fact]
    public void A_header_without_end_is_found_too_large_and_not_kept_further()
    {
        var capture = new HeaderCapture();
        var line = Encoding.ASCII.GetBytes("X: " + new string('x', 500) + "\r\n");
        for (var i = 0; i < 2000; i++)
            capture.Add(line);
        Assert.True(capture.IsTooLarge);
        Assert.True(capture.Octets.Length < HeaderCapture.Maximum + 1024);
    }
}
