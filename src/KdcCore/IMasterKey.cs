namespace GatewaySecure.KdcCore;

/// <summary>
/// The one operation that a card or an HSM does under a master key K_X, which itself never leaves it:
/// AES-256-CBC decryption with a zero IV and without padding. Used as a keyed function
/// (docs/formats/kdc-mail.md), never to decrypt anything.
/// </summary>
public interface IMasterKey
{
    /// <summary>32 octets in, 32 octets out. The caller clears the result after use.</summary>
    ValueTask<byte[]> DecryptBlocksAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken);
}
