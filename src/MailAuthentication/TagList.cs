using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace GatewaySecure.MailAuthentication;

/// <summary>A list of <c>tag=value;</c> as DKIM and DMARC write them (RFC 6376 §3.2).</summary>
internal sealed class TagList
{
    private const int MaximumTags = 64;

    private readonly Dictionary<string, string> _tags;

    private TagList(Dictionary<string, string> tags, string first) => (_tags, First) = (tags, first);

    /// <summary>The name of the first tag.</summary>
    public string First { get; }

    public string? this[string name] => _tags.GetValueOrDefault(name);

    /// <summary>White space around names and values is dropped, within values it stays.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out TagList? list)
    {
        list = null;
        var tags = new Dictionary<string, string>(StringComparer.Ordinal);
        var first = "";
        var parts = text.Split(';', MaximumTags + 1);
        for (var i = 0; i < parts.Length; i++)
        {
            var part = parts[i].Trim();
            // A final semicolon is allowed, an empty tag in between is not.
            if (part.Length == 0 && i == parts.Length - 1)
                break;
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
                return false;
            var name = part[..equals].TrimEnd();
            // RFC 6376 §3.2: a tag that occurs twice makes the whole list invalid.
            if (!name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') || !tags.TryAdd(name, part[(equals + 1)..].Trim()))
                return false;
            if (i == 0)
                first = name;
        }
        list = new TagList(tags, first);
        return tags.Count > 0;
    }

    /// <summary>A value without any white space: base64 and lists may be folded anywhere.</summary>
    public string? Compact(string name) => this[name] is { } value ? WithoutSpace(value) : null;

    /// <summary>The entries of a colon-separated value, without white space; null where the tag is not there.</summary>
    public string[]? Words(string name) => Compact(name)?.Split(':', StringSplitOptions.RemoveEmptyEntries);

    public static byte[]? Base64(string? value)
    {
        if (string.IsNullOrEmpty(value))
            return null;
        var octets = new byte[(value.Length / 4 * 3) + 3];
        return Convert.TryFromBase64String(value, octets, out var written) ? octets[..written] : null;
    }

    private static string WithoutSpace(string value)
    {
        var text = new StringBuilder(value.Length);
        foreach (var c in value)
        {
            if (!char.IsWhiteSpace(c))
                text.Append(c);
        }
        return text.ToString();
    }
}
