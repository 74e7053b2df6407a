using System.Formats.Asn1;
using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>
/// An RSA key that stays on the card, behind the platform's type: PKCS #1 v1.5 signatures (keys Sign and Authenticate) and
/// decryption (key Decipher). The PIN is verified by the caller. Never exports the private part.
/// </summary>
public sealed class CardRsa : RSA
{
    private readonly OpenPgpCard _card;
    private readonly CardKey _key;
    private readonly RSA _public;

    /// <exception cref="CardException">The key is not there, or not an RSA key.</exception>
    public CardRsa(OpenPgpCard card, CardKey key)
    {
        _card = card;
        _key = key;
        var parameters = card.ReadPublicKey(key).Rsa
            ?? throw new CardException(CardFault.NotFound, "This key of the card is not an RSA key.");
        _public = Create(parameters);
        KeySizeValue = _public.KeySize;
    }

    public override byte[] Decrypt(byte[] data, RSAEncryptionPadding padding)
    {
        if (padding != RSAEncryptionPadding.Pkcs1 || _key != CardKey.Decipher)
            throw new CryptographicException("The card deciphers PKCS #1 v1.5 only, with its decipher key.");
        try
        {
            return _card.DecipherRsa(data);
        }
        catch (CardException e) when (e.Fault == CardFault.Protocol)
        {
            // The card is there and verified, and does not like the cryptogram: what the platform's type calls it.
            throw new CryptographicException("The card can't decipher this.", e);
        }
    }

    public override byte[] SignHash(byte[] hash, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)
    {
        if (padding != RSASignaturePadding.Pkcs1)
            throw new CryptographicException("The card signs with PKCS #1 v1.5 only.");
        return _card.Sign(_key, DigestInfo(hash, hashAlgorithm));
    }

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

    private static byte[] DigestInfo(byte[] hash, HashAlgorithmName algorithm)
    {
        var (oid, length) = algorithm.Name switch
        {
            "SHA256" => ("2.16.840.1.101.3.4.2.1", 32),
            "SHA384" => ("2.16.840.1.101.3.4.2.2", 48),
            "SHA512" => ("2.16.840.1.101.3.4.2.3", 64),
            _ => throw new CryptographicException("The card signs SHA-256, SHA-384 and SHA-512 only."),
        };
        if (hash.Length != length)
            throw new CryptographicException("The digest has not the length of its algorithm.");
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(oid);
                writer.WriteNull();
            }
            writer.WriteOctetString(hash);
        }
        return writer.Encode();
    }
}
