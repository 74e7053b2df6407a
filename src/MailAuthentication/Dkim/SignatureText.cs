using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text;

namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>Writes a field with a signature over a message (RFC 6376 §3.5; RFC 8617 §4.1.2), relaxed/relaxed.</summary>
internal static class SignatureText
{
    private const int LongestLine = 76;

    /// <summary>Signed as often as they occur (RFC 6376 §5.4.1).</summary>
    private static readonly ImmutableArray<string> Signed =
    [
        "From", "Sender", "Reply-To", "Subject", "Date", "Message-ID", "To", "Cc", "In-Reply-To", "References", "MIME-Version", "Content-Type",
        "Content-Transfer-Encoding", "Content-Disposition", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Autocrypt",
    ];

    /// <summary>Once more than they occur, so that nobody can add another (RFC 6376 §8.15).</summary>
    private static readonly FrozenSet<string> Oversigned = new[] { "From", "Subject", "To", "Date" }.ToFrozenSet();

    /// <param name="start">The field's name and its first tags, up to the last semicolon.</param>
    /// <param name="alsoSigned">Names of fields that are signed besides.</param>
    /// <returns>The whole field with its line end.</returns>
    public static string Write(
        string start, DkimSigningKey key, ImmutableArray<MessageField> fields, IEnumerable<string> alsoSigned, byte[] bodyHash, TimeProvider time)
    {
        var names = Signed.Concat(alsoSigned)
            .SelectMany(name => Enumerable.Repeat(name, fields.Count(f => f.Is(name)) + (Oversigned.Contains(name) ? 1 : 0)))
            .ToList();
        var text = new StringBuilder(start)
            .Append(" a=").Append(key.Algorithm).Append("; c=relaxed/relaxed;\r\n\td=").Append(key.Domain.Ascii)
            .Append("; s=").Append(key.Selector).Append("; t=").Append(time.GetUtcNow().ToUnixTimeSeconds()).Append(";\r\n\th=");
        Fold(text, names.Select((name, i) => i < names.Count - 1 ? name + ":" : name));
        text.Append(";\r\n\tbh=").Append(Convert.ToBase64String(bodyHash)).Append(";\r\n\tb=");
        return Sign(text, key, HeaderDigest.Of(fields, names, Encoding.ASCII.GetBytes(text.ToString()), Canonicalisation.Relaxed));
    }

    /// <summary>Puts the signature behind <c>b=</c>, and the line end.</summary>
    public static string Sign(StringBuilder text, DkimSigningKey key, byte[] digest)
    {
        Fold(text, Convert.ToBase64String(key.Sign(digest)).Chunk(LongestLine - 8).Select(c => new string(c)));
        return text.Append("\r\n").ToString();
    }

    /// <summary>Words one behind the other, on a new line where one does not fit.</summary>
    private static void Fold(StringBuilder text, IEnumerable<string> words)
    {
        var column = 4;
        foreach (var word in words)
        {
            if (column + word.Length > LongestLine)
            {
                text.Append("\r\n\t ");
                column = 2;
            }
            text.Append(word);
            column += word.Length;
        }
    }
}
