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
            output.Write(Encoding.ASCII.GetBytes(SignatureText.Write("DKIM-Signature: v=1;", key, fields, [], bodyHash, time)));
        return output.ToArray();
    }

    private ImmutableArray<DkimSigningKey> KeysFor(ImmutableArray<MessageField> fields) =>
        fields.Count(f => f.Is("From")) == 1 && FromDomains.Of(fields) is { Count: 1 } domains
            ? _keys.GetValueOrDefault(domains.First(), [])
            : [];
}
