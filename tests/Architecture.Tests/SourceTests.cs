using System.Text.RegularExpressions;

namespace GatewaySecure.Architecture.Tests;

/// <summary>Habits that keep the source readable and testable, in every file of the product.</summary>
public sealed partial class SourceTests
{
    private const int MaximumLines = 400;

    /// <summary>Who reads the machine's clock itself, and why. Everybody else is given a TimeProvider.</summary>
    private static readonly Dictionary<string, string> ClockReaders = new()
    {
        ["src/ServerHost/LineLogger.cs"] = "a log line has the time at which it was written, whatever clock the rest runs on",
        ["src/Demo/DemoMail.cs"] = "the tour runs in real time",
        ["src/Demo/Partner.cs"] = "the tour runs in real time",
    };

    [Fact]
    public void No_file_is_too_long_to_be_read_at_once()
    {
        var tooLong = Tree.Sources("src").Where(p => File.ReadLines(Path.Combine(Tree.Root, p)).Count() > MaximumLines).ToList();
        Assert.Empty(tooLong);
    }

    [Fact]
    public void Time_comes_from_a_time_provider()
    {
        var readers = Tree.Sources("src").Where(p => ClockPattern().IsMatch(Tree.Read(p)));
        Assert.Equal(ClockReaders.Keys.Order(StringComparer.Ordinal), readers);
    }

    [Fact]
    public void An_exception_is_swallowed_only_with_a_word_why()
    {
        var silent = Tree.Sources("src").Where(p => EmptyCatchPattern().IsMatch(Tree.Read(p))).ToList();
        Assert.Empty(silent);
    }

    [Fact]
    public void No_log_line_takes_a_secret_or_what_a_mail_says()
    {
        var logs = Tree.Sources("src")
            .SelectMany(p => LogMethodPattern().Matches(Tree.Read(p)).Select(m => (Path: p, Parameters: m.Groups[1].Value)))
            .ToList();
        Assert.NotEmpty(logs);
        var telling = logs.Where(l => SecretNamePattern().IsMatch(l.Parameters)).ToList();
        Assert.Empty(telling);
    }

    [Fact]
    public void Every_type_says_what_it_promises()
    {
        var types = Tree.Sources("src")
            .SelectMany(TypesOf)
            .GroupBy(t => t.Name)
            .ToList();
        Assert.NotEmpty(types);
        // One part of a partial type speaks for all.
        Assert.Empty(types.Where(parts => !parts.Any(t => t.HasSummary)).Select(parts => parts.Key));
    }

    /// <summary>The top-level types of a file, by room and name.</summary>
    private static IEnumerable<(string Name, bool HasSummary)> TypesOf(string path)
    {
        var text = Tree.Read(path).ReplaceLineEndings("\n");
        return TypePattern().Matches(text)
            .Select(m => ($"{path.Split('/')[1]}.{m.Groups["name"].Value}", m.Groups["comment"].Value.Contains("<summary>", StringComparison.Ordinal)));
    }

    [GeneratedRegex(@"\bDateTime(?:Offset)?\.(?:Utc)?(?:Now|Today)\b")]
    private static partial Regex ClockPattern();

    /// <summary>Ends its line or block, so that the pattern <c>{ }</c> in a filter is none.</summary>
    [GeneratedRegex(@"\bcatch\b[^{}/;]*\{\s*\}[^\S\n]*(?:\r?$|\})", RegexOptions.Multiline)]
    private static partial Regex EmptyCatchPattern();

    [GeneratedRegex(@"\[LoggerMessage\((?:[^""\]]|""[^""]*"")*\)\]\s*\w[\w ]*\(([^)]*)\)")]
    private static partial Regex LogMethodPattern();

    [GeneratedRegex(@"\b\w*(?:pin|key|password|secret|subject|body)\b\s*(?:,|$)", RegexOptions.IgnoreCase)]
    private static partial Regex SecretNamePattern();

    /// <summary>Comment and attributes may stand before a type; an attribute may go over several lines.</summary>
    [GeneratedRegex(
        @"^(?<comment>(?:///.*\n)*)(?:\[(?:[^\]""]|""[^""]*""|\](?!\n))*\]\n)*(?:public|internal) (?:[a-z]+ )*?(?:class|struct|interface|enum|record(?: struct)?) (?<name>\w+)",
        RegexOptions.Multiline)]
    private static partial Regex TypePattern();
}
