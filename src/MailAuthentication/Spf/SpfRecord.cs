using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace GatewaySecure.MailAuthentication.Spf;

/// <summary>What a term does (RFC 7208 §5, §6).</summary>
internal enum SpfTermKind
{
    All,
    Include,
    A,
    Mx,
    Ptr,
    Ip4,
    Ip6,
    Exists,
    Redirect,
}

/// <summary>One mechanism, or the redirect.</summary>
/// <param name="Domain">Macro string; null: the domain that is checked.</param>
/// <param name="Network">Of ip4 and ip6.</param>
/// <param name="Prefix4">For IPv4 addresses of a and mx.</param>
/// <param name="Prefix6">For IPv6 addresses of a and mx.</param>
internal sealed record SpfTerm(
    SpfTermKind Kind, AuthenticationResult OnMatch, string? Domain = null, IPNetwork Network = default, int Prefix4 = 32, int Prefix6 = 128);

/// <summary>An SPF record, checked as a whole before any of it counts (RFC 7208 §4.6).</summary>
/// <param name="Terms">Mechanisms in their order.</param>
internal sealed record SpfRecord(ImmutableArray<SpfTerm> Terms, SpfTerm? Redirect)
{
    private const string Version = "v=spf1";

    public static bool IsOne(string text) =>
        text.Equals(Version, StringComparison.OrdinalIgnoreCase) || text.StartsWith(Version + " ", StringComparison.OrdinalIgnoreCase);

