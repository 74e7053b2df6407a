using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>
/// The realm's signing key, ECDSA on P-256, wherever it rests. It signs what goes to cards without an AES slot, and which public key such a
/// card has. Safe for concurrent use; owns the key.
/// </summary>
public sealed class RealmKey : IDisposable
{
    private readonly ECDsa _key;
    private readonly Lock _lock = new();

    public RealmKey(ECDsa key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.KeySize != 256)
            throw new ArgumentException("The realm's key is one of P-256.", nameof(key));
        _key = key;
    }

    /// <summary>SubjectPublicKeyInfo, for the certificate that holders pin.</summary>
    public byte[] PublicKey
    {
        get
        {
            lock (_lock)
                return _key.ExportSubjectPublicKeyInfo();
        }
    }

    /// <returns>r ‖ s, 64 octets.</returns>
    public byte[] Sign(ReadOnlySpan<byte> data)
    {
        lock (_lock)
            return _key.SignData(data, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    public bool Verify(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        lock (_lock)
            return _key.VerifyData(data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    public void Dispose() => _key.Dispose();
}
