using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using GatewaySecure.Addresses;

namespace GatewaySecure.Smtp;

/// <summary>
/// xtext (RFC 3461 §4): printable ASCII in which <c>+</c>, <c>=</c>, space and all else is written <c>+XX</c>.
/// Decoded text is printable ASCII (§4.2, §4.4), so that it can stand in a header of a report.
/// </summary>
internal static class Xtext
{
    /// <param name="allowUtf8">Characters above ASCII may stand as they are (RFC 6533 §3, utf-8-addr-unitext).</param>
    public static bool TryDecode(ReadOnlySpan<char> encoded, bool allowUtf8, [NotNullWhen(true)] out string? text)
    {
        text = null;
        var result = new StringBuilder(encoded.Length);
        for (var i = 0; i < encoded.Length; i++)
        {
            var c = encoded[i];
            if (c == '+')
            {
                // Upper-case digits only: hexchar = "+" 2(%x30-39 / %x41-46)
                if (i + 2 >= encoded.Length || !char.IsAsciiHexDigitUpper(encoded[i + 1]) || !char.IsAsciiHexDigitUpper(encoded[i + 2]))
                    return false;
                c = (char)byte.Parse(encoded.Slice(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                if (c is < ' ' or > '~')
                    return false;
                i += 2;
            }
            else if (c is <= ' ' or '=' or '\x7f' || (c > '~' && !(allowUtf8 && Printable.IsHarmless(c))))
            {
                return false;
            }
            result.Append(c);
        }
        text = result.ToString();
        return true;
    }

    /// <summary>Characters above ASCII become <c>\x{HEX}</c>, which RFC 6533 §3 allows with any peer.</summary>
    public static string Encode(string text)
    {
        var result = new StringBuilder(text.Length + 8);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is > ' ' and <= '~' and not '+' and not '=')
                result.Append((char)rune.Value);
            else if (rune.IsAscii)
                result.Append(CultureInfo.InvariantCulture, $"+{rune.Value:X2}");
            else
                result.Append(CultureInfo.InvariantCulture, $"\\x{{{rune.Value:X}}}");
        }
        return result.ToString();
    }
}
