using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using GatewaySecure.Addresses;

namespace GatewaySecure.Settings;

/// <summary>Reads one value. False: it is none, and <paramref name="problem"/> ends the sentence "'…' …".</summary>
public delegate bool ValueParser<T>(string text, [MaybeNullWhen(false)] out T value, [NotNullWhen(false)] out string? problem);

/// <summary>How the values of a configuration are written.</summary>
public static class ValueParsers
{
    public static bool Text(string text, [NotNullWhen(true)] out string? value, [NotNullWhen(false)] out string? problem)
    {
        value = text;
        return Done(text.Length > 0 && text.All(Printable.IsHarmless), "is empty or holds a control character", out problem);
    }

    public static bool Switch(string text, out bool value, [NotNullWhen(false)] out string? problem)
    {
        value = text is "true" or "yes" or "on";
        return Done(value || text is "false" or "no" or "off", "is not true or false", out problem);
    }

    public static ValueParser<int> Number(int minimum, int maximum) => (string text, out int value, [NotNullWhen(false)] out string? problem) =>
        Done(
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= minimum && value <= maximum,
            $"is not a whole number from {minimum} to {maximum}",
            out problem);

    /// <summary>Octets: <c>1048576</c>, <c>50MB</c> (millions), <c>1GiB</c> (powers of 1024).</summary>
    public static bool Size(string text, out long value, [NotNullWhen(false)] out string? problem)
    {
        var digits = text.TakeWhile(char.IsAsciiDigit).Count();
        long unit = text[digits..].Trim() switch
        {
            "" or "B" => 1,
            "KB" => 1000,
            "MB" => 1000_000,
            "GB" => 1000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => 0,
        };
        value = 0;
        var good = unit > 0 && long.TryParse(text.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture, out value) && value is > 0 and < 1L << 32;
        value *= unit;
        return Done(good, "is not a size such as 50MB or 1GiB", out problem);
    }

    /// <summary><c>30s</c>, <c>5m</c>, <c>1h</c>, <c>5d</c>.</summary>
    public static bool Duration(string text, out TimeSpan value, [NotNullWhen(false)] out string? problem)
    {
        var seconds = text.Length < 2 ? 0 : text[^1] switch
        {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => 0,
        };
        var good = seconds > 0
            & int.TryParse(text.AsSpan(0, Math.Max(0, text.Length - 1)), NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && count is > 0 and <= 100_000;
        value = good ? TimeSpan.FromSeconds((long)count * seconds) : default;
        return Done(good, "is not a duration such as 30s, 5m, 1h or 5d", out problem);
    }

    /// <summary>A time limit of a session: no more than an hour.</summary>
    public static bool TimeLimit(string text, out TimeSpan value, [NotNullWhen(false)] out string? problem) =>
        Duration(text, out value, out problem) && Done(value <= TimeSpan.FromHours(1), "is more than an hour", out problem);

    /// <summary>The same for all of a session: no more than a day.</summary>
    public static bool DayAtMost(string text, out TimeSpan value, [NotNullWhen(false)] out string? problem) =>
        Duration(text, out value, out problem) && Done(value <= TimeSpan.FromDays(1), "is more than a day", out problem);

    /// <summary>SHA-256 as 64 hexadecimal digits, with or without colons.</summary>
    public static bool Fingerprint(string text, [NotNullWhen(true)] out string? value, [NotNullWhen(false)] out string? problem)
    {
        value = text.Replace(":", "", StringComparison.Ordinal).ToUpperInvariant();
        return Done(
            value.Length == 64 && value.All(char.IsAsciiHexDigit),
            "is not a SHA-256 fingerprint; 'openssl x509 -noout -fingerprint -sha256' prints it",
            out problem);
    }

    public static bool Domain(string text, [NotNullWhen(true)] out DomainName? value, [NotNullWhen(false)] out string? problem) =>
        Done(DomainName.TryParse(text, out value) && !value.IsAddressLiteral, "is not a domain name", out problem);

    public static bool Address(string text, [NotNullWhen(true)] out MailAddress? value, [NotNullWhen(false)] out string? problem) =>
        Done(MailAddress.TryParse(text, out value), "is not a mail address", out problem);

    /// <summary><c>192.0.2.0/24</c>, or one address.</summary>
    public static bool Network(string text, out IPNetwork value, [NotNullWhen(false)] out string? problem)
    {
        // A bare number is an address too, for the platform and for nobody else.
        value = default;
        var good = text.AsSpan().ContainsAny('.', ':') && IPNetwork.TryParse(text, out value);
        if (!good && text.AsSpan().ContainsAny('.', ':') && IPAddress.TryParse(text, out var single))
        {
            value = new IPNetwork(single, single.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? 32 : 128);
            good = true;
        }
        return Done(good, "is not a network such as 192.0.2.0/24 or an address", out problem);
    }

    /// <summary><c>127.0.0.1:25</c>, <c>[::]:25</c>.</summary>
    public static bool EndPoint(string text, [NotNullWhen(true)] out IPEndPoint? value, [NotNullWhen(false)] out string? problem) =>
        Done(
            IPEndPoint.TryParse(text, out value) && value.Port > 0 && (text.StartsWith('[') || text.Count(c => c == ':') == 1),
            "is not an address with a port, such as 127.0.0.1:25 or [::]:25",
            out problem);

    /// <summary>One of some words, with a guess at what was meant.</summary>
    public static ValueParser<T> Word<T>(params (string Word, T Value)[] words) => (string text, [MaybeNullWhen(false)] out T value, [NotNullWhen(false)] out string? problem) =>
    {
        foreach (var (word, meaning) in words)
        {
            if (word.Equals(text, StringComparison.OrdinalIgnoreCase))
            {
                (value, problem) = (meaning, null);
                return true;
            }
        }
        value = default;
        problem = $"is not one of {string.Join(", ", words.Select(w => w.Word))}{Suggest(text, words.Select(w => w.Word))}";
        return false;
    };

    /// <summary><c>; did you mean kdc?</c>, where one of the words is near.</summary>
    public static string Suggest(string text, IEnumerable<string> words) =>
        words.Select(w => (Word: w, Distance: Distance(text.ToLowerInvariant(), w))).OrderBy(w => w.Distance).FirstOrDefault() is var (word, distance)
            && word is not null && distance <= Math.Max(1, word.Length / 3)
                ? $"; did you mean {word}?"
                : "";

    /// <summary>Insertions, deletions, replacements and neighbours swapped.</summary>
    private static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    d[i, j] = i + j;
                    continue;
                }
                d[i, j] = Math.Min(Math.Min(d[i - 1, j], d[i, j - 1]) + 1, d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }
        return d[a.Length, b.Length];
    }

    /// <summary>The last step of a parser: true, or <paramref name="otherwise"/> as the problem.</summary>
    public static bool Done(bool good, string otherwise, [NotNullWhen(false)] out string? problem)
    {
        problem = good ? null : otherwise;
        return good;
    }
}
