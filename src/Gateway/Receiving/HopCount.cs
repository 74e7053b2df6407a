using System.Text;
using GatewaySecure.Addresses;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>Where a mail has been, by its trace fields (RFC 5321 §6.3).</summary>
/// <param name="Hops">Received fields.</param>
/// <param name="Passes">Those of them that this gateway wrote.</param>
internal readonly record struct HopCount(int Hops, int Passes)
{
    /// <param name="header">Up to its empty line.</param>
    /// <param name="own">What stands after <c>by</c> in our own.</param>
    public static HopCount Of(ReadOnlySpan<byte> header, DomainName own)
    {
        var (hops, passes) = (0, 0);
        while (HeaderFacts.TryTakeField(ref header, out var field))
        {
            if (field.Length < 9 || !Ascii.EqualsIgnoreCase(field[..9], "Received:"u8))
                continue;
            hops++;
            if (IsBy(field[9..], own.Ascii))
                passes++;
        }
        return new HopCount(hops, passes);
    }

    /// <summary>The word after <c>by</c>, outside of comments (RFC 5321 §4.4).</summary>
    private static bool IsBy(ReadOnlySpan<byte> value, string host)
    {
        var plain = new StringBuilder(value.Length);
        var depth = 0;
        foreach (var b in value)
        {
            depth += b == '(' ? 1 : b == ')' && depth > 0 ? -1 : 0;
            plain.Append(depth > 0 || b is (byte)')' or (byte)'\r' or (byte)'\n' or (byte)'\t' or (byte)';' ? ' ' : (char)b);
        }
        var words = plain.ToString().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var by = Array.FindIndex(words, w => w.Equals("by", StringComparison.OrdinalIgnoreCase));
        return by >= 0 && by + 1 < words.Length && words[by + 1].Equals(host, StringComparison.OrdinalIgnoreCase);
    }
}
