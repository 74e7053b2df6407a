using System.Collections.Immutable;
using System.Text.RegularExpressions;
using GatewaySecure.Addresses;
using MimeKit;

namespace GatewaySecure.MailAuthentication;

/// <summary>Whose name the reader sees: the domains of the From field, or of all of them where there are several.</summary>
internal static partial class FromDomains
{
    /// <summary>More are not looked at: each costs look-ups.</summary>
    private const int Maximum = 5;

    /// <summary>A-labels in lower case, without repetition.</summary>
    public static IReadOnlyCollection<string> Of(ImmutableArray<MessageField> fields)
    {
        var domains = new HashSet<string>(StringComparer.Ordinal);
        foreach (var field in fields.Where(f => f.Is("From")))
        {
            var value = field.Raw[(field.Raw.Span.IndexOf((byte)':') + 1)..].ToArray();
            var names = InternetAddressList.TryParse(value, out var list)
                ? list.Mailboxes.Select(m => m.Domain)
                // What a strict reader can't parse, a mail program shows all the same.
                : AddressPattern().Matches(System.Text.Encoding.UTF8.GetString(value)).Select(m => m.Groups[1].Value);
            foreach (var name in names)
            {
                if (domains.Count < Maximum && DomainName.TryParse(name?.TrimEnd('.'), out var domain) && !domain.IsAddressLiteral)
                    domains.Add(domain.Ascii);
            }
        }
        return domains;
    }

    [GeneratedRegex(@"@([\p{L}\p{N}._-]+)")]
    private static partial Regex AddressPattern();
}
