using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using GatewaySecure.Addresses;

namespace GatewaySecure.MailRouting.MtaSts;

/// <summary>What an MTA-STS policy asks of a sender (RFC 8461 §5).</summary>
public enum StsMode
{
    None,
    Testing,
    Enforce,
}

/// <summary>An MTA-STS policy (RFC 8461 §3.2).</summary>
/// <param name="MaxAge">How long it is in force from when it was fetched.</param>
/// <param name="MxPatterns">Host names in lower case, or <c>*.</c> and a name.</param>
public sealed record StsPolicy(StsMode Mode, TimeSpan MaxAge, ImmutableArray<string> MxPatterns)
{
    /// <summary>RFC 8461 §3.2: about a year.</summary>
    private const int LongestAge = 31_557_600;

    private const int MostPatterns = 200;

    /// <summary>RFC 8461 §3.2: key and value lines, unknown keys ignored; of a key that comes twice the first counts, but for mx.</summary>
    /// <param name="problem">For people, where it is no policy.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out StsPolicy? policy, [NotNullWhen(false)] out string? problem)
    {
        policy = null;
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        var patterns = ImmutableArray.CreateBuilder<string>();
        foreach (var line in text.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0))
        {
            if (line.IndexOf(':', StringComparison.Ordinal) is not (> 0 and var colon))
            {
                problem = "a line is not 'key: value'";
                return false;
            }
            var (key, value) = (line[..colon].TrimEnd(), line[(colon + 1)..].Trim());
            if (key != "mx")
                fields.TryAdd(key, value);
            else if (Pattern(value) is { } pattern && patterns.Count < MostPatterns)
                patterns.Add(pattern);
            else
            {
                problem = $"'{value}' is no mx pattern, or there are too many";
                return false;
            }
        }
        problem = fields.GetValueOrDefault("version") != "STSv1" ? "the version is not STSv1"
            : ModeOf(fields.GetValueOrDefault("mode")) is null ? "the mode is not enforce, testing or none"
            : AgeOf(fields.GetValueOrDefault("max_age")) is null ? "max_age is not a number of seconds up to a year"
            : patterns.Count == 0 && ModeOf(fields["mode"]) != StsMode.None ? "there is no mx"
            : null;
        if (problem is not null)
            return false;
        policy = new StsPolicy(
            ModeOf(fields["mode"])!.Value, TimeSpan.FromSeconds(AgeOf(fields["max_age"])!.Value), patterns.ToImmutable());
        return true;
    }

    /// <summary>RFC 8461 §4.1: a wildcard stands for the whole leftmost label.</summary>
    public bool Allows(string host) => MxPatterns.Any(
        p => p == host || (p.StartsWith("*.", StringComparison.Ordinal)
            && host.IndexOf('.', StringComparison.Ordinal) is > 0 and var dot
            && host.AsSpan(dot).SequenceEqual(p.AsSpan(1))));

    /// <summary>The policy as text again, a line for each key: what is stored, and what reports quote.</summary>
    public IEnumerable<string> Lines() =>
    [
        "version: STSv1",
        $"mode: {Mode.ToString().ToLowerInvariant()}",
        .. MxPatterns.Select(p => $"mx: {p}"),
        string.Create(CultureInfo.InvariantCulture, $"max_age: {(long)MaxAge.TotalSeconds}"),
    ];

    private static string? Pattern(string value)
    {
        var wildcard = value.StartsWith("*.", StringComparison.Ordinal);
        return DomainName.TryParse(wildcard ? value[2..] : value, out var name) && !name.IsAddressLiteral
            ? (wildcard ? "*." : "") + name.Ascii
            : null;
    }

    private static StsMode? ModeOf(string? value) => value switch
    {
        "enforce" => StsMode.Enforce,
        "testing" => StsMode.Testing,
        "none" => StsMode.None,
        _ => null,
    };

    private static int? AgeOf(string? value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds <= LongestAge ? seconds : null;
}
