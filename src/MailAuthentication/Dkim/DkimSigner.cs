using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text;

namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>
/// Signs messages as they leave (RFC 6376, relaxed/relaxed), with every key of their From domain. The message is streamed: only its header
/// is kept. Thread-safe.
/// </summary>
public sealed class DkimSigner(IEnumerable<DkimSigningKey> keys, TimeProvider time)
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

    private readonly FrozenDictionary<string, ImmutableArray<DkimSigningKey>> _keys =
        keys.GroupBy(k => k.Domain.Ascii).ToFrozenDictionary(g => g.Key, g => g.ToImmutableArray());

    /// <summary>There is nothing to sign with.</summary>
    public bool IsEmpty => _keys.Count == 0;

    /// <summary>True where there is a key for the one domain that the From field of this header names.</summary>
    /// <param name="header">Up to its empty line; more may follow.</param>
    public bool Signs(ReadOnlyMemory<byte> header) => !KeysFor(MessageFields.Parse(header)).IsEmpty;

    /// <summary>The DKIM-Signature fields to put on top, each with its line end; empty where there is no key for the From domain.</summary>
    /// <param name="write">Writes the whole message as it will leave, octet by octet.</param>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A key failed.</exception>
    public async ValueTask<byte[]> SignAsync(Func<Stream, CancellationToken, ValueTask> write, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(write);
        await using var message = new MessageDigestStream();
        await write(message, cancellationToken);
        var (header, bodyHash) = message.Finish();
        var fields = MessageFields.Parse(header);
        var output = new MemoryStream();
        foreach (var key in KeysFor(fields))
            output.Write(Encoding.ASCII.GetBytes(SignatureField(key, fields, bodyHash)));
        return output.ToArray();
    }

    private ImmutableArray<DkimSigningKey> KeysFor(ImmutableArray<MessageField> fields) =>
        fields.Count(f => f.Is("From")) == 1 && FromDomains.Of(fields) is { Count: 1 } domains
            ? _keys.GetValueOrDefault(domains.First(), [])
            : [];

    private string SignatureField(DkimSigningKey key, ImmutableArray<MessageField> fields, byte[] bodyHash)
    {
        var names = Signed
            .SelectMany(name => Enumerable.Repeat(name, fields.Count(f => f.Is(name)) + (Oversigned.Contains(name) ? 1 : 0)))
            .ToList();
        var text = new StringBuilder()
            .Append("DKIM-Signature: v=1; a=").Append(key.Algorithm).Append("; c=relaxed/relaxed;\r\n\td=").Append(key.Domain.Ascii)
            .Append("; s=").Append(key.Selector).Append("; t=").Append(time.GetUtcNow().ToUnixTimeSeconds()).Append(";\r\n\th=");
        Fold(text, names.Select((name, i) => i < names.Count - 1 ? name + ":" : name));
        text.Append(";\r\n\tbh=").Append(Convert.ToBase64String(bodyHash)).Append(";\r\n\tb=");
        var digest = HeaderDigest.Of(fields, names, Encoding.ASCII.GetBytes(text.ToString()), Canonicalisation.Relaxed);
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
