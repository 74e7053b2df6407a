using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using GatewaySecure.Addresses;

namespace GatewaySecure.Smtp.Server;

/// <summary>
/// Command lines to values (RFC 5321 §4.1, RFC 1870, 3030, 3461, 4954, 6152, 6531). Pure and strict: what the grammar does not
/// allow gives the reply that says so.
/// </summary>
internal static class SmtpCommandParser
{
    // RFC 5321 §4.5.3.1.3: 256 octets with the angle brackets.
    private const int MaxMailboxOctets = 254;

    // RFC 3461 §4.4 and §4.2.
    private const int MaxEnvelopeId = 100;
    private const int MaxOriginalRecipient = 500;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static readonly SearchValues<char> HelloCharacters = SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]");

    private static readonly SearchValues<char> KeywordCharacters = SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

    /// <summary>A line without its CRLF to text; false where it holds a control character (so any bare CR or LF) or broken UTF-8.</summary>
    public static bool TryDecodeLine(ReadOnlySpan<byte> line, [NotNullWhen(true)] out string? text)
    {
        text = null;
        if (line.IndexOfAnyInRange((byte)0, (byte)0x1f) >= 0 || line.Contains((byte)0x7f))
            return false;
        try
        {
            text = StrictUtf8.GetString(line);
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }

    /// <summary>Verb and the rest. Trailing spaces are tolerated (RFC 5321 §4.1.1).</summary>
    public static (Verb Verb, string Arguments) SplitVerb(string line)
    {
        line = line.TrimEnd(' ');
        var space = line.IndexOf(' ', StringComparison.Ordinal);
        var word = space < 0 ? line : line[..space];
        var arguments = space < 0 ? "" : line[(space + 1)..];
        // Letters that only look like ASCII in capitals (U+017F) make no command.
        var verb = !Ascii.IsValid(word) ? Verb.Unknown : word.ToUpperInvariant() switch
        {
            "EHLO" => Verb.Ehlo,
            "HELO" => Verb.Helo,
            "STARTTLS" => Verb.StartTls,
            "XCLIENT" => Verb.Xclient,
            "AUTH" => Verb.Auth,
            "MAIL" => Verb.Mail,
            "RCPT" => Verb.Rcpt,
            "DATA" => Verb.Data,
            "BDAT" => arguments.EndsWith(" LAST", StringComparison.OrdinalIgnoreCase) ? Verb.BdatLast : Verb.Bdat,
            "RSET" => Verb.Rset,
            "NOOP" => Verb.Noop,
            "VRFY" => Verb.Vrfy,
            "EXPN" => Verb.Expn,
            "HELP" => Verb.Help,
            "QUIT" => Verb.Quit,
            _ => Verb.Unknown,
        };
        return (verb, arguments);
    }

    /// <summary>
    /// The name in EHLO or HELO: letters, digits and the marks of names and literals, so that it can stand in a Received header.
    /// Not a DomainName, because machines that are not ours call themselves what they like (RFC 5321 §4.1.4: don't refuse for that).
    /// </summary>
    public static bool TryParseHello(string arguments, [NotNullWhen(true)] out string? name)
    {
        name = arguments.Length is > 0 and <= 255 && arguments.AsSpan().IndexOfAnyExcept(HelloCharacters) < 0 ? arguments : null;
        return name is not null;
    }

    /// <summary>The size of one chunk in octets (RFC 3030 §2); <paramref name="arguments"/> may end with LAST.</summary>
    public static bool TryParseBdat(string arguments, out long size)
    {
        var space = arguments.IndexOf(' ', StringComparison.Ordinal);
        var digits = space < 0 ? arguments : arguments[..space];
        size = 0;
        return (space < 0 || arguments.AsSpan(space + 1).Equals("LAST", StringComparison.OrdinalIgnoreCase))
            && TryParseSize(digits, out size);
    }

    /// <summary>The arguments of MAIL to an envelope without recipients, or the reply that refuses them.</summary>
    public static (Envelope? Envelope, SmtpReply? Error) ParseMail(string arguments)
    {
        if (SplitPath(arguments, "FROM:") is not var (path, parameters))
            return (null, new SmtpReply(501, "5.5.4", "Expected MAIL FROM:<address>"));
        if (Parameters.Parse(parameters) is not { } given)
            return (null, Parameters.Malformed);

        MailAddress? sender = null;
        if (path.Length > 0 && !TryParsePath(path, out sender))
            return (null, new SmtpReply(501, "5.1.7", "Malformed sender address"));

        var envelope = new Envelope { Sender = sender, Recipients = [] };
        foreach (var (keyword, value) in given)
        {
            var next = MailParameter(envelope, keyword, value);
            if (next.Error is not null)
                return (null, next.Error);
            envelope = next.Envelope!;
        }
        if (!envelope.SmtpUtf8 && !Ascii.IsValid(arguments))
            return (null, Utf8Needed);
        return (envelope, null);
    }

    /// <summary>The arguments of RCPT to a recipient, or the reply that refuses them.</summary>
    /// <param name="smtpUtf8">SMTPUTF8 was said at MAIL.</param>
    /// <param name="ownDomain">Where <c>&lt;postmaster&gt;</c> without a domain goes (RFC 5321 §4.5.1).</param>
    public static (EnvelopeRecipient? Recipient, SmtpReply? Error) ParseRcpt(string arguments, bool smtpUtf8, DomainName ownDomain)
    {
        if (SplitPath(arguments, "TO:") is not var (path, parameters))
            return (null, new SmtpReply(501, "5.5.4", "Expected RCPT TO:<address>"));
        if (Parameters.Parse(parameters) is not { } given)
            return (null, Parameters.Malformed);
        if (!smtpUtf8 && !Ascii.IsValid(arguments))
            return (null, Utf8Needed);

        if (path.Equals("postmaster", StringComparison.OrdinalIgnoreCase))
            path = $"{path}@{ownDomain.Ascii}";
        if (!TryParsePath(path, out var address))
            return (null, new SmtpReply(501, "5.1.3", "Malformed recipient address"));

        var recipient = new EnvelopeRecipient(address);
        foreach (var (keyword, value) in given)
        {
            switch (keyword)
            {
                case "NOTIFY" when TryParseNotify(value, out var notify):
                    recipient = recipient with { Notify = notify };
                    break;
                case "ORCPT" when TryParseOriginalRecipient(value, smtpUtf8, out var original):
                    recipient = recipient with { OriginalRecipient = original };
                    break;
                case "NOTIFY" or "ORCPT":
                    return (null, BadValue(keyword));
                default:
                    return (null, Unsupported(keyword));
            }
        }
        return (recipient, null);
    }

    private static SmtpReply Utf8Needed { get; } = new(553, "5.6.7", "SMTPUTF8 is needed for this address");

    private static (Envelope? Envelope, SmtpReply? Error) MailParameter(Envelope envelope, string keyword, string? value)
    {
        switch (keyword)
        {
            case "SIZE" when value is { Length: <= 20 } && TryParseSize(value, out var size):
                return (envelope with { DeclaredSize = size }, null);
            case "BODY" when Is(value, "7BIT"):
                return (envelope with { Body = BodyType.SevenBit }, null);
            case "BODY" when Is(value, "8BITMIME"):
                return (envelope with { Body = BodyType.EightBitMime }, null);
            case "SMTPUTF8" when value is null:
                return (envelope with { SmtpUtf8 = true }, null);
            case "RET" when Is(value, "FULL"):
                return (envelope with { Return = DsnReturn.Full }, null);
            case "RET" when Is(value, "HDRS"):
                return (envelope with { Return = DsnReturn.Headers }, null);
            case "ENVID" when value is { Length: <= MaxEnvelopeId } && Xtext.TryDecode(value, allowUtf8: false, out var id):
                return (envelope with { EnvelopeId = id }, null);
            case "AUTH" when IsAuthParameter(value):
                // RFC 4954 §5: who first submitted it. We vouch for nobody else's claim, so it is understood and dropped.
                return (envelope, null);
            case "SIZE" or "BODY" or "SMTPUTF8" or "RET" or "ENVID" or "AUTH":
                return (null, BadValue(keyword));
            default:
                return (null, Unsupported(keyword));
        }
    }

    private static SmtpReply BadValue(string keyword) => new(501, "5.5.4", $"Malformed {keyword} parameter");

    private static SmtpReply Unsupported(string keyword) => new(555, "5.5.4", $"Parameter {keyword} not supported");

    private static bool Is(string? value, string expected) => string.Equals(value, expected, StringComparison.OrdinalIgnoreCase);

    private static bool IsAuthParameter(string? value) =>
        value == "<>" || (value is not null && Xtext.TryDecode(value, allowUtf8: true, out var text) && MailAddress.TryParse(text, out _));

    /// <summary>1*DIGIT; a number beyond 63 bits is as good as the largest one.</summary>
    private static bool TryParseSize(string digits, out long size)
    {
        size = 0;
        if (digits.Length is 0 or > 20 || !digits.All(char.IsAsciiDigit))
            return false;
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out size))
            size = long.MaxValue;
        return true;
    }

    private static bool TryParseNotify(string? value, out DsnNotify notify)
    {
        notify = DsnNotify.Unspecified;
        foreach (var word in (value ?? "").Split(','))
        {
            var flag = word.ToUpperInvariant() switch
            {
                "NEVER" => DsnNotify.Never,
                "SUCCESS" => DsnNotify.Success,
                "FAILURE" => DsnNotify.Failure,
                "DELAY" => DsnNotify.Delay,
                _ => DsnNotify.Unspecified,
            };
            if (flag == DsnNotify.Unspecified)
                return false;
            notify |= flag;
        }
        // RFC 3461 §4.1: NEVER stands alone.
        return notify == DsnNotify.Never || !notify.HasFlag(DsnNotify.Never);
    }

    private static bool TryParseOriginalRecipient(string? value, bool smtpUtf8, [NotNullWhen(true)] out string? original)
    {
        original = null;
        var semicolon = value?.IndexOf(';', StringComparison.Ordinal) ?? -1;
        if (semicolon <= 0 || value!.Length > MaxOriginalRecipient || value.AsSpan(0, semicolon).IndexOfAnyExcept(KeywordCharacters) >= 0)
            return false;
        var type = value[..semicolon];
        if (!Xtext.TryDecode(value.AsSpan(semicolon + 1), smtpUtf8 && Is(type, "utf-8"), out var address) || address.Length == 0)
            return false;
        original = $"{type};{address}";
        return true;
    }

    /// <summary><c>FROM:&lt;path&gt; parameters</c> to the inside of the brackets and the rest, or null. No space around the colon (RFC 5321 §3.3).</summary>
    private static (string Path, string Parameters)? SplitPath(string arguments, string keyword)
    {
        if (!arguments.StartsWith(keyword, StringComparison.OrdinalIgnoreCase))
            return null;
        var start = keyword.Length;
        if (start >= arguments.Length || arguments[start] != '<')
            return null;
        var quoted = false;
        for (var i = start + 1; i < arguments.Length; i++)
        {
            switch (arguments[i])
            {
                case '"':
                    quoted = !quoted;
                    break;
                case '\\' when quoted:
                    i++;
                    break;
                case '>' when !quoted:
                    var path = arguments[(start + 1)..i];
                    if (i + 1 == arguments.Length)
                        return (path, "");
                    return arguments[i + 1] == ' ' ? (path, arguments[(i + 2)..]) : null;
            }
        }
        return null;
    }

    /// <summary>A mailbox; a source route before it is checked and dropped (RFC 5321 §4.1.1.3, appendix C).</summary>
    private static bool TryParsePath(string path, [NotNullWhen(true)] out MailAddress? address)
    {
        address = null;
        while (path.StartsWith('@'))
        {
            var end = EndOfRouteDomain(path);
            if (end < 0 || !DomainName.TryParse(path[1..end], out _))
                return false;
            var isLast = path[end] == ':';
            path = path[(end + 1)..];
            if (!isLast && !path.StartsWith('@'))
                return false;
            if (isLast)
            {
                if (path.StartsWith('@'))
                    return false;
                break;
            }
        }
        return Encoding.UTF8.GetByteCount(path) <= MaxMailboxOctets && MailAddress.TryParse(path, out address);
    }

    /// <summary>Index of the <c>,</c> or <c>:</c> after the first domain; those inside a literal don't count.</summary>
    private static int EndOfRouteDomain(string path)
    {
        var literal = false;
        for (var i = 1; i < path.Length; i++)
        {
            if (path[i] is '[' or ']')
                literal = path[i] == '[';
            else if (!literal && (path[i] is ',' or ':'))
                return i;
        }
        return -1;
    }

    /// <summary>esmtp-param *(SP esmtp-param) (RFC 5321 §4.1.2).</summary>
    private static class Parameters
    {
        public static SmtpReply Malformed { get; } = new(501, "5.5.4", "Malformed or repeated parameters");

        /// <summary>Keywords in capitals, each once; or null.</summary>
        public static List<(string Keyword, string? Value)>? Parse(string text)
        {
            var result = new List<(string, string?)>();
            if (text.Length == 0)
                return result;
            var seen = new HashSet<string>(StringComparer.Ordinal);
            foreach (var parameter in text.Split(' '))
            {
                var equals = parameter.IndexOf('=', StringComparison.Ordinal);
                var keyword = equals < 0 ? parameter : parameter[..equals];
                var value = equals < 0 ? null : parameter[(equals + 1)..];
                if (keyword.Length == 0 || keyword[0] == '-' || keyword.AsSpan().IndexOfAnyExcept(KeywordCharacters) >= 0)
                    return null;
                keyword = keyword.ToUpperInvariant();
                // A value is never empty and never holds "=".
                if (value is "" || value?.Contains('=', StringComparison.Ordinal) == true || !seen.Add(keyword))
                    return null;
                result.Add((keyword, value));
            }
            return result;
        }
    }
}
