using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.CertificateAuthority;

/// <summary>A key that signs certificates, CRLs or answers, wherever it rests: RSA with PKCS #1 v1.5, or ECDSA. SHA-256, under P-384 SHA-384.</summary>
internal sealed class AuthorityKey
{
    private readonly AsymmetricAlgorithm _key;

    public AuthorityKey(AsymmetricAlgorithm key)
    {
        _key = key;
        Generator = key switch
        {
            RSA rsa => X509SignatureGenerator.CreateForRSA(rsa, RSASignaturePadding.Pkcs1),
            ECDsa ecdsa => X509SignatureGenerator.CreateForECDsa(ecdsa),
            _ => throw new ArgumentException("A CA signs with RSA or ECDSA.", nameof(key)),
        };
        Hash = key is ECDsa { KeySize: 384 } ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256;
    }

    public X509SignatureGenerator Generator { get; }

    public HashAlgorithmName Hash { get; }

    public byte[] Sign(byte[] data) => _key switch
    {
        RSA rsa => rsa.SignData(data, Hash, RSASignaturePadding.Pkcs1),
        ECDsa ecdsa => ecdsa.SignData(data, Hash, DSASignatureFormat.Rfc3279DerSequence),
        _ => throw new InvalidOperationException(),
    };

    public bool Matches(X509Certificate2 certificate) =>
        certificate.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(_key.ExportSubjectPublicKeyInfo());
}
