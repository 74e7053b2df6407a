using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>
/// Seals messages as they leave (RFC 8617 §5.1): what was found when they came, a signature over them as they are now, and a seal over all sets.
/// The message is streamed: only its header is kept. Thread-safe.
/// </summary>
/// <param name="key">RSA: few verify anything else.</param>
public sealed class ArcSealer(DkimSigningKey key, TimeProvider time)
{
    /// <summary>Our set of fields to put on top; empty where the message does not hold its earlier sets any more, or has no room for another.</summary>
    /// <param name="write">Writes the whole message as it will leave, octet by octet.</param>
    /// <param name="earlierSets">Of the chain that passed when it came; 0: there was none.</param>
    /// <param name="results">The field Authentication-Results that was written then.</param>
    /// <exception cref="CryptographicException">The key failed.</exception>
    public async ValueTask<byte[]> SealAsync(
        Func<Stream, CancellationToken, ValueTask> write, int earlierSets, string results, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(write);
        ArgumentNullException.ThrowIfNull(results);
        await using var message = new MessageDigestStream();
        await write(message, cancellationToken);
        var (header, bodyHash) = message.Finish();
        var fields = MessageFields.Parse(header);
        var (sets, problem) = ArcVerification.Collect(fields, time.GetUtcNow());
        if (problem is not null || sets.Length != earlierSets || sets.Length == ArcVerification.MaximumSets)
            return [];

        var instance = sets.Length + 1;
        var found = $"ARC-Authentication-Results: i={instance}; {results[(results.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()}\r\n";
        // RFC 8617 §4.1.2: signatures that others made are signed too, other sets are not.
        var signed = SignatureText.Write($"ARC-Message-Signature: i={instance};", key, fields, ["DKIM-Signature"], bodyHash, time);
        var seal = new StringBuilder()
            .Append("ARC-Seal: i=").Append(instance).Append("; a=").Append(key.Algorithm).Append("; cv=").Append(instance == 1 ? "none" : "pass")
            .Append(";\r\n\td=").Append(key.Domain.Ascii).Append("; s=").Append(key.Selector)
            .Append("; t=").Append(time.GetUtcNow().ToUnixTimeSeconds()).Append(";\r\n\tb=");
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        // RFC 8617 §5.1.1: all sets in their order, each as results, message signature, seal.
        foreach (var field in sets.SelectMany(s => new[] { s.Results, s.Message.Field, s.Seal.Field }))
            hash.AppendData(Canonical.Field(field.Raw.Span, Canonicalisation.Relaxed));
        hash.AppendData(Canonical.Field(Encoding.ASCII.GetBytes(found), Canonicalisation.Relaxed));
        hash.AppendData(Canonical.Field(Encoding.ASCII.GetBytes(signed), Canonicalisation.Relaxed));
        hash.AppendData(Canonical.WithoutSignature(Encoding.ASCII.GetBytes(seal.ToString()), Canonicalisation.Relaxed));
        return Encoding.ASCII.GetBytes(SignatureText.Sign(seal, key, hash.GetHashAndReset()) + signed + found);
    }
}
