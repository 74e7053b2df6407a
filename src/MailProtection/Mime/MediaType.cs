using System.Text;

namespace GatewaySecure.MailProtection.Mime;

/// <summary>
/// A Content-Type or Content-Disposition value (RFC 2045 §5.1, RFC 2183), read leniently: what can't be understood is left out.
/// </summary>
internal sealed class MediaType
{
    /// <summary>RFC 2045 §5.2.</summary>
    public static readonly MediaType Default = new("text/plain", []);

    private readonly Dictionary<string, string> _parameters;

    private MediaType(string name, Dictionary<string, string> parameters)
    {
        Name = name;
        _parameters = parameters;
    }

    /// <summary>In lower case: <c>multipart/signed</c>.</summary>
    public string Name { get; }

    public bool IsMultipart => Name.StartsWith("multipart/", StringComparison.Ordinal);

    /// <summary>application/pkcs7-mime under its two names.</summary>
    public bool IsPkcs7Mime => Name is "application/pkcs7-mime" or "application/x-pkcs7-mime";

    /// <summary>Content that says it carries a signature: its octets must not be touched.</summary>
    public bool SaysSigned =>
        Name == "multipart/signed"
        || (IsPkcs7Mime && "signed-data".Equals(this["smime-type"], StringComparison.OrdinalIgnoreCase));

    /// <summary>Null where it is absent.</summary>
    public string? this[string parameter] => _parameters.GetValueOrDefault(parameter);

    public static MediaType Of(HeaderBlock header) =>
        header.First("Content-Type") is { } field ? Parse(field.Value) : Default;

    public static MediaType Parse(string value)
    {
        var at = 0;
        var name = ReadUntilSemicolon(value, ref at).Trim().ToLowerInvariant();
        var parameters = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var pieces = new SortedDictionary<(string Name, int Index), string>();
        while (at < value.Length)
        {
            var piece = ReadUntilSemicolon(value, ref at);
            var equals = piece.IndexOf('=');
            if (equals <= 0)
                continue;
            var key = piece[..equals].Trim();
            var text = Unquote(piece[(equals + 1)..].Trim());
            if (key.EndsWith('*'))
            {
                key = key[..^1];
                text = DecodeExtended(text);
            }
            var star = key.IndexOf('*');
            // RFC 2231 §3: a long value in numbered pieces.
            if (star > 0 && int.TryParse(key[(star + 1)..], out var index) && index is >= 0 and < 100)
                pieces.TryAdd((key[..star].ToLowerInvariant(), index), text);
            else
                parameters.TryAdd(key, text);
        }
        foreach (var group in pieces.GroupBy(p => p.Key.Name))
            parameters.TryAdd(group.Key, string.Concat(group.Select(p => p.Value)));
        return new MediaType(name, parameters);
    }

    private static string ReadUntilSemicolon(string value, ref int at)
    {
        var piece = new StringBuilder();
        var quoted = false;
        var comment = 0;
        for (; at < value.Length; at++)
        {
            var c = value[at];
            if (c == '\\' && (quoted || comment > 0) && at + 1 < value.Length)
            {
                if (comment == 0)
                    piece.Append(c).Append(value[at + 1]);
                at++;
                continue;
            }
            if (c == '"' && comment == 0)
                quoted = !quoted;
            else if (c == '(' && !quoted)
                comment++;
            else if (c == ')' && comment > 0)
            {
                comment--;
                continue;
            }
            else if (c == ';' && !quoted && comment == 0)
            {
                at++;
                break;
            }
            if (comment == 0)
                piece.Append(c);
        }
        return piece.ToString();
    }

    private static string Unquote(string text)
    {
        if (text.Length < 2 || text[0] != '"' || text[^1] != '"')
            return text;
        var result = new StringBuilder(text.Length);
        for (var i = 1; i < text.Length - 1; i++)
        {
            if (text[i] == '\\' && i + 1 < text.Length - 1)
                i++;
            result.Append(text[i]);
        }
        return result.ToString();
    }

    private static string DecodeExtended(string text)
    {
        var language = text.IndexOf('\'');
        var end = language < 0 ? -1 : text.IndexOf('\'', language + 1);
        return Uri.UnescapeDataString(end < 0 ? text : text[(end + 1)..]);
    }
}
