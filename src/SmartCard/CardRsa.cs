using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>
/// An RSA key that stays on the card, behind the platform's type. The PIN is verified by the caller. Never exports the
/// private part. A padding that the card can't do is a <see cref="CardException"/>.
/// </summary>
public sealed class CardRsa : RSA
{
    private readonly ICard _card;
    private readonly CardHeldKey _key;
    private readonly RSA _public;

    /// <exception cref="CardException">Not an RSA key.</exception>
    public CardRsa(ICard card, CardHeldKey key)
    {
        _card = card;
        _key = key;
        var parameters = key.Public.Rsa ?? throw new CardException(CardFault.NotFound, "This key of the card is not an RSA key.");
        _public = Create(parameters);
        KeySizeValue = _public.KeySize;
    }

    public override byte[] Decrypt(byte[] data, RSAEncryptionPadding padding)
    {
        if (data.Length != (KeySize + 7) / 8)
            throw new CryptographicException("The cryptogram has not the length of the key.");
        return _card.DecipherRsa(_key, data, padding);
    }

    public override byte[] SignHash(byte[] hash, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding) =>
        _card.SignHash(_key, hash, hashAlgorithm, padding);

    public override bool VerifyHash(byte[] hash, byte[] signature, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding) =>
        _public.VerifyHash(hash, signature, hashAlgorithm, padding);

    public override byte[] Encrypt(byte[] data, RSAEncryptionPadding padding) => _public.Encrypt(data, padding);

    public override RSAParameters ExportParameters(bool includePrivateParameters) => includePrivateParameters
        ? throw new CryptographicException("The private key does not leave the card.")
        : _public.ExportParameters(false);

    public override void ImportParameters(RSAParameters parameters) =>
        throw new CryptographicException("A key of the card is not replaced this way.");

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _public.Dispose();
        base.Dispose(disposing);
    }
}
