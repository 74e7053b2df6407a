using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace GatewaySecure.Addresses;

/// <summary>
/// A mailbox <c>local-part@domain</c> (RFC 5321 §4.1.2, RFC 6531 §3.3), without angle brackets or display name.
/// Keeps the spelling it was given; compares the local part without regard to case, as every deployed
/// mail system does, and the domain by its A-labels.
/// </summary>
public sealed class MailAddress : IEquatable<MailAddress>
{
    // RFC 5321 §4.5.3.1.1 counts octets.
    private const int MaximumLocalPartOctets = 64;

    private static readonly SearchValues<char> AtomCharacters = SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~");

    private readonly string _text;

    private MailAddress(string text, string localPart, DomainName domain)
    {
        _text = text;
        LocalPart = localPart;
        Domain = domain;
    }

    /// <summary>The local part, unquoted: <c>"a b"@x</c> gives <c>a b</c>.</summary>
    public string LocalPart { get; }

    public DomainName Domain { get; }

    /// <summary>True where SMTPUTF8 is needed to carry it: the local part is not ASCII (RFC 6531 §3.3).</summary>
    public bool NeedsSmtpUtf8 => !Ascii.IsValid(LocalPart);

    /// <exception cref="FormatException">The text is no mailbox.</exception>
    public static MailAddress Parse(string text) =>
        TryParse(text, out var address) ? address : throw new FormatException($"'{text}' is not a mail address.");

    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out MailAddress? address)
    {
        address = null;
        if (string.IsNullOrEmpty(text))
            return false;
        var localEnd = text[0] == '"' ? EndOfQuoted(text) : text.LastIndexOf('@');
        if (localEnd <= 0 || localEnd >= text.Length - 1 || text[localEnd] != '@')
            return false;

        string localPart;
        if (text[0] == '"')
        {
            if (!TryUnquote(text.AsSpan(1, localEnd - 2), out localPart!))
                return false;
        }
        else
        {
            localPart = text[..localEnd];
            if (!IsDotString(localPart))
                return false;
        }
        if (Encoding.UTF8.GetByteCount(localPart) > MaximumLocalPartOctets)
            return false;
        if (!DomainName.TryParse(text[(localEnd + 1)..], out var domain))
            return false;
        address = new MailAddress(text, localPart, domain);
        return true;
    }

    public bool Equals(MailAddress? other) =>
        other is not null
        && Domain.Equals(other.Domain)
        && string.Equals(LocalPart, other.LocalPart, StringComparison.OrdinalIgnoreCase);

    public override bool Equals(object? obj) => Equals(obj as MailAddress);

    public override int GetHashCode() =>
        HashCode.Combine(StringComparer.OrdinalIgnoreCase.GetHashCode(LocalPart), Domain);

    /// <summary>The address as it was written.</summary>
    public override string ToString() => _text;

    private static bool IsDotString(ReadOnlySpan<char> text)
    {
        var atAtomStart = true;
        foreach (var c in text)
        {
            if (c == '.')
            {
                if (atAtomStart)
                    return false;
                atAtomStart = true;
                continue;
            }
            if (c < 0x80 ? !AtomCharacters.Contains(c) : char.IsControl(c) || char.IsWhiteSpace(c))
                return false;
            atAtomStart = false;
        }
        return !atAtomStart;
    }

    /// <summary>Index just past the closing quote, or -1.</summary>
    private static int EndOfQuoted(string text)
    {
        for (var i = 1; i < text.Length; i++)
        {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                return i + 1;
        }
        return -1;
    }

    private static bool TryUnquote(ReadOnlySpan<char> quoted, [NotNullWhen(true)] out string? text)
    {
        text = null;
        var result = new StringBuilder(quoted.Length);
        for (var i = 0; i < quoted.Length; i++)
        {
            if (quoted[i] == '\\')
                i++;
            // Unicode's own line ends too: an address stands in replies, reports and logs.
            if (char.IsControl(quoted[i]) || quoted[i] is '\u2028' or '\u2029')
                return false;
            result.Append(quoted[i]);
        }
        if (result.Length == 0)
            return false;
        text = result.ToString();
        return true;
    }
}
