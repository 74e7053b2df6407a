using System.Collections.Immutable;
using GatewaySecure.Addresses;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace GatewaySecure.Settings;

/// <summary>
/// One mapping of the file while it is read: gives values, and collects every problem with line and key instead of stopping at the
/// first. Keys that nothing asks about are problems too.
/// </summary>
public sealed class ConfigurationSection
{
    private readonly ProblemList _problems;
    private readonly YamlMappingNode _node;

    /// <param name="known">The keys that this section has; <see cref="ConfigurationKeys"/>.</param>
    public ConfigurationSection(ProblemList problems, YamlMappingNode node, string key, IReadOnlyCollection<string> known)
    {
        (_problems, _node, Key) = (problems, node, key);
        foreach (var (name, _) in node.Children)
        {
            var text = (name as YamlScalarNode)?.Value ?? name.ToString();
            if (!known.Contains(text))
                problems.Add(name.Start, Path(text), $"is not known here{ValueParsers.Suggest(text, known)}");
        }
    }

    /// <summary>Where in the file, such as <c>rules[2]</c>; empty for the whole.</summary>
    public string Key { get; }

    public bool Has(string name) => Find(name) is not null;

    public bool IsEmptyList(string name) => Find(name) is YamlSequenceNode { Children.Count: 0 };

    public bool IsMapping(string name) => Find(name) is YamlMappingNode;

    /// <summary>Where the key stands; the section's own place where it is missing.</summary>
    public Mark MarkOf(string name) => (Find(name) ?? _node).Start;

    public string Path(string name) => Key.Length == 0 ? name : $"{Key}.{name}";

    public void Problem(string name, string message) => _problems.Add(MarkOf(name), Path(name), message);

    public void Warning(string name, string message) => _problems.Add(MarkOf(name), Path(name), message, isError: false);

    /// <summary>A value that must be there; <c>default</c> and a problem where it is not or is none.</summary>
    public T? Required<T>(string name, ValueParser<T> parser)
    {
        if (Has(name))
            return Optional(name, parser, default!);
        Problem(name, "is missing");
        return default;
    }

    public T Optional<T>(string name, ValueParser<T> parser, T otherwise)
    {
        if (Find(name) is not { } node)
            return otherwise;
        return TryRead(node, Path(name), parser, out var value) ? value : otherwise;
    }

    /// <summary>One value, or a list of them; empty where the key is missing.</summary>
    /// <param name="mayBeEmpty">False: a list without values is a problem, because a condition that nothing meets is a mistake.</param>
    public ImmutableArray<T> List<T>(string name, ValueParser<T> parser, bool mayBeEmpty = false)
    {
        if (Find(name) is not { } node)
            return [];
        if (node is not YamlSequenceNode sequence)
            return TryRead(node, Path(name), parser, out var only) ? [only] : [];
        if (sequence.Children.Count == 0 && !mayBeEmpty)
            Problem(name, "is an empty list");
        var values = ImmutableArray.CreateBuilder<T>();
        for (var i = 0; i < sequence.Children.Count; i++)
        {
            if (TryRead(sequence.Children[i], $"{Path(name)}[{i}]", parser, out var value))
                values.Add(value);
        }
        return values.ToImmutable();
    }

    /// <summary>A section below this one; null where the key is missing or is no mapping (which is a problem).</summary>
    public ConfigurationSection? Section(string name, IReadOnlyCollection<string> known) =>
        Find(name) is { } node ? AsSection(node, Path(name), known) : null;

    /// <summary>A list of sections.</summary>
    public IEnumerable<ConfigurationSection> Sections(string name, IReadOnlyCollection<string> known)
    {
        if (Find(name) is not { } node)
            yield break;
        if (node is not YamlSequenceNode sequence)
        {
            Problem(name, "must be a list: each entry begins with '- '");
            yield break;
        }
        for (var i = 0; i < sequence.Children.Count; i++)
        {
            if (AsSection(sequence.Children[i], $"{Path(name)}[{i}]", known) is { } section)
                yield return section;
        }
    }

