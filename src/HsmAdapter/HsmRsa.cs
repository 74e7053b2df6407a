using System.Security.Cryptography;
using GatewaySecure.Pkcs11;

namespace GatewaySecure.HsmAdapter;

/// <summary>An RSA signing key that stays in the HSM, behind the platform's type; a signature throws <see cref="TokenException"/> while the HSM is away.</summary>
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
