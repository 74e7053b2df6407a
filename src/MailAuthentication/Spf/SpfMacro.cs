using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace GatewaySecure.MailAuthentication.Spf;

/// <summary>What the macros of one check stand for.</summary>
/// <param name="Sender">local-part@domain.</param>
/// <param name="Domain">That is being checked now.</param>
internal sealed record SpfMacroFacts(IPAddress Address, string Sender, string Helo, string Domain);

/// <summary>Macro strings (RFC 7208 §7).</summary>
internal static class SpfMacro
{
    private const string Letters = "slodipvh";
    private const string Delimiters = ".-+,/_=";
    private const int LongestName = 253;

    /// <summary>Visible characters, and every percent sign begins a macro.</summary>
    public static bool IsMacroString(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is < '!' or > '~')
                return false;
            if (text[i] != '%')
                continue;
            if (i + 1 < text.Length && text[i + 1] is '%' or '_' or '-')
                i++;
            else if (TryRead(text, i, out _, out var end))
                i = end - 1;
            else
                return false;
        }
        return true;
    }

    /// <summary>RFC 7208 §7.1: ends in a macro, or in a dot and a top label.</summary>
    public static bool IsDomainSpec(string text)
    {
        if (text.Length == 0 || !IsMacroString(text))
            return false;
        if (text[^1] == '}' || text.EndsWith("%%", StringComparison.Ordinal) || text.EndsWith("%_", StringComparison.Ordinal) || text.EndsWith("%-", StringComparison.Ordinal))
            return true;
        var name = text.TrimEnd('.');
        var dot = name.LastIndexOf('.');
        var top = name[(dot + 1)..];
        return dot >= 0 && top.Length > 0 && text.Length - name.Length <= 1
            && top.All(c => char.IsAsciiLetterOrDigit(c) || c == '-') && top.Any(c => !char.IsAsciiDigit(c)) && top[0] != '-' && top[^1] != '-';
    }

    /// <summary>True where the name of the client has to be known.</summary>
    public static bool NeedsValidatedName(string text) => text.Contains("%{p", StringComparison.OrdinalIgnoreCase);

    /// <param name="validatedName">What %{p} stands for.</param>
    public static string Expand(string text, SpfMacroFacts facts, string validatedName)
    {
        var output = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
            {
                output.Append(text[i]);
                continue;
            }
            if (TryRead(text, i, out var macro, out var end))
            {
                output.Append(ValueOf(macro, facts, validatedName));
                i = end - 1;
                continue;
            }
            i++;
            output.Append(text[i] switch { '_' => " ", '-' => "%20", _ => "%" });
        }
        var name = output.ToString().TrimEnd('.').ToLowerInvariant();
        // RFC 7208 §7.3: labels are dropped from the left until it fits.
        while (name.Length > LongestName && name.Contains('.', StringComparison.Ordinal))
            name = DomainNames.Parent(name);
        return name;
    }

    private static string ValueOf(Macro macro, SpfMacroFacts facts, string validatedName)
    {
        var at = facts.Sender.LastIndexOf('@');
        var value = char.ToLowerInvariant(macro.Letter) switch
        {
            's' => facts.Sender,
            'l' => facts.Sender[..at],
            'o' => facts.Sender[(at + 1)..],
            'd' => facts.Domain,
            'i' => Dotted(facts.Address),
            'p' => validatedName,
            'v' => facts.Address.AddressFamily == AddressFamily.InterNetwork ? "in-addr" : "ip6",
            _ => facts.Helo,
        };
        var parts = value.Split(macro.Delimiters.ToCharArray());
        if (macro.IsReversed)
            Array.Reverse(parts);
        if (macro.Count > 0 && macro.Count < parts.Length)
            parts = parts[^macro.Count..];
        value = string.Join('.', parts);
        return char.IsAsciiLetterUpper(macro.Letter) ? Uri.EscapeDataString(value) : value;
    }

    private static string Dotted(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetwork
            ? address.ToString()
            : string.Join('.', Convert.ToHexStringLower(address.GetAddressBytes()).ToCharArray());

    // "%{" ALPHA *DIGIT [ "r" ] *delimiter "}"
    private static bool TryRead(string text, int from, out Macro macro, out int end)
    {
        macro = default;
        end = from;
        var close = text.IndexOf('}', from);
        if (from + 2 >= text.Length || text[from + 1] != '{' || close < from + 3)
            return false;
        var letter = text[from + 2];
        var at = from + 3;
        while (char.IsAsciiDigit(text[at]))
            at++;
        var digits = text[(from + 3)..at];
        var reversed = text[at] is 'r' or 'R';
        if (reversed)
            at++;
        var delimiters = text[at..close];
        var count = 0;
        if (!Letters.Contains(letter, StringComparison.OrdinalIgnoreCase) || !delimiters.All(Delimiters.Contains)
            || (digits.Length > 0 && (!int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out count) || count == 0)))
            return false;
        macro = new Macro(letter, count, reversed, delimiters.Length == 0 ? "." : delimiters);
        end = close + 1;
        return true;
    }

    private readonly record struct Macro(char Letter, int Count, bool IsReversed, string Delimiters);
}
