using System.Formats.Asn1;
using System.Security.Cryptography;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace GatewaySecure.Pkcs11;

/// <content>What keys do. Hashing is the caller's: few tokens hash with every algorithm.</content>
public sealed partial class TokenSession
{
    /// <summary>AES-256-CBC decryption with a zero IV, whole blocks, no padding.</summary>
    public byte[] DecryptCbc(TokenObject key, byte[] blocks) =>
        Guard(Factories.MechanismFactory.Create(CKM.CKM_AES_CBC, new byte[16]), m => _session.Decrypt(m, Handle(key), blocks));

    /// <returns>Ciphertext and the tag of 16 octets behind it.</returns>
    public byte[] EncryptGcm(TokenObject key, byte[] nonce, byte[] associated, byte[] plain) =>
        Guard(Gcm(nonce, associated), m => _session.Encrypt(m, Handle(key), plain));

    /// <exception cref="TokenException">Changed, or under another key.</exception>
    public byte[] DecryptGcm(TokenObject key, byte[] nonce, byte[] associated, byte[] box) =>
        Guard(Gcm(nonce, associated), m => _session.Decrypt(m, Handle(key), box));

    /// <summary>HMAC-SHA-256, 32 octets.</summary>
    public byte[] Hmac(TokenObject key, byte[] data) => Guard(Plain(CKM.CKM_SHA256_HMAC), m => _session.Sign(m, Handle(key), data));

    /// <summary>RSA signature of a digest, PKCS #1 v1.5 or PSS with a salt as long as the digest.</summary>
    /// <param name="pin">For keys that want the PIN again before each signature (CKA_ALWAYS_AUTHENTICATE).</param>
    public byte[] SignRsa(TokenObject key, byte[] hash, HashAlgorithmName algorithm, RSASignaturePadding padding, string? pin = null) => padding.Mode switch
    {
        RSASignaturePaddingMode.Pkcs1 => Sign(Plain(CKM.CKM_RSA_PKCS), key, DigestInfo(hash, algorithm), pin),
        _ => Sign(Pss(algorithm, hash.Length), key, hash, pin),
    };

    /// <summary>ECDSA of a digest.</summary>
    /// <returns>r‖s (IEEE P1363).</returns>
    /// <param name="pin">For keys that want the PIN again before each signature.</param>
    public byte[] SignEcdsa(TokenObject key, byte[] hash, string? pin = null) => Sign(Plain(CKM.CKM_ECDSA), key, hash, pin);

    /// <summary>RSA decryption with the padding taken off by the token.</summary>
    /// <exception cref="TokenException">Does not decrypt, or the token can't do this padding.</exception>
    public byte[] DecryptRsa(TokenObject key, byte[] data, RSAEncryptionPadding padding) => Guard(
        padding.Mode == RSAEncryptionPaddingMode.Oaep ? Oaep(padding.OaepHashAlgorithm) : Plain(CKM.CKM_RSA_PKCS), m => _session.Decrypt(m, Handle(key), data));

    /// <summary>The bare RSA power, as long as the modulus: the caller takes the padding off. Many tokens can do this where they can't do OAEP.</summary>
    public byte[] DecryptRsaRaw(TokenObject key, byte[] data) => Guard(Plain(CKM.CKM_RSA_X_509), m => _session.Decrypt(m, Handle(key), data));

