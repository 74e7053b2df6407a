using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>What a derived key is for. Labels keep the three apart: a key of one purpose is useless for another.</summary>
public enum TicketPurpose
{
    /// <summary>Wraps the session key for one recipient.</summary>
    Ticket,

    /// <summary>Seals the KDC's reply to the requester.</summary>
    Reply,

    /// <summary>Authenticates a request to the KDC.</summary>
    Challenge,
}

/// <summary>
/// The derivation of docs/formats/kdc-mail.md §2: R = master key operation on SHA-256(label ‖ DER(context)),
/// KEK = HKDF-SHA-256(R, no salt, info = label), 32 octets. The caller clears the KEK.
/// </summary>
public static class TicketDerivation
{
    public const int KeySize = 32;

    /// <summary>ASCII, without a terminator; used in the hash and as HKDF's info.</summary>
    public static ReadOnlySpan<byte> Label(TicketPurpose purpose) => purpose switch
    {
        TicketPurpose.Ticket => "GatewaySecure/kdc/ticket/1"u8,
        TicketPurpose.Reply => "GatewaySecure/kdc/reply/1"u8,
        TicketPurpose.Challenge => "GatewaySecure/kdc/challenge/1"u8,
        _ => throw new ArgumentOutOfRangeException(nameof(purpose)),
    };

    /// <summary>What the card or HSM is given: SHA-256(label ‖ DER(context)), 32 octets.</summary>
    public static byte[] Input(TicketPurpose purpose, ReadOnlySpan<byte> contextDer)
    {
        return SHA256.HashData([.. Label(purpose), .. contextDer]);
    }

    /// <summary>KEK from what the card or HSM gave back.</summary>
    public static byte[] Kek(TicketPurpose purpose, ReadOnlySpan<byte> r)
    {
        var kek = new byte[KeySize];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, r, kek, salt: [], info: Label(purpose));
        return kek;
    }

    /// <exception cref="CryptographicException">The key holder gave back something else than 32 octets.</exception>
    public static async ValueTask<byte[]> DeriveAsync(
        TicketPurpose purpose, ReadOnlyMemory<byte> contextDer, IMasterKey key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        var r = await key.DecryptBlocksAsync(Input(purpose, contextDer.Span), cancellationToken);
        try
        {
            if (r.Length != KeySize)
                throw new CryptographicException("The card or vault gave back a result of the wrong size.");
            return Kek(purpose, r);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(r);
        }
    }
}
