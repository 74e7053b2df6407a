using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>
/// A P-256 or P-384 key that stays on the card, behind the platform's type for signatures.
/// The PIN is verified by the caller. Never exports the private part.
/// </summary>
public sealed class CardEcdsa : ECDsa
{
    private readonly ICard _card;
    private readonly CardHeldKey _key;
    private readonly ECDsa _public;

    /// <exception cref="CardException">Not on a curve.</exception>
    public CardEcdsa(ICard card, CardHeldKey key)
    {
        _card = card;
        _key = key;
        var parameters = key.Public.Ec ?? throw new CardException(CardFault.NotFound, "This key of the card is not an elliptic-curve key.");
        _public = Create(parameters);
        KeySizeValue = _public.KeySize;
    }

    /// <returns>r‖s (IEEE P1363), as the platform's type answers.</returns>
    public override byte[] SignHash(byte[] hash) => _card.SignHash(_key, hash, default, null);

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
