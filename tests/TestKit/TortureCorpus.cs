using System.Globalization;
using System.Text;

namespace GatewaySecure.TestKit;

/// <summary>One mail of tests/vectors/torture, with what must become of it.</summary>
/// <param name="Refusal">Code and status of the answer to it, as <c>554 5.6.0</c>; null: it arrives as the same octets.</param>
public sealed record TortureMail(string Name, string? Refusal, byte[] Content)
{
    /// <summary>Such as can be said by DATA, which ends with a line end (RFC 5321 §4.1.1.4).</summary>
    public byte[] AsData => Content.Length == 0 || Content.AsSpan().EndsWith("\r\n"u8) ? Content : [.. Content, .. "\r\n"u8];

    public override string ToString() => Name;
}

/// <summary>Reads tests/vectors/torture/corpus.txt; its README tells the format.</summary>
public static class TortureCorpus
{
    private static readonly string Folder = Path.Combine(Repository.Root, "tests", "vectors", "torture");

    /// <summary>In the order of the file.</summary>
    public static IReadOnlyList<TortureMail> Mails { get; } = [.. Read()];

    public static TortureMail Get(string name) => Mails.Single(m => m.Name == name);

    public static string PathOf(string file) => Path.Combine(Folder, file);

    private static IEnumerable<TortureMail> Read()
    {
        var blocks = File.ReadAllText(PathOf("corpus.txt")).Split("\n\n");
        foreach (var block in blocks)
        {
            var lines = block.Split('\n').Where(l => l.Length > 0 && l[0] != '#').ToArray();
            if (lines.Length == 0)
                continue;
            var (name, expected) = lines[0].Split(": ", 2) is [var n, var e] ? (n, e) : throw Malformed(lines[0]);
            var content = lines[1] is ['@', .. var file]
                ? File.ReadAllBytes(PathOf(file))
                : Expand(string.Concat(lines.Skip(1).Select(l => l.StartsWith('|') ? l[Math.Min(2, l.Length)..] : throw Malformed(l))));
            yield return expected switch
            {
                "same" => new TortureMail(name, null, content),
                _ when expected.StartsWith("refused ", StringComparison.Ordinal) => new TortureMail(name, expected["refused ".Length..], content),
                _ => throw Malformed(lines[0]),
            };
        }
    }

    private static byte[] Expand(string text)
    {
        using var output = new MemoryStream();
        var at = 0;
        Expand(text, ref at, output, counter: null);
        return at == text.Length ? output.ToArray() : throw Malformed(text);
    }

    /// <summary>Up to the closing brace of a repetition, or to the end.</summary>
    private static void Expand(string text, ref int at, MemoryStream output, int? counter)
    {
        for (; at < text.Length && text[at] != '}'; at++)
        {
            switch (text[at])
            {
                case '\\':
                    output.WriteByte(Escaped(text, ref at));
                    break;
                case '{':
                    Repeat(text, ref at, output);
                    break;
                case '#' when counter is { } number:
                    output.Write(Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture)));
                    break;
                default:
                    var length = char.IsSurrogatePair(text, at) ? 2 : 1;
                    output.Write(Encoding.UTF8.GetBytes(text.Substring(at, length)));
                    at += length - 1;
                    break;
            }
        }
    }

    /// <summary><c>{N*text}</c>; ends on the brace.</summary>
    private static void Repeat(string text, ref int at, MemoryStream output)
    {
        var star = text.IndexOf('*', at);
        var times = int.Parse(text.AsSpan(at + 1, star - at - 1), NumberStyles.None, CultureInfo.InvariantCulture);
        for (var i = 0; i < times; i++)
        {
            at = star + 1;
            Expand(text, ref at, output, i);
        }
        if (at >= text.Length)
            throw Malformed(text);
    }

    /// <summary>Ends on the last character of the escape.</summary>
    private static byte Escaped(string text, ref int at)
    {
        at++;
        if (text[at] != 'x')
        {
            return text[at] switch
            {
                'r' => (byte)'\r',
                'n' => (byte)'\n',
                't' => (byte)'\t',
                'f' => (byte)'\f',
                'v' => (byte)'\v',
                'b' => (byte)'\b',
                '0' => 0,
                '\\' or '{' or '}' => (byte)text[at],
                _ => throw Malformed(text),
            };
        }
        at += 2;
        return byte.Parse(text.AsSpan(at - 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
    }

    private static InvalidDataException Malformed(string text) => new($"corpus.txt: not understood: {text[..Math.Min(text.Length, 200)]}");
}
