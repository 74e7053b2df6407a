using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>
/// Opens a ticket with the recipient's master key: one card or HSM operation, offline. An opened ticket does not yet
/// allow to show anything; docs/formats/kdc-mail.md §6 lists what must hold first.
/// </summary>
public static class TicketReader
{
    public const int WrappedKeySize = 40;

    /// <exception cref="OperationCanceledException"/>
    /// <remarks>Failures of the card or vault itself are its own exceptions and pass through.</remarks>
    public static ValueTask<TicketOpening> UnwrapAsync(
        ReadOnlyMemory<byte> contextDer, ReadOnlyMemory<byte> wrappedKey, IMasterKey masterKey, CancellationToken cancellationToken) =>
        UnwrapAsync(contextDer, wrappedKey, default, new SlotHolderKey(masterKey), cancellationToken);

    /// <param name="envelopeDer">What stands beside the context for a card without an AES slot; empty for others.</param>
    /// <exception cref="OperationCanceledException"/>
    /// <remarks>Failures of the card or vault itself are its own exceptions and pass through.</remarks>
    public static async ValueTask<TicketOpening> UnwrapAsync(
        ReadOnlyMemory<byte> contextDer,
        ReadOnlyMemory<byte> wrappedKey,
        ReadOnlyMemory<byte> envelopeDer,
        HolderKey holder,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(holder);
        // Refused before the card is touched.
        if (TicketContext.Decode(contextDer) is not { } context)
            return new TicketOpening.Malformed("The ticket's context is not one of version 1 in DER.");
        if (wrappedKey.Length != WrappedKeySize)
            return new TicketOpening.Malformed("The ticket's wrapped key has the wrong size.");
        var envelope = envelopeDer.IsEmpty ? null : EcdhEnvelope.Decode(envelopeDer);
        if (envelope is null && !envelopeDer.IsEmpty)
            return new TicketOpening.Malformed("The ticket's envelope is not one of version 1 in DER.");
        if (await holder.DeriveAsync(TicketPurpose.Ticket, contextDer, envelope, cancellationToken) is not { } kek)
            return new TicketOpening.Malformed(holder.Objection);
        try
        {
            return AesKeyWrap.Unwrap(kek, wrappedKey.Span) is { } key
                ? new TicketOpening.Opened(context, key)
                : new TicketOpening.DoesNotOpen(context);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(kek);
        }
    }
}

/// <summary>What came of opening a ticket.</summary>
public abstract record TicketOpening
{
    private TicketOpening() { }

    /// <param name="SessionKey">K_S, 32 octets. The caller clears it.</param>
    public sealed record Opened(TicketContext Context, byte[] SessionKey) : TicketOpening;

    /// <summary>Made for another key or key version, or changed on the way; the two can't be told apart.</summary>
    /// <param name="Context">What the ticket claims; nothing of it is proved.</param>
    public sealed record DoesNotOpen(TicketContext Context) : TicketOpening;

    /// <summary>No ticket of this format.</summary>
    public sealed record Malformed(string Reason) : TicketOpening;
}