    /// <summary>The shared x coordinate with another point, ECDH without a key derivation.</summary>
    /// <param name="point">Uncompressed (04‖X‖Y).</param>
    public byte[] Agree(TokenObject key, ReadOnlySpan<byte> point)
    {
        var told = point.ToArray();
        var size = (told.Length - 1) / 2;
        var template = new Attributes(
            Make.Create(CKA.CKA_CLASS, CKO.CKO_SECRET_KEY),
            Make.Create(CKA.CKA_KEY_TYPE, CKK.CKK_GENERIC_SECRET),
            Make.Create(CKA.CKA_VALUE_LEN, (ulong)size),
            Make.Create(CKA.CKA_TOKEN, false),
            Make.Create(CKA.CKA_SENSITIVE, false),
            Make.Create(CKA.CKA_EXTRACTABLE, true));
        var mechanism = Factories.MechanismFactory.Create(
            CKM.CKM_ECDH1_DERIVE, Factories.MechanismParamsFactory.CreateCkEcdh1DeriveParams((ulong)CKD.CKD_NULL, null, told));
        return Guard(template, list => Guard(mechanism, m =>
        {
            var secret = _session.DeriveKey(m, Handle(key), list);
            try
            {
                return Octets(new TokenObject(secret.ObjectId), CKA.CKA_VALUE)
                    ?? throw new TokenException(TokenFault.NotPermitted, "The token keeps the agreed secret to itself.");
            }
            finally
            {
                _session.DestroyObject(secret);
            }
        }));
    }

    private static Pkcs11InteropFactories Factories => Pkcs11Module.Factories;

    private static IMechanism Plain(CKM mechanism) => Factories.MechanismFactory.Create(mechanism);

    private static IMechanism Gcm(byte[] nonce, byte[] associated) => Factories.MechanismFactory.Create(
        CKM.CKM_AES_GCM, Factories.MechanismParamsFactory.CreateCkGcmParams(nonce, (ulong)nonce.Length * 8, associated, 128));

    private static IMechanism Oaep(HashAlgorithmName algorithm)
    {
        var (hash, mask) = Hashes(algorithm);
        return Factories.MechanismFactory.Create(
            CKM.CKM_RSA_PKCS_OAEP, Factories.MechanismParamsFactory.CreateCkRsaPkcsOaepParams((ulong)hash, (ulong)mask, (ulong)CKZ.CKZ_DATA_SPECIFIED, null));
    }

    private static IMechanism Pss(HashAlgorithmName algorithm, int saltLength)
    {
        var (hash, mask) = Hashes(algorithm);
        return Factories.MechanismFactory.Create(
            CKM.CKM_RSA_PKCS_PSS, Factories.MechanismParamsFactory.CreateCkRsaPkcsPssParams((ulong)hash, (ulong)mask, (ulong)saltLength));
    }

    private static (CKM Hash, CKG Mask) Hashes(HashAlgorithmName algorithm) => algorithm.Name switch
    {
        "SHA1" => (CKM.CKM_SHA_1, CKG.CKG_MGF1_SHA1),
        "SHA256" => (CKM.CKM_SHA256, CKG.CKG_MGF1_SHA256),
        "SHA384" => (CKM.CKM_SHA384, CKG.CKG_MGF1_SHA384),
        "SHA512" => (CKM.CKM_SHA512, CKG.CKG_MGF1_SHA512),
        _ => throw new CryptographicException($"Tokens are asked for SHA-1 (OAEP), SHA-256, SHA-384 and SHA-512 only, not {algorithm.Name}."),
    };

    /// <summary>RFC 8017 §9.2, step 2.</summary>
    private static byte[] DigestInfo(byte[] hash, HashAlgorithmName algorithm)
    {
        var oid = algorithm.Name switch
        {
            "SHA256" => "2.16.840.1.101.3.4.2.1",
            "SHA384" => "2.16.840.1.101.3.4.2.2",
            "SHA512" => "2.16.840.1.101.3.4.2.3",
            _ => throw new CryptographicException($"Signatures are made over SHA-256, SHA-384 and SHA-512 only, not {algorithm.Name}."),
        };
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

    private byte[] Sign(IMechanism mechanism, TokenObject key, byte[] data, string? pin) => Guard(mechanism, m => pin is null
        ? _session.Sign(m, Handle(key), data)
        : _session.Sign(m, Handle(key), System.Text.Encoding.UTF8.GetBytes(pin), data));
}