    /// <summary>Sections by names that the file chooses.</summary>
    public IEnumerable<(string Name, ConfigurationSection Section)> Named(string name, IReadOnlyCollection<string> known)
    {
        if (Find(name) is not { } node)
            yield break;
        if (node is not YamlMappingNode mapping)
        {
            Problem(name, "must be a mapping of names");
            yield break;
        }
        foreach (var (key, value) in mapping.Children)
        {
            var text = key.ToString();
            if (AsSection(value, $"{Path(name)}.{text}", known) is { } section)
                yield return (text, section);
        }
    }

    /// <summary>Names and values of a mapping whose keys the file chooses, each value one text or a list; null: it is a single text.</summary>
    public (string? Single, ImmutableArray<(string Name, ImmutableArray<T> Values)> Pairs) TextOrMapping<T>(
        string name, ValueParser<string> nameParser, ValueParser<T> parser)
    {
        switch (Find(name))
        {
            case null:
                return (null, []);
            case YamlMappingNode { Children.Count: 0 }:
                Problem(name, "is an empty mapping, and would match everything");
                return (null, []);
            case YamlMappingNode mapping:
                var names = new List<string>();
                foreach (var key in mapping.Children.Keys)
                {
                    if (TryRead(key, Path(name), nameParser, out var text))
                        names.Add(text);
                }
                var below = new ConfigurationSection(_problems, mapping, Path(name), [.. mapping.Children.Keys.Select(k => k.ToString())]);
                return (null, [.. names.Select(n => (n, below.List(n, parser)))]);
            default:
                return (Optional<string?>(name, nameParser!, null), []);
        }
    }

    /// <summary>A path in the file is relative to the file.</summary>
    public string FullPath(string path) => System.IO.Path.GetFullPath(path, _problems.Folder);

    public string RequiredFile(string name)
    {
        if (!Has(name))
            Problem(name, "is missing");
        return OptionalFile(name) ?? "";
    }

    public string? OptionalFile(string name) => OptionalPath(name, File.Exists, "file");

    public string? OptionalFolder(string name) => OptionalPath(name, Directory.Exists, "folder");

    private string? OptionalPath(string name, Func<string, bool> exists, string kind)
    {
        if (Optional<string?>(name, ValueParsers.Text!, null) is not { } text)
            return null;
        var path = FullPath(text);
        if (!exists(path))
            Problem(name, $"there is no {kind} {path}");
        return path;
    }

    private ConfigurationSection? AsSection(YamlNode node, string key, IReadOnlyCollection<string> known)
    {
        if (node is YamlMappingNode mapping)
            return new ConfigurationSection(_problems, mapping, key, known);
        _problems.Add(node.Start, key, "must hold keys and values");
        return null;
    }

    /// <summary>By the text alone: a key with a tag is the same key, and no condition may get lost over it.</summary>
    private YamlNode? Find(string name) => _node.Children.FirstOrDefault(c => c.Key is YamlScalarNode key && key.Value == name).Value;

    private bool TryRead<T>(YamlNode node, string key, ValueParser<T> parser, [System.Diagnostics.CodeAnalysis.MaybeNullWhen(false)] out T value)
    {
        value = default;
        if (node is not YamlScalarNode { Value: { } text })
        {
            _problems.Add(node.Start, key, "must be a single value");
            return false;
        }
        if (parser(text, out value, out var problem))
            return true;
        // One problem is one line, whatever the value holds.
        _problems.Add(node.Start, key, $"'{Printable.Show(text)}' {problem}");
        return false;
    }
}

/// <summary>Problems of one file, as they are found.</summary>
/// <param name="path">Of the configuration file.</param>
public sealed class ProblemList(string path)
{
    private readonly string _file = Path.GetFileName(path);
    private readonly List<ConfigurationProblem> _problems = [];

    /// <summary>In which the file lies.</summary>
    public string Folder { get; } = Path.GetDirectoryName(Path.GetFullPath(path))!;

    public bool HasErrors => _problems.Exists(p => p.IsError);

    public void Add(Mark at, string key, string message, bool isError = true) =>
        _problems.Add(new ConfigurationProblem(_file, at.Line, at.Column, key, message, isError));

    public ImmutableArray<ConfigurationProblem> InOrder() => [.. _problems.OrderBy(p => p.Line).ThenBy(p => p.Column)];
}
