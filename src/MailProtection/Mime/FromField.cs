using GatewaySecure.Addresses;
using MimeKit;

namespace GatewaySecure.MailProtection.Mime;

/// <summary>
/// Who a message is from, where that is beyond doubt: one From field, one mailbox in it, and nothing that another parser could
/// read differently (RFC 5322 §3.6.2).
/// </summary>
internal static class FromField
{
    /// <summary>From and Sender, as far as each is beyond doubt.</summary>
    public static MailAuthor Author(HeaderBlock header)
    {
        var senders = header.All("Sender").ToArray();
        return new MailAuthor(
            Single(header, anyLineEnds: true).Address,
            senders.Length == 1 ? OnlyMailbox(senders[0]) : null);
    }

    private static readonly ParserOptions Strict = new()
    {
        AddressParserComplianceMode = RfcComplianceMode.Strict,
        AllowAddressesWithoutDomain = false,
        AllowUnquotedCommasInAddresses = false,
    };

    /// <summary>The single sender, or the reason why there is none.</summary>
    /// <param name="anyLineEnds">A header that nobody protects and that a program may have stored with line feeds alone.</param>
    public static (MailAddress? Address, string Problem) Single(HeaderBlock header, bool anyLineEnds = false)
    {
        foreach (var field in header.Fields)
        {
            if (!anyLineEnds && HasLoneControl(field.Raw.Span))
                return (null, "A header field holds a bare carriage return, line feed or NUL.");
        }
        var fields = header.All("From").ToArray();
        if (fields.Length != 1)
            return (null, fields.Length == 0 ? "The message has no From field." : "The message has more than one From field.");
        return OnlyMailbox(fields[0]) is { } address ? (address, "") : (null, "The From field does not hold exactly one mail address.");
    }

    private static MailAddress? OnlyMailbox(HeaderField field)
    {
        var value = field.Raw[(field.Raw.Span.IndexOf((byte)':') + 1)..].ToArray();
        return InternetAddressList.TryParse(Strict, value, out var list) && list.Count == 1 && list[0] is MailboxAddress mailbox
            && MailAddress.TryParse(mailbox.Address, out var address) ? address : null;
    }

    private static bool HasLoneControl(ReadOnlySpan<byte> raw)
    {
        for (var i = 0; i < raw.Length; i++)
        {
            if (raw[i] == 0)
                return true;
            if (raw[i] == '\r' && i + 1 < raw.Length && raw[i + 1] != '\n')
                return true;
            if (raw[i] == '\n' && (i == 0 || raw[i - 1] != '\r'))
                return true;
        }
        return false;
    }
}

/// <summary>Who a mail says it is from, and who it says sent it for them; null where that is missing or in doubt.</summary>
internal sealed record MailAuthor(MailAddress? From, MailAddress? Sender);
