using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>
/// A P-256 or P-384 key that stays on the card, behind the platform's type for key agreement. The card answers the shared
/// point; what is derived from it is derived here. The PIN is verified by the caller. Never exports the private part.
/// </summary>
public sealed class CardEcdh : ECDiffieHellman
{
    private readonly ICard _card;
    private readonly CardHeldKey _key;
    private readonly ECDiffieHellman _public;

    /// <exception cref="CardException">Not on a curve.</exception>
    public CardEcdh(ICard card, CardHeldKey key)
    {
        _card = card;
        _key = key;
        var parameters = key.Public.Ec ?? throw new CardException(CardFault.NotFound, "This key of the card is not an elliptic-curve key.");
        _public = Create(parameters);
        KeySizeValue = _public.KeySize;
    }

    public override ECDiffieHellmanPublicKey PublicKey => _public.PublicKey;

    public override byte[] DeriveRawSecretAgreement(ECDiffieHellmanPublicKey otherPartyPublicKey)
    {
        ArgumentNullException.ThrowIfNull(otherPartyPublicKey);
        // Importing the point checks that it lies on the curve: what is sent to the card must not teach about its key.
        using var other = Create(otherPartyPublicKey.ExportParameters());
        if (other.KeySize != KeySize)
            throw new CryptographicException("The other side's key is on another curve.");
        return _card.Agree(_key, other.ExportParameters(false).Q);
    }

    /// <summary>As the platform's: hash(prepend ‖ secret ‖ append).</summary>
    public override byte[] DeriveKeyFromHash(
        ECDiffieHellmanPublicKey otherPartyPublicKey, HashAlgorithmName hashAlgorithm, byte[]? secretPrepend, byte[]? secretAppend)
    {
        var secret = DeriveRawSecretAgreement(otherPartyPublicKey);
        try
        {
            using var hash = IncrementalHash.CreateHash(hashAlgorithm);
            hash.AppendData(secretPrepend ?? []);
            hash.AppendData(secret);
            hash.AppendData(secretAppend ?? []);
            return hash.GetHashAndReset();
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

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
