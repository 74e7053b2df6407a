using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace GatewaySecure.Settings;

/// <summary>
/// Passes a document's events on without the pairs whose key stood in the same mapping before, and says which those are: the library
/// stops at the first one, and the reader is to find everything at once.
/// </summary>
public sealed class UniqueKeys : IParser
{
    /// <summary>Far more than a configuration needs; a file of brackets alone must not exhaust the stack.</summary>
    private const int MaximumDepth = 50;

    private readonly IParser _source;
    private readonly ProblemList _problems;
    private readonly List<ParsingEvent> _events = [];
    private int _next;

    /// <exception cref="YamlException">It is not YAML, or nested too deeply.</exception>
    public UniqueKeys(TextReader text, ProblemList problems)
    {
        (_source, _problems) = (new Parser(text), problems);
        while (_source.MoveNext())
            Node("", 0, keep: true);
    }

    public ParsingEvent? Current { get; private set; }

    public bool MoveNext()
    {
        Current = _next < _events.Count ? _events[_next++] : null;
        return Current is not null;
    }

    /// <summary>Takes the node that begins at the source's current event, with all that is in it.</summary>
    private void Node(string path, int depth, bool keep)
    {
        var start = Take(keep);
        if (depth > MaximumDepth)
            throw new YamlException(start.Start, start.End, "nested too deeply");
        if (start is MappingStart)
            Pairs(path, depth, keep);
        else if (start is SequenceStart)
        {
            for (var i = 0; Next() is not SequenceEnd; i++)
                Node($"{path}[{i}]", depth + 1, keep);
            Take(keep);
        }
    }

    private void Pairs(string path, int depth, bool keep)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (Next() is var key and not MappingEnd)
        {
            var name = (key as Scalar)?.Value;
            var below = path.Length == 0 ? name ?? "" : $"{path}.{name}";
            var isNew = name is null || seen.Add(name);
            if (!isNew && keep)
                _problems.Add(key.Start, below, "stands here a second time: only one of them can be meant");
            Node(below, depth + 1, keep && isNew);
            Next();
            Node(below, depth + 1, keep && isNew);
        }
        Take(keep);
    }

    private ParsingEvent Next() => _source.MoveNext() ? _source.Current! : throw new YamlException("ends in the middle");

    private ParsingEvent Take(bool keep)
    {
        var current = _source.Current!;
        if (keep)
            _events.Add(current);
        return current;
    }
}
