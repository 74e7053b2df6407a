using System.Buffers;
using System.Text;
using GatewaySecure.Addresses;

namespace GatewaySecure.Gateway.Reports;

/// <summary>Lines of a report. What others wrote can neither add a line nor make one too long.</summary>
internal sealed class ReportText
{
    /// <summary>In octets, without CRLF (RFC 5322 §2.1.1).</summary>
    public const int MaxLine = 998;

    private const int Base64Line = 57;

    private readonly ArrayBufferWriter<byte> _octets = new();

    /// <summary>One line whatever the text holds; what is beyond the limit is cut off.</summary>
    public void Line(string line)
    {
        var left = MaxLine;
        Span<byte> octets = stackalloc byte[4];
        foreach (var rune in line.EnumerateRunes())
        {
            var shown = rune.IsBmp && !Printable.IsHarmless((char)rune.Value) ? new Rune(' ') : rune;
            if ((left -= shown.Utf8SequenceLength) < 0)
                break;
            _octets.Write(octets[..shown.EncodeToUtf8(octets)]);
        }
        _octets.Write("\r\n"u8);
    }

    public void Octets(ReadOnlySpan<byte> octets) => _octets.Write(octets);

    public byte[] ToArray() => _octets.WrittenSpan.ToArray();

    public static byte[] Base64(byte[] octets) => Encoding.ASCII.GetBytes(string.Concat(
        octets.Chunk(Base64Line).Select(line => Convert.ToBase64String(line) + "\r\n")));
}
