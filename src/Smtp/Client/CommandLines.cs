using System.Globalization;
using System.Text;
using GatewaySecure.Addresses;

namespace GatewaySecure.Smtp.Client;

/// <summary>MAIL and RCPT with exactly those parameters that the peer offered (RFC 5321 §4.1.1.11). Pure.</summary>
internal static class CommandLines
{
    public static string Mail(Envelope envelope, IOutgoingContent content, SmtpExtensions extensions)
    {
        var utf8 = NeedsUtf8(envelope);
        var line = new StringBuilder("MAIL FROM:<");
        if (envelope.Sender is { } sender)
            line.Append(Path(sender, utf8));
        line.Append('>');
        if (extensions.Size)
            line.Append(CultureInfo.InvariantCulture, $" SIZE={content.Length}");
        if (extensions.EightBitMime && (content.MayHoldEightBit || envelope.Body == BodyType.EightBitMime))
            line.Append(" BODY=8BITMIME");
        if (utf8)
            line.Append(" SMTPUTF8");
        if (extensions.Dsn)
        {
            if (envelope.Return is { } what)
                line.Append(what == DsnReturn.Full ? " RET=FULL" : " RET=HDRS");
            if (envelope.EnvelopeId is { } id)
                line.Append(" ENVID=").Append(Xtext.Encode(id));
        }
        return line.ToString();
    }

    public static string Rcpt(EnvelopeRecipient recipient, Envelope envelope, SmtpExtensions extensions)
    {
        var line = new StringBuilder("RCPT TO:<").Append(Path(recipient.Address, NeedsUtf8(envelope))).Append('>');
        if (extensions.Dsn)
        {
            if (recipient.Notify != DsnNotify.Unspecified)
                line.Append(" NOTIFY=").Append(Notify(recipient.Notify));
            if (recipient.OriginalRecipient is { } original && TryOriginalRecipient(original, out var encoded))
                line.Append(" ORCPT=").Append(encoded);
        }
        return line.ToString();
    }

    /// <summary>RFC 6531 §3.4: the client said so, or an address can't be written otherwise.</summary>
    public static bool NeedsUtf8(Envelope envelope) =>
        envelope.SmtpUtf8 || envelope.Sender?.NeedsSmtpUtf8 == true || envelope.Recipients.Any(r => r.Address.NeedsSmtpUtf8);

    /// <summary>The local part as it was written, with its quotes; without SMTPUTF8 the domain by its A-labels.</summary>
    private static string Path(MailAddress address, bool utf8)
    {
        var text = address.ToString();
        // No domain and no literal holds an "@".
        return utf8 ? text : string.Concat(text.AsSpan(0, text.LastIndexOf('@') + 1), address.Domain.Ascii);
    }

    private static string Notify(DsnNotify notify)
    {
        if (notify.HasFlag(DsnNotify.Never))
            return "NEVER";
        var words = new List<string>(3);
        if (notify.HasFlag(DsnNotify.Success))
            words.Add("SUCCESS");
        if (notify.HasFlag(DsnNotify.Failure))
            words.Add("FAILURE");
        if (notify.HasFlag(DsnNotify.Delay))
            words.Add("DELAY");
        return string.Join(',', words);
    }

    private static bool TryOriginalRecipient(string original, out string encoded)
    {
        var semicolon = original.IndexOf(';', StringComparison.Ordinal);
        encoded = "";
        if (semicolon <= 0 || !original.AsSpan(0, semicolon).ToString().All(c => char.IsAsciiLetterOrDigit(c) || c == '-'))
            return false;
        encoded = $"{original[..semicolon]};{Xtext.Encode(original[(semicolon + 1)..])}";
        return true;
    }
}
