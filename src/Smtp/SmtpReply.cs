using System.Collections.Immutable;

namespace GatewaySecure.Smtp;

/// <summary>
/// One reply: code, enhanced status code (RFC 3463, null where a reply has none: greeting, EHLO, 334, 354),
/// and the text of each line without code, status or CRLF.
/// </summary>
public sealed record SmtpReply(int Code, EnhancedStatus? Status, ImmutableArray<string> Lines)
{
    public SmtpReply(int code, string? status, string text)
        : this(code, status is null ? null : EnhancedStatus.Parse(status), [text])
    {
    }

    public bool IsPositive => Code is >= 200 and < 400;

    public bool IsTransient => Code is >= 400 and < 500;

    public bool IsPermanent => Code >= 500;

    public override string ToString() => $"{Code} {(Status is null ? "" : Status + " ")}{string.Join(" / ", Lines)}";
}

/// <summary>An enhanced status code <c>class.subject.detail</c> (RFC 3463 §2).</summary>
public readonly record struct EnhancedStatus(int Class, int Subject, int Detail)
{
    /// <exception cref="FormatException">Not of the form <c>2.1.5</c>.</exception>
    public static EnhancedStatus Parse(string text) =>
        TryParse(text, out var status) ? status : throw new FormatException($"'{text}' is not an enhanced status code.");

    public static bool TryParse(string text, out EnhancedStatus status)
    {
        status = default;
        var parts = (text ?? "").Split('.');
        if (parts.Length != 3 || parts[0] is not ("2" or "4" or "5"))
            return false;
        if (!IsPart(parts[1], out var subject) || !IsPart(parts[2], out var detail))
            return false;
        status = new EnhancedStatus(parts[0][0] - '0', subject, detail);
        return true;

        static bool IsPart(string part, out int value)
        {
            value = 0;
            return part.Length is >= 1 and <= 3 && part.All(char.IsAsciiDigit)
                && int.TryParse(part, System.Globalization.CultureInfo.InvariantCulture, out value);
        }
    }

    public override string ToString() => $"{Class}.{Subject}.{Detail}";
}
