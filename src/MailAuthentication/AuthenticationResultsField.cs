using System.Text;

namespace GatewaySecure.MailAuthentication;

/// <summary>Writes and recognises the field in which results travel inside (RFC 8601).</summary>
public static class AuthenticationResultsField
{
    public const string Name = "Authentication-Results";

    private const int LongestReason = 120;

    /// <summary>Of a reason that people are shown.</summary>
    private const int LongestWords = 420;

    /// <summary>One field, folded, with its last line end. Holds printable ASCII only, whatever the mail said.</summary>
    /// <param name="serviceId">Our authserv-id.</param>
    public static byte[] Write(string serviceId, AuthenticationReport report, string? sender)
    {
        ArgumentNullException.ThrowIfNull(report);
        var text = new StringBuilder($"{Name}: {serviceId}");
        var spf = report.Spf;
        Begin(text, "spf", spf.Result, spf.Reason);
        if (spf.Domain is not null)
            Property(text, spf.IsHelo ? "smtp.helo" : "smtp.mailfrom", spf.IsHelo || sender is null || !IsPlain(sender) ? spf.Domain : sender);
        foreach (var dkim in report.Dkim)
        {
            Begin(text, "dkim", dkim.Result, dkim.Reason);
            Property(text, "header.d", dkim.Domain);
            Property(text, "header.s", dkim.Selector);
            Property(text, "header.a", dkim.Algorithm);
            Property(text, "header.b", dkim.SignatureStart);
        }
        Begin(text, "arc", report.Arc.Result, report.Arc.Reason);
        Begin(text, "dmarc", report.Dmarc.Result, report.Arc.Vouched is { } sealer && report.Dmarc.Result == AuthenticationResult.Fail
            ? $"{report.Dmarc.Reason}; accepted on the word of {sealer}"
            : report.Dmarc.Reason);
        Property(text, "header.from", report.Dmarc.FromDomain);
        if (report.Dmarc.Result is AuthenticationResult.Pass or AuthenticationResult.Fail)
            Property(text, "policy.published-domain-policy", Word(report.Dmarc.Policy.ToString()));
        return Encoding.ASCII.GetBytes(text.Append("\r\n").ToString());
    }

    /// <summary>What one further method found, to stand behind what a field has already.</summary>
    /// <param name="method">Such as <c>smime</c> (RFC 7281).</param>
    /// <param name="properties">Such as <c>body.smime-identifier</c>; null values are left out.</param>
    /// <returns>Folded, from its semicolon on, without a line end.</returns>
    public static string Result(string method, string result, string reason, IEnumerable<(string Name, string? Value)> properties)
    {
        ArgumentNullException.ThrowIfNull(properties);
        var text = new StringBuilder();
        Begin(text, method, result, reason, LongestWords);
        foreach (var (name, value) in properties)
            Property(text, name, value is null ? null : Harmless(value, LongestReason));
        return text.ToString();
    }

    /// <summary>A whole field with its last line end.</summary>
    /// <param name="results">Of <see cref="Result"/>.</param>
    public static string Whole(string serviceId, string results) => $"{Name}: {serviceId}{results}\r\n";

    /// <summary>True for a field that claims to be ours: its authserv-id is ours, or none that can be read (RFC 8601 §5).</summary>
    /// <param name="value">What stands behind the colon; may be folded.</param>
    public static bool ClaimsToBeOf(string serviceId, ReadOnlySpan<byte> value)
    {
        var text = new StringBuilder();
        var depth = 0;
        for (var i = 0; i < value.Length && (depth > 0 || value[i] != ';'); i++)
        {
            // Comments may stand anywhere, and hold quoted pairs.
            if (value[i] == '\\' && depth > 0)
                i++;
            else if (value[i] == '(')
                depth++;
            else if (value[i] == ')' && depth > 0)
                depth--;
            else if (depth == 0 && value[i] is not ((byte)'"' or (byte)'\r' or (byte)'\n'))
                text.Append((char)value[i]);
        }
        var id = text.ToString().Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries).FirstOrDefault() ?? "";
        return id.Length == 0 || id.TrimEnd('.').Equals(serviceId, StringComparison.OrdinalIgnoreCase);
    }

    private static void Begin(StringBuilder text, string method, AuthenticationResult result, string reason) =>
        Begin(text, method, Word(result.ToString()), reason, LongestReason);

    private static void Begin(StringBuilder text, string method, string result, string reason, int longest)
    {
        text.Append(";\r\n\t").Append(method).Append('=').Append(result);
        var harmless = Harmless(reason, longest);
        if (harmless.Length > 0)
            text.Append("\r\n\t reason=\"").Append(harmless).Append('"');
    }

    private static string Harmless(string text, int longest) =>
        string.Concat(text.Take(longest).Select(c => c is >= ' ' and <= '~' and not ('"' or '\\') ? c : '?'));

    private static void Property(StringBuilder text, string name, string? value)
    {
        if (value is null)
            return;
        // '/', '+' and '=' of base64 need quotes (RFC 2045 token).
        var quoted = value.Any(c => !(char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '@'));
        text.Append("\r\n\t ").Append(name).Append('=').Append(quoted ? $"\"{value}\"" : value);
    }

    private static bool IsPlain(string sender) => sender.All(c => char.IsAsciiLetterOrDigit(c) || c is '@' or '.' or '-' or '_' or '+' or '=');

    private static string Word(string name) => name.ToLowerInvariant();
}
