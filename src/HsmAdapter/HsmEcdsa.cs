using System.Security.Cryptography;
using GatewaySecure.Pkcs11;

namespace GatewaySecure.HsmAdapter;

/// <summary>An ECDSA signing key that stays in the HSM, behind the platform's type; a signature throws <see cref="TokenException"/> while the HSM is away.</summary>
internal sealed class HsmEcdsa : ECDsa
{
    private readonly TokenPool _pool;
    private readonly string _label;
    private readonly ECDsa _public = Create();

    public HsmEcdsa(TokenPool pool, string label, byte[] publicKey)
    {
        (_pool, _label) = (pool, label);
        _public.ImportSubjectPublicKeyInfo(publicKey, out _);
        KeySizeValue = _public.KeySize;
    }

    /// <returns>r‖s (IEEE P1363), as the platform's type answers.</returns>
    public override byte[] SignHash(byte[] hash) => _pool.Run(s => s.SignEcdsa(s.Find(TokenObjectKind.PrivateKey, _label), hash));

    public override bool VerifyHash(byte[] hash, byte[] signature) => _public.VerifyHash(hash, signature);

    public override ECParameters ExportParameters(bool includePrivateParameters) => includePrivateParameters
        ? throw new CryptographicException("The private key does not leave the HSM.")
        : _public.ExportParameters(false);

    public override void ImportParameters(ECParameters parameters) =>
        throw new CryptographicException("A key of the HSM is not replaced this way.");

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _public.Dispose();
        base.Dispose(disposing);
    }
}
