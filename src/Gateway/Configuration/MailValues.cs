using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using GatewaySecure.Policies;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>How values are written that only a mail gateway has; the others are <see cref="ValueParsers"/>.</summary>
internal static class MailValues
{
    /// <summary><c>300/m</c>, <c>10/s</c>, <c>1000/h</c>; <c>off</c> is no limit.</summary>
    public static bool Rate(string text, out Receiving.Rate? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        if (text == "off")
            return ValueParsers.Done(true, "", out problem);
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var per = slash < 0 ? default : text[(slash + 1)..] switch
        {
            "s" => TimeSpan.FromSeconds(1),
            "m" => TimeSpan.FromMinutes(1),
            "h" => TimeSpan.FromHours(1),
            "d" => TimeSpan.FromDays(1),
            _ => default,
        };
        if (per > default(TimeSpan)
            && int.TryParse(text.AsSpan(0, slash), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is > 0 and <= 100_000_000)
        {
            value = new Receiving.Rate(count, per);
        }
        return ValueParsers.Done(value is not null, "is not a rate such as 300/m (a minute; also s, h, d) or off", out problem);
    }

    public static bool Pattern(string text, [NotNullWhen(true)] out AddressPattern? value, [NotNullWhen(false)] out string? problem) =>
        ValueParsers.Done(
            AddressPattern.TryParse(text, out value),
            "is not an address, a domain, *.domain, * or <>",
            out problem);

    /// <summary>RFC 5322 §2.2: what else would never match a field, and the mail would go as if the rule were not there.</summary>
    public static bool FieldName(string text, [NotNullWhen(true)] out string? value, [NotNullWhen(false)] out string? problem)
    {
        value = text;
        return ValueParsers.Done(
            text.Length > 0 && text.All(c => c is > ' ' and <= '~' and not ':'),
            "is not the name of a header field; its value is asked for by { X-Name: pattern }",
            out problem);
    }

    public static bool TextPattern(string text, [NotNullWhen(true)] out TextPattern? value, [NotNullWhen(false)] out string? problem) =>
        Policies.TextPattern.TryParse(text, out value, out problem);

    public static bool PasswordHash(string text, [NotNullWhen(true)] out string? value, [NotNullWhen(false)] out string? problem)
    {
        value = text;
        return ValueParsers.Done(
            Configuration.PasswordHash.IsWellFormed(text), "is not a password hash; 'gateway user hash-password' makes one", out problem);
    }
}
