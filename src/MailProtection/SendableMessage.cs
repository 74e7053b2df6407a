using GatewaySecure.MailProtection.Mime;

namespace GatewaySecure.MailProtection;

/// <summary>
/// The only thing that delivery accepts, and only <see cref="MailProtector"/> can make one: a message of which
/// it is settled how it is protected. It protects as it is written, in blocks; size does not matter. Written again, it gives the same
/// octets: a signature over them may stand on top. Written to one destination at a time.
/// </summary>
public sealed class SendableMessage
{
    private readonly Func<Stream, CancellationToken, ValueTask> _write;

    internal SendableMessage(long length, bool mayHoldEightBit, ProtectionRecord record, Func<Stream, CancellationToken, ValueTask> write)
    {
        Length = length;
        MayHoldEightBit = mayHoldEightBit;
        Record = record;
        _write = write;
    }

    /// <summary>Exact number of octets that <see cref="WriteToAsync"/> writes.</summary>
    public long Length { get; }

    /// <summary>An octet above 127 may occur: the next hop must offer 8BITMIME or the mail is refused (5.6.3).</summary>
    public bool MayHoldEightBit { get; }

    /// <summary>What was done, with its evidence, for tracking and audit.</summary>
    public ProtectionRecord Record { get; }

    /// <summary>The same message below one more header field of the gateway.</summary>
    /// <param name="field">With its name, its folding and its last line end.</param>
    /// <exception cref="ArgumentException">It is not exactly one field.</exception>
    public SendableMessage Below(ReadOnlyMemory<byte> field)
    {
        var header = HeaderBlock.TryParse(field, isWhole: true)!;
        if (header.Fields.Count != 1 || header.BodyOffset != field.Length || header.EndsInEmptyLine || !field.Span.EndsWith("\r\n"u8))
            throw new ArgumentException("Only a single header field can be put on top.", nameof(field));
        return new SendableMessage(Length + field.Length, MayHoldEightBit, Record, async (destination, cancellationToken) =>
        {
            await destination.WriteAsync(field, cancellationToken);
            await _write(destination, cancellationToken);
        });
    }

    /// <summary>The same message with one more sentence in its record.</summary>
    public SendableMessage Noting(string sentence) =>
        new(Length, MayHoldEightBit, Record with { Summary = $"{sentence} {Record.Summary}" }, _write);

    public ValueTask WriteToAsync(Stream destination, CancellationToken cancellationToken) =>
        _write(destination, cancellationToken);
}

/// <summary>What one attempt did. Plain data, without secrets.</summary>
/// <param name="Method"><c>normal</c>, <c>ca</c> or <c>kdc</c>.</param>
/// <param name="Summary">One plain sentence: "S/MIME, AES-256-GCM, to CN=… serial … valid until …".</param>
public sealed record ProtectionRecord(string Method, string Summary);

/// <summary>What came of an attempt to protect.</summary>
public abstract record ProtectionOutcome
{
    private ProtectionOutcome() { }

    /// <param name="Message">To be delivered to all the recipients that were asked for.</param>
    /// <param name="StateToKeep">
    /// Must be stored durably in the spool item before the first octet is sent, and given back at the next attempt;
    /// null where nothing has to be kept. Secret: it may hold a session key.
    /// </param>
    public sealed record Ready(SendableMessage Message, ReadOnlyMemory<byte>? StateToKeep) : ProtectionOutcome;

    /// <summary>Can't be had now; trying later makes sense.</summary>
    public sealed record Deferred(string Reason) : ProtectionOutcome;

    /// <summary>
    /// Can't be had until a person changes something (no certificate, principal revoked).
    /// The decision says what follows: hold, reject, or another method.
    /// </summary>
    public sealed record Failed(string Reason) : ProtectionOutcome;
}
