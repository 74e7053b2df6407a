using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

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

    /// <summary>Self-signed, for holders to pin: they go by its key alone. DER; another one at each call, with the same key.</summary>
    public byte[] Certificate(Realm realm, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(realm);
        lock (_lock)
        {
            var request = new CertificateRequest($"CN={realm.Name}, O=GatewaySecure realm", _key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
            using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddYears(30));
            return certificate.RawData;
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
