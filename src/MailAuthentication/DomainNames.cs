namespace GatewaySecure.MailAuthentication;

/// <summary>Names as the DNS has them, underscores and all; in lower case, without a final dot.</summary>
internal static class DomainNames
{
    /// <summary>Labels of 1 to 63 letters, digits, hyphens or underscores; 253 characters at most.</summary>
    public static bool IsName(string? name) =>
        name is { Length: > 0 and <= 253 }
        && name.Split('.').All(l => l.Length is > 0 and <= 63 && l.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'));

    public static bool IsSameOrBelow(string name, string parent) =>
        name == parent || (name.Length > parent.Length && name[^(parent.Length + 1)] == '.' && name.EndsWith(parent, StringComparison.Ordinal));

    /// <summary>Without the leftmost label; empty for a single one.</summary>
    public static string Parent(string name) => name.IndexOf('.', StringComparison.Ordinal) is >= 0 and var dot ? name[(dot + 1)..] : "";
}
