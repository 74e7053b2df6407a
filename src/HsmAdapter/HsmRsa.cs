using System.Security.Cryptography;
using GatewaySecure.Pkcs11;
using GatewaySecure.SmartCard;

namespace GatewaySecure.HsmAdapter;

/// <summary>An RSA key that stays in the HSM, behind the platform's type; it signs or decrypts, as it was made for. Both throw <see cref="TokenException"/> while the HSM is away.</summary>
internal sealed class HsmRsa : RSA
{
    private readonly TokenPool _pool;
    private readonly string _label;
    private readonly RSA _public = Create();

    public HsmRsa(TokenPool pool, string label, byte[] publicKey)
    {
        (_pool, _label) = (pool, label);
        _public.ImportSubjectPublicKeyInfo(publicKey, out _);
        KeySizeValue = _public.KeySize;
    }

    public override byte[] SignHash(byte[] hash, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding) =>
        _pool.Run(s => s.SignRsa(s.Find(TokenObjectKind.PrivateKey, _label), hash, hashAlgorithm, padding));

    /// <summary>
    /// The HSM does the bare power, and the padding comes off here, in the same way whatever the block holds: many HSMs answer a wrong padding like a fault of their own,
    /// and whoever sends mail could make them fail, or learn from it (RFC 3218).
    /// </summary>
    /// <exception cref="CryptographicException">Not for this key, or damaged.</exception>
    public override byte[] Decrypt(byte[] data, RSAEncryptionPadding padding)
    {
        if (data.Length != KeySize / 8 || data.AsSpan().SequenceCompareTo(_public.ExportParameters(false).Modulus) >= 0)
            throw new CryptographicException("The cryptogram is not one for this key.");
        return _pool.Run(session =>
        {
            var key = session.Find(TokenObjectKind.PrivateKey, _label);
            try
            {
                var block = session.DecryptRsaRaw(key, data);
                try
                {
                    return RsaPadding.TakeOff(block, padding);
                }
                finally
                {
                    CryptographicOperations.ZeroMemory(block);
                }
            }
            catch (TokenException e) when (e.Fault is TokenFault.NotSupported or TokenFault.NotPermitted)
            {
                return DecryptPadded(session, key, data, padding);
            }
        });
    }

    private static byte[] DecryptPadded(TokenSession session, TokenObject key, byte[] data, RSAEncryptionPadding padding)
    {
        try
        {
            return session.DecryptRsa(key, data, padding);
        }
        catch (TokenException e) when (e.Fault == TokenFault.BadData)
        {
            throw new CryptographicException("This can't be deciphered.", e);
        }
    }

    public override byte[] Encrypt(byte[] data, RSAEncryptionPadding padding) => _public.Encrypt(data, padding);

    public override bool VerifyHash(byte[] hash, byte[] signature, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding) =>
        _public.VerifyHash(hash, signature, hashAlgorithm, padding);

    public override RSAParameters ExportParameters(bool includePrivateParameters) => includePrivateParameters
        ? throw new CryptographicException("The private key does not leave the HSM.")
        : _public.ExportParameters(false);

    public override void ImportParameters(RSAParameters parameters) =>
        throw new CryptographicException("A key of the HSM is not replaced this way.");

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _public.Dispose();
        base.Dispose(disposing);
    }
}
