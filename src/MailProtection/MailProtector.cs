using System.Diagnostics.CodeAnalysis;
using System.Text;
using GatewaySecure.MailProtection.Mime;
using GatewaySecure.MailProtection.Sealing;

namespace GatewaySecure.MailProtection;

/// <summary>
/// The one maker of <see cref="SendableMessage"/>: pass-through, S/MIME (<c>ca</c>) or KDC mail (<c>kdc</c>).
/// Expected outcomes are values; an I/O fault of the content or a key that breaks while the message is written is an exception.
/// Thread-safe.
/// </summary>
[SuppressMessage("Performance", "CA1822", Justification = "Callers hold one object, whichever method needs the clock.")]
public sealed class MailProtector(TimeProvider time)
{
    /// <summary>The same octets.</summary>
    /// <param name="content">The message.</param>
    /// <param name="mayHoldEightBit">What the receiver of the mail knows of octets above 127; null: the content is read to find out.</param>
    public ProtectionOutcome PassThrough(IMailContent content, bool? mayHoldEightBit = null)
    {
        ArgumentNullException.ThrowIfNull(content);
        var eightBit = mayHoldEightBit ?? EightBit.OccursIn(content);
        var record = new ProtectionRecord("normal", "Passed on unchanged, without protection.");
        return new ProtectionOutcome.Ready(
            new SendableMessage(content.Length, eightBit, record, (destination, ct) => PassThroughWriter.WriteAsync(content, destination, ct)),
            StateToKeep: null);
    }

    /// <summary>
    /// Signs (where the order names a signer and the content is not signed yet) and encrypts to a valid certificate of every
    /// recipient, or fails with the reason for the ones that have none (RFC 8551). Nothing is kept between attempts.
    /// </summary>
    public ValueTask<ProtectionOutcome> SealCaAsync(SmimeOrder order, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        return SmimeSealer.SealAsync(order, time, cancellationToken);
    }

    /// <summary>
    /// Encrypts under a session key of the KDC, with a ticket for every recipient (docs/formats/kdc-mail.md). An order with kept
    /// state asks for no tickets: standing is checked, and the identical octets are encrypted under a fresh nonce.
    /// </summary>
    public ValueTask<ProtectionOutcome> SealKdcAsync(KdcOrder order, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        return KdcSealer.SealAsync(order, time, cancellationToken);
    }

    /// <summary>
    /// The same message with fields on top that speak of its octets as they leave, such as a DKIM signature: nothing below them changes.
    /// </summary>
    /// <param name="fields">Whole header fields in ASCII, each with its line end.</param>
    /// <param name="note">One plain sentence for the record; null: nothing to tell.</param>
    /// <exception cref="ArgumentException">The octets are no header fields.</exception>
    public SendableMessage PutOnTop(SendableMessage message, ReadOnlyMemory<byte> fields, string? note)
    {
        ArgumentNullException.ThrowIfNull(message);
        var header = HeaderBlock.TryParse(fields, isWhole: true)!;
        if (header.BodyOffset != fields.Length || header.EndsInEmptyLine || !fields.Span.EndsWith("\r\n"u8) || !Ascii.IsValid(fields.Span))
            throw new ArgumentException("These are no whole header fields.", nameof(fields));
        return new SendableMessage(
            fields.Length + message.Length,
            message.MayHoldEightBit,
            note is null ? message.Record : message.Record with { Summary = $"{message.Record.Summary} {note}" },
            async (destination, ct) =>
            {
                await destination.WriteAsync(fields, ct);
                await message.WriteToAsync(destination, ct);
            });
    }
}
