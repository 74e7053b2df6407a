using System.Globalization;
using System.Security.Cryptography;

namespace GatewaySecure.Gateway.Spool;

/// <summary>
/// Names one spool item for ever: 22 characters, of which the first 10 are the time in milliseconds (so that names sort by age) and
/// the rest are 60 random bits. Safe as a file name and in a header field.
/// </summary>
internal readonly record struct QueueId : IComparable<QueueId>
{
    /// <summary>Crockford's base 32: no letters that look like digits.</summary>
    private const string Alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
    private const int TimeLength = 10;
    private const int Length = 22;

    private readonly string? _text;

    private QueueId(string text) => _text = text;

    public static QueueId Create(DateTimeOffset now)
    {
        Span<char> text = stackalloc char[Length];
        var milliseconds = now.ToUnixTimeMilliseconds();
        for (var i = TimeLength - 1; i >= 0; i--, milliseconds >>= 5)
            text[i] = Alphabet[(int)(milliseconds & 31)];
        RandomNumberGenerator.GetItems(Alphabet, text[TimeLength..]);
        return new QueueId(new string(text));
    }

    public static bool TryParse(string? text, out QueueId id)
    {
        id = default;
        if (text is not { Length: Length } || text.Any(c => !Alphabet.Contains(c, StringComparison.Ordinal)))
            return false;
        id = new QueueId(text);
        return true;
    }

    public int CompareTo(QueueId other) => string.CompareOrdinal(_text, other._text);

    public override string ToString() => _text ?? "(none)";
}
