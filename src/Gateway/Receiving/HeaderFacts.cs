using System.Collections.Immutable;
using System.Text;
using GatewaySecure.Policies;
using MimeKit.Utils;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>
/// Reads a header block as rules see it: every field, repeated ones too, unfolded and decoded. Never throws for what a message holds.
/// </summary>
internal static class HeaderFacts
{
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <param name="block">Up to and with the empty line; what follows it is not looked at.</param>
    public static ImmutableArray<HeaderFact> Read(ReadOnlySpan<byte> block)
    {
        var facts = ImmutableArray.CreateBuilder<HeaderFact>();
        while (TryTakeField(ref block, out var field))
        {
            var colon = field.IndexOf((byte)':');
            // A line that is no field: readers differ about where the header ends here, so rules go on and see the rest too.
            if (colon <= 0)
                continue;
            var name = Encoding.Latin1.GetString(field[..colon]).TrimEnd();
            facts.Add(new HeaderFact(name, Decode(field[(colon + 1)..])));
        }
        return facts.ToImmutable();
    }

    /// <summary>Of a message in a file, as far as its header goes. Its lines may end in LF alone, as files on disk often do.</summary>
    /// <exception cref="IOException">The stream failed.</exception>
    public static ImmutableArray<HeaderFact> ReadFrom(Stream message)
    {
        var capture = new HeaderCapture();
        var buffer = new byte[16 * 1024];
        var lines = new byte[2 * buffer.Length];
        byte last = 0;
        int count;
        while (!capture.IsComplete && !capture.IsTooLarge && (count = message.Read(buffer)) > 0)
        {
            var length = 0;
            foreach (var b in buffer.AsSpan(0, count))
            {
                if (b == '\n' && last != '\r')
                    lines[length++] = (byte)'\r';
                lines[length++] = last = b;
            }
            capture.Add(lines.AsSpan(0, length));
        }
        return Read(capture.Octets);
    }

    /// <summary>One field with its continuation lines, without the last line end.</summary>
    internal static bool TryTakeField(ref ReadOnlySpan<byte> block, out ReadOnlySpan<byte> field)
    {
        field = default;
        if (block.IsEmpty || block.StartsWith("\r\n"u8))
            return false;
        var end = 0;
        do
        {
            var line = block[end..].IndexOf("\r\n"u8);
            end = line < 0 ? block.Length : end + line + 2;
        }
        while (end < block.Length && block[end] is (byte)' ' or (byte)'\t');
        field = block[..end];
        block = block[end..];
        return true;
    }

    private static string Decode(ReadOnlySpan<byte> raw)
    {
        var unfolded = new byte[raw.Length];
        var length = 0;
        foreach (var b in raw)
        {
            if (b is not ((byte)'\r' or (byte)'\n'))
                unfolded[length++] = b;
        }
        var text = DecodeEightBit(unfolded.AsSpan(0, length).Trim(" \t"u8).ToArray());
        // One field may hold both, octets above 127 and encoded words.
        return text.Contains("=?", StringComparison.Ordinal) ? Rfc2047.DecodeText(Encoding.UTF8.GetBytes(text)) : text;
    }

    private static string DecodeEightBit(byte[] text)
    {
        try
        {
            return StrictUtf8.GetString(text);
        }
        catch (DecoderFallbackException)
        {
            return Encoding.Latin1.GetString(text);
        }
    }
}
