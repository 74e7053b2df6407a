using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
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

    /// <summary><c>mail.example.org:25</c>, <c>mail.example.org</c>, <c>[192.0.2.1]:25</c>, <c>[IPv6:2001:db8::1]:25</c>; port 25 where none is said.</summary>
    public static bool Host(string text, [NotNullWhen(true)] out HostAndPort? value, [NotNullWhen(false)] out string? problem)
    {
        value = null;
        var bracket = text.LastIndexOf(']');
        var colon = text.LastIndexOf(':');
        var hasPort = colon > bracket;
        var host = hasPort ? text[..colon] : text;
        var port = 25;
        var good = !hasPort || (int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and < 65536);
        if (host is ['[', .., ']'])
        {
            // RFC 5321 §4.1.3 writes the tag, URIs don't.
            host = host[1..^1];
            host = host.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase) ? host[5..] : host;
            good &= IPAddress.TryParse(host, out _);
        }
        // An IPv6 address without brackets: whether its end is a port can't be told.
        else if (host.Contains(':', StringComparison.Ordinal))
            good = false;
        if (good && Uri.CheckHostName(host) is UriHostNameType.Dns or UriHostNameType.IPv4 or UriHostNameType.IPv6)
            value = new HostAndPort(host, port);
        return ValueParsers.Done(value is not null, "is not a host with a port, such as mail.example.org:25 or [192.0.2.1]:25", out problem);
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
