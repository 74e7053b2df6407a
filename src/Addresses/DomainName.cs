using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace GatewaySecure.Addresses;

/// <summary>
/// A mail domain, or an address literal in brackets. Compared by its A-labels in lower case
/// (RFC 5890 §2.3.2.1), so <c>bücher.example</c> equals <c>xn--bcher-kva.example</c>.
/// </summary>
public sealed class DomainName : IEquatable<DomainName>
{
    private static readonly IdnMapping Idn = new() { UseStd3AsciiRules = true };

    private DomainName(string ascii, bool isLiteral)
    {
        Ascii = ascii;
        IsAddressLiteral = isLiteral;
    }

    /// <summary>A-labels in lower case, without a final dot; or the literal with its brackets.</summary>
    public string Ascii { get; }

    /// <summary>True for <c>[192.0.2.1]</c> and <c>[IPv6:2001:db8::1]</c> (RFC 5321 §4.1.3).</summary>
    public bool IsAddressLiteral { get; }

    /// <summary>U-labels, for people to read.</summary>
    public string Unicode => IsAddressLiteral ? Ascii : Idn.GetUnicode(Ascii);

    /// <exception cref="FormatException">The text is no domain name.</exception>
    public static DomainName Parse(string text) =>
        TryParse(text, out var domain) ? domain : throw new FormatException($"'{text}' is not a domain name.");

    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out DomainName? domain)
    {
        domain = null;
        if (string.IsNullOrEmpty(text) || text.Length > 255)
            return false;
        if (text[0] == '[')
            return TryParseLiteral(text, out domain);
        if (text.Any(IsNeverInLabel))
            return false;

        string ascii;
        try
        {
            // Lower case first: without ICU the mapping codes capital letters as they stand.
            ascii = Idn.GetAscii(text.ToLowerInvariant());
        }
        catch (ArgumentException)
        {
            return false;
        }
        // 253: what a name of 255 octets on the wire can spell (RFC 1035 §2.3.4).
        if (ascii.Length is 0 or > 253 || ascii[^1] == '.')
            return false;
        domain = new DomainName(ascii, isLiteral: false);
        return true;
    }

    /// <summary>True where this is below <paramref name="parent"/>; a domain is not below itself.</summary>
    public bool IsBelow(DomainName parent)
    {
        ArgumentNullException.ThrowIfNull(parent);
        return !IsAddressLiteral && !parent.IsAddressLiteral
            && Ascii.Length > parent.Ascii.Length + 1
            && Ascii[^(parent.Ascii.Length + 1)] == '.'
            && Ascii.EndsWith(parent.Ascii, StringComparison.Ordinal);
    }

    public bool Equals(DomainName? other) => other is not null && Ascii == other.Ascii;

    public override bool Equals(object? obj) => Equals(obj as DomainName);

    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(Ascii);

    public override string ToString() => Ascii;

    /// <summary>
    /// RFC 5892 §2.6, §2.8: no separator, no control character and nothing that only formats stands in a label, but for the two joiners
    /// (appendix A). Said here, since the mapping without ICU takes them all.
    /// </summary>
    private static bool IsNeverInLabel(char c) =>
        char.IsControl(c) || char.IsSeparator(c) || (char.GetUnicodeCategory(c) == UnicodeCategory.Format && c is not ('\u200c' or '\u200d'));

    private static bool TryParseLiteral(string text, [NotNullWhen(true)] out DomainName? domain)
    {
        domain = null;
        if (text[^1] != ']')
            return false;
        var inner = text[1..^1];
        var isV6 = inner.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase);
        if (!IPAddress.TryParse(isV6 ? inner[5..] : inner, out var address))
            return false;
        if (address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 != isV6)
            return false;
        domain = new DomainName(isV6 ? $"[IPv6:{address}]" : $"[{address}]", isLiteral: true);
        return true;
    }
}
