using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace GatewaySecure.Policies;

/// <summary>
/// Which text a condition means, without regard to case: <c>word</c> (occurs anywhere), <c>[secure]*</c> (the whole text, where <c>*</c>
/// stands for anything), <c>/regex/</c>. Runs in time linear in the text, whatever the pattern.
/// </summary>
public sealed class TextPattern
{
    // NonBacktracking: a subject from outside must not be able to make a rule slow.
    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.Singleline;

    private readonly string _text;
    private readonly Regex? _regex;

    private TextPattern(string text, Regex? regex) => (_text, _regex) = (text, regex);

    /// <param name="text">As written in the rule.</param>
    /// <param name="problem">Why it is none, in plain words.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out TextPattern? pattern, [NotNullWhen(false)] out string? problem)
    {
        (pattern, problem) = (null, null);
        if (string.IsNullOrEmpty(text))
        {
            problem = "is empty, and would match everything";
            return false;
        }
        try
        {
            if (text.Length > 2 && text[0] == '/' && text[^1] == '/')
                pattern = new TextPattern(text, new Regex(text[1..^1], Options));
            else if (text.Contains('*', StringComparison.Ordinal))
                pattern = new TextPattern(text, new Regex("^" + Regex.Escape(text).Replace("\\*", ".*", StringComparison.Ordinal) + "$", Options));
            else
                pattern = new TextPattern(text, null);
            return true;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            problem = $"is not a regular expression that can be used: {e.Message}";
            return false;
        }
    }

    public bool Matches(string text) => _regex?.IsMatch(text) ?? text.Contains(_text, StringComparison.OrdinalIgnoreCase);

    public override string ToString() => _text;
}