    /// <summary>Null, and what is wrong with it.</summary>
    public static (SpfRecord? Record, string Problem) Parse(string text)
    {
        var terms = ImmutableArray.CreateBuilder<SpfTerm>();
        SpfTerm? redirect = null;
        var explained = false;
        foreach (var word in text[Version.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (ModifierName(word) is { } name)
            {
                var value = word[(name.Length + 1)..];
                var (isRedirect, isExplanation) = (name.Equals("redirect", StringComparison.OrdinalIgnoreCase), name.Equals("exp", StringComparison.OrdinalIgnoreCase));
                // RFC 7208 §6: both at most once. The explanation is a stranger's text: it is checked, and not used.
                if ((isRedirect && redirect is not null) || (isExplanation && explained))
                    return (null, $"'{name}' occurs twice");
                if (isRedirect || isExplanation ? !SpfMacro.IsDomainSpec(value) : !SpfMacro.IsMacroString(value))
                    return (null, $"'{name}' has no valid value");
                explained |= isExplanation;
                if (isRedirect)
                    redirect = new SpfTerm(SpfTermKind.Redirect, AuthenticationResult.None, value);
                continue;
            }
            if (ParseMechanism(word) is not { } term)
                return (null, $"a term is not valid");
            terms.Add(term);
        }
        return (new SpfRecord(terms.ToImmutable(), redirect), "");
    }

    private static string? ModifierName(string word)
    {
        var end = word.IndexOf('=', StringComparison.Ordinal);
        var name = end > 0 ? word[..end] : "";
        return name.Length > 0 && char.IsAsciiLetter(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') ? name : null;
    }

    private static SpfTerm? ParseMechanism(string word)
    {
        var onMatch = word[0] switch
        {
            '-' => AuthenticationResult.Fail,
            '~' => AuthenticationResult.SoftFail,
            '?' => AuthenticationResult.Neutral,
            _ => AuthenticationResult.Pass,
        };
        var rest = word[0] is '+' or '-' or '~' or '?' ? word[1..] : word;
        var nameEnd = rest.IndexOfAny([':', '/']);
        var name = (nameEnd < 0 ? rest : rest[..nameEnd]).ToLowerInvariant();
        var argument = nameEnd < 0 ? "" : rest[nameEnd..];
        var value = argument.StartsWith(':') ? argument[1..] : null;
        switch (name)
        {
            case "all":
                return argument.Length == 0 ? new SpfTerm(SpfTermKind.All, onMatch) : null;
            case "include" or "exists":
                var kind = name == "include" ? SpfTermKind.Include : SpfTermKind.Exists;
                return value is not null && SpfMacro.IsDomainSpec(value) ? new SpfTerm(kind, onMatch, value) : null;
            case "ptr":
                return argument.Length == 0 || (value is not null && SpfMacro.IsDomainSpec(value)) ? new SpfTerm(SpfTermKind.Ptr, onMatch, value) : null;
            case "ip4" when value is not null && TryNetwork(value, AddressFamily.InterNetwork, out var network):
                return new SpfTerm(SpfTermKind.Ip4, onMatch, Network: network);
            case "ip6" when value is not null && TryNetwork(value, AddressFamily.InterNetworkV6, out var network):
                return new SpfTerm(SpfTermKind.Ip6, onMatch, Network: network);
            case "a" or "mx":
                return ParseHosts(name == "a" ? SpfTermKind.A : SpfTermKind.Mx, onMatch, argument);
            default:
                return null;
        }
    }

    // [ ":" domain-spec ] [ "/" ip4 ] [ "//" ip6 ]
    private static SpfTerm? ParseHosts(SpfTermKind kind, AuthenticationResult onMatch, string argument)
    {
        var (prefix4, prefix6) = ((int?)32, (int?)128);
        var twoSlashes = argument.LastIndexOf("//", StringComparison.Ordinal);
        if (twoSlashes >= 0 && argument[(twoSlashes + 2)..].All(char.IsAsciiDigit))
        {
            prefix6 = Prefix(argument[(twoSlashes + 2)..], 128);
            argument = argument[..twoSlashes];
        }
        var slash = argument.LastIndexOf('/');
        if (slash >= 0 && argument[(slash + 1)..].All(char.IsAsciiDigit))
        {
            prefix4 = Prefix(argument[(slash + 1)..], 32);
            argument = argument[..slash];
        }
        if (prefix4 is not { } four || prefix6 is not { } six)
            return null;
        if (argument.Length == 0)
            return new SpfTerm(kind, onMatch, Prefix4: four, Prefix6: six);
        return argument[0] == ':' && SpfMacro.IsDomainSpec(argument[1..]) ? new SpfTerm(kind, onMatch, argument[1..], Prefix4: four, Prefix6: six) : null;
    }

    private static bool TryNetwork(string text, AddressFamily family, out IPNetwork network)
    {
        network = default;
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var most = family == AddressFamily.InterNetwork ? 32 : 128;
        var address = slash < 0 ? text : text[..slash];
        // Four decimal numbers: the platform would also take "1.2" or "0x1.2.3.4".
        var spelling = family == AddressFamily.InterNetwork
            ? address.Split('.') is { Length: 4 } numbers && numbers.All(n => n.Length is > 0 and <= 3 && n.All(char.IsAsciiDigit) && (n.Length == 1 || n[0] != '0'))
            : address.All(c => char.IsAsciiHexDigit(c) || c is ':' or '.');
        if (!spelling || !IPAddress.TryParse(address, out var parsed) || parsed.AddressFamily != family)
            return false;
        if ((slash < 0 ? most : Prefix(text[(slash + 1)..], most)) is not { } prefix)
            return false;
        network = NetworkOf(parsed, prefix);
        return true;
    }

    /// <summary>The network of that length which the address is in.</summary>
    public static IPNetwork NetworkOf(IPAddress address, int prefix)
    {
        var octets = address.GetAddressBytes();
        for (var i = 0; i < octets.Length; i++)
        {
            var kept = Math.Clamp(prefix - (8 * i), 0, 8);
            octets[i] &= (byte)(0xFF00 >> kept);
        }
        return new IPNetwork(new IPAddress(octets), prefix);
    }

    // RFC 7208 §12: no leading zeros.
    private static int? Prefix(string text, int most) =>
        text.Length is > 0 and <= 3 && (text.Length == 1 || text[0] != '0')
        && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var prefix) && prefix <= most
            ? prefix
            : null;
}
