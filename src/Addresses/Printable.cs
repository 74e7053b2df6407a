using System.Globalization;

namespace GatewaySecure.Addresses;

/// <summary>
/// Text that others wrote, made harmless where people read it line by line: control characters, Unicode's own line and paragraph ends, and
/// what turns the direction of writing become <c>?</c>.
/// </summary>
public static class Printable
{
    public static string Show(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.All(IsHarmless) ? text : new string([.. text.Select(c => IsHarmless(c) ? c : '?')]);
    }

    /// <summary>False for what could end or forge a line.</summary>
    public static bool IsHarmless(char c) => c is >= ' ' and <= '~' || (c > '~' && char.GetUnicodeCategory(c) switch
    {
        UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => false,
        // Unicode Standard Annex #9 §2: the marks and the explicit formatting characters.
        UnicodeCategory.Format => c is not ('\u061c' or '\u200e' or '\u200f' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069')),
        _ => true,
    });
}
