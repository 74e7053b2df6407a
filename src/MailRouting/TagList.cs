using System.Collections.Immutable;

namespace GatewaySecure.MailRouting;

/// <summary><c>v=STSv1; id=1;</c>: the form that the TXT records of MTA-STS and TLS reporting share (RFC 8461 §3.1, RFC 8460 §3).</summary>
internal static class TagList
{
    /// <summary>
    /// The tags of the one record that begins with the version; null where there is none, or more than one: then there is no record (RFC 8461 §3.1).
    /// </summary>
    public static ImmutableDictionary<string, string>? TheOne(IEnumerable<string> records, string version)
    {
        var ours = records.Where(r => r.StartsWith($"v={version}", StringComparison.Ordinal)
            && (r.Length == version.Length + 2 || r[version.Length + 2] is ';' or ' ' or '\t')).ToList();
        if (ours is not [var record])
            return null;
        var tags = ImmutableDictionary.CreateBuilder<string, string>();
        foreach (var part in record.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (part.IndexOf('=', StringComparison.Ordinal) is > 0 and var sign)
                tags.TryAdd(part[..sign].TrimEnd(), part[(sign + 1)..].TrimStart());
        }
        return tags.ToImmutable();
    }
}
