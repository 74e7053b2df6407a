using System.Text.RegularExpressions;

namespace GatewaySecure.Architecture.Tests;

/// <summary>Documents rot: every path and clause they name must exist.</summary>
public sealed partial class DocumentTests
{
    public static TheoryData<string> Documents =>
        [.. Directory.EnumerateFiles(Path.Combine(Tree.Root, "docs"), "*.md", SearchOption.AllDirectories)
            .Append(Path.Combine(Tree.Root, "README.md"))
            .Select(p => Path.GetRelativePath(Tree.Root, p))];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_path_that_a_document_names_exists(string document)
    {
        var missing = PathPattern().Matches(Tree.Read(document))
            .Select(m => m.Groups[1].Value.TrimEnd('/', '.'))
            .Where(p => !p.Contains('*', StringComparison.Ordinal) && !p.Contains('…', StringComparison.Ordinal))
            .Where(p => !Path.Exists(Path.Combine(Tree.Root, p)))
            .Distinct();
        Assert.Empty(missing);
    }

    [Fact]
    public void Every_test_that_rfc_support_names_exists()
    {
        var names = TestNamePattern().Matches(Tree.Read("docs/rfc-support.md")).Select(m => m.Groups[1].Value).Distinct().ToList();
        Assert.NotEmpty(names);
        var tests = string.Join('\n', Tree.Sources("tests").Select(Tree.Read));
        var missing = names.Where(n => !tests.Contains(n, StringComparison.Ordinal)).ToList();
        Assert.Empty(missing);
    }

    [Fact]
    public void No_file_is_a_leftover()
    {
        var marks = LeftoverPattern();
        var leftovers = Tree.Sources("src").Concat(Tree.Sources("tests"))
            .Where(p => !p.EndsWith("DocumentTests.cs", StringComparison.Ordinal))
            .Where(p => marks.IsMatch(Tree.Read(p)))
            .ToList();
        Assert.Empty(leftovers);
    }

    [GeneratedRegex(@"`((?:src|tests|docs|config|bench)/[^`\s:]+)`")]
    private static partial Regex PathPattern();

    [GeneratedRegex(@"`([A-Z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+)`")]
    private static partial Regex TestNamePattern();

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|NotImplementedException)\b")]
    private static partial Regex LeftoverPattern();
}
