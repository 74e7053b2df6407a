using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>What the holder of a card (or a gateway's vault) derives keys with: one operation of the card for each purpose and context.</summary>
public abstract class HolderKey
{
    private protected HolderKey()
    {
    }

    /// <summary>What did not hold, where <see cref="DeriveAsync"/> gives null: a plain sentence.</summary>
    internal abstract string Objection { get; }

    /// <param name="envelope">What came with the context for a card without an AES slot.</param>
    /// <returns>The KEK; the caller clears it. Null where it is refused before the card is touched, or R does not unwrap.</returns>
    internal abstract ValueTask<byte[]?> DeriveAsync(
        TicketPurpose purpose, ReadOnlyMemory<byte> contextDer, EcdhEnvelope? envelope, CancellationToken cancellationToken);
}

/// <summary>A master key in an AES slot or a vault: the kind <c>aes</c>.</summary>
public sealed class SlotHolderKey(IMasterKey key) : HolderKey
{
    internal override string Objection => "The ticket is for a card without an AES slot.";

    internal override async ValueTask<byte[]?> DeriveAsync(
        TicketPurpose purpose, ReadOnlyMemory<byte> contextDer, EcdhEnvelope? envelope, CancellationToken cancellationToken) =>
        envelope is null ? await TicketDerivation.DeriveAsync(purpose, contextDer, key, cancellationToken) : null;
}

/// <summary>The one operation that a card without an AES slot does: ECDH on P-256 with a key that never leaves it.</summary>
public interface IKeyAgreement
{
    /// <summary>The card's public point, uncompressed, 65 octets.</summary>
    ReadOnlyMemory<byte> Point { get; }

    /// <summary>X coordinate of the shared point, 32 octets. The caller clears it.</summary>
    ValueTask<byte[]> AgreeAsync(ReadOnlyMemory<byte> ephemeral, CancellationToken cancellationToken);
}

/// <summary>A card without an AES slot: the kind <c>ecdh</c>. What the pinned realm did not sign never reaches the card.</summary>
/// <param name="realm">The realm's public key, from the certificate that was pinned at enrolment.</param>
public sealed class AgreementHolderKey(IKeyAgreement card, ECDsa realm) : HolderKey
{
    internal override string Objection => "The ticket is not signed by the realm whose certificate is pinned.";

    internal override async ValueTask<byte[]?> DeriveAsync(
        TicketPurpose purpose, ReadOnlyMemory<byte> contextDer, EcdhEnvelope? envelope, CancellationToken cancellationToken)
    {
        if (envelope is null || !envelope.IsFrom(realm, purpose, contextDer.Span))
            return null;
        var shared = await card.AgreeAsync(envelope.Ephemeral, cancellationToken);
        if (envelope.Open(shared, card.Point.Span) is not { } r)
            return null;
        try
        {
            return r.Length == TicketDerivation.KeySize ? EcdhEnvelope.Kek(purpose, contextDer.Span, r) : null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(r);
        }
    }
}
