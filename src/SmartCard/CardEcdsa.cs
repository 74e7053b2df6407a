using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>
/// A P-256 or P-384 key that stays on the card, behind the platform's type: signatures with the keys Sign and Authenticate.
/// The PIN is verified by the caller. Never exports the private part.
/// </summary>
public sealed class CardEcdsa : ECDsa
{
    private readonly OpenPgpCard _card;
    private readonly CardKey _key;
    private readonly ECDsa _public;

    /// <exception cref="CardException">The key is not there, or not on a curve.</exception>
    public CardEcdsa(OpenPgpCard card, CardKey key)
    {
        _card = card;
        _key = key;
        var parameters = card.ReadPublicKey(key).Ec
            ?? throw new CardException(CardFault.NotFound, "This key of the card is not an elliptic-curve key.");
        _public = Create(parameters);
        KeySizeValue = _public.KeySize;
    }

    /// <returns>r‖s (IEEE P1363), as the platform's type answers.</returns>
    public override byte[] SignHash(byte[] hash)
    {
        // A digest longer than the field is cut to its leftmost bits (FIPS 186-5 §6.4.1), which the card leaves to us.
        var field = KeySize / 8;
        return _card.Sign(_key, hash.AsSpan(0, Math.Min(hash.Length, field)));
    }

    public override bool VerifyHash(byte[] hash, byte[] signature) => _public.VerifyHash(hash, signature);

    public override ECParameters ExportParameters(bool includePrivateParameters) => includePrivateParameters
        ? throw new CryptographicException("The private key does not leave the card.")
        : _public.ExportParameters(false);

    public override void ImportParameters(ECParameters parameters) =>
        throw new CryptographicException("A key of the card is not replaced this way.");

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _public.Dispose();
        base.Dispose(disposing);
    }
}
