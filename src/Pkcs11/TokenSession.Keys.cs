using System.Formats.Asn1;
using System.Security.Cryptography;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;

namespace GatewaySecure.Pkcs11;

/// <content>Keys: made, brought in, wrapped, read.</content>
public sealed partial class TokenSession
{
    private static readonly Dictionary<string, ECCurve> Curves = new()
    {
        ["1.2.840.10045.3.1.7"] = ECCurve.NamedCurves.nistP256,
        ["1.3.132.0.34"] = ECCurve.NamedCurves.nistP384,
        ["1.3.132.0.35"] = ECCurve.NamedCurves.nistP521,
    };

    /// <summary>A new AES key of 32 octets.</summary>
    public TokenObject GenerateAes(KeyTemplate template) => GenerateSecret(CKM.CKM_AES_KEY_GEN, CKK.CKK_AES, template);

    /// <summary>A new secret of 32 octets for HMAC.</summary>
    public TokenObject GenerateHmacKey(KeyTemplate template) => GenerateSecret(CKM.CKM_GENERIC_SECRET_KEY_GEN, CKK.CKK_GENERIC_SECRET, template);

    /// <summary>A key pair; the public half is for everybody.</summary>
    public TokenKeyPair GenerateRsa(int bits, KeyTemplate publicHalf, KeyTemplate privateHalf)
    {
        var template = new Attributes(CKO.CKO_PUBLIC_KEY, CKK.CKK_RSA, publicHalf);
        template.Add(Make.Create(CKA.CKA_MODULUS_BITS, (ulong)bits));
        template.Add(Make.Create(CKA.CKA_PUBLIC_EXPONENT, new byte[] { 1, 0, 1 }));
        return GeneratePair(CKM.CKM_RSA_PKCS_KEY_PAIR_GEN, template, new Attributes(CKO.CKO_PRIVATE_KEY, CKK.CKK_RSA, privateHalf));
    }

    /// <summary>A key pair on a NIST curve.</summary>
    public TokenKeyPair GenerateEc(ECCurve curve, KeyTemplate publicHalf, KeyTemplate privateHalf)
    {
        var template = new Attributes(CKO.CKO_PUBLIC_KEY, CKK.CKK_EC, publicHalf);
        template.Add(Make.Create(CKA.CKA_EC_PARAMS, EcParameters(curve)));
        return GeneratePair(CKM.CKM_EC_KEY_PAIR_GEN, template, new Attributes(CKO.CKO_PRIVATE_KEY, CKK.CKK_EC, privateHalf));
    }

    /// <summary>An AES key whose value the caller has; for ceremonies. The caller clears his copy.</summary>
    public TokenObject ImportAes(ReadOnlySpan<byte> value, KeyTemplate template)
    {
        var attributes = new Attributes(CKO.CKO_SECRET_KEY, CKK.CKK_AES, template);
        attributes.Add(Make.Create(CKA.CKA_VALUE, value.ToArray()));
        return Create(attributes);
    }

    /// <summary>Somebody else's public key.</summary>
    public TokenObject ImportRsaPublicKey(RSAParameters key, KeyTemplate template)
    {
        var attributes = new Attributes(CKO.CKO_PUBLIC_KEY, CKK.CKK_RSA, template);
        attributes.Add(Make.Create(CKA.CKA_MODULUS, key.Modulus));
        attributes.Add(Make.Create(CKA.CKA_PUBLIC_EXPONENT, key.Exponent));
        return Create(attributes);
    }

    /// <summary>A certificate beside the key of that id.</summary>
    public TokenObject ImportCertificate(ReadOnlyMemory<byte> der, ReadOnlyMemory<byte> subject, string label, ReadOnlyMemory<byte> id) => Create(new Attributes(
            Make.Create(CKA.CKA_CLASS, CKO.CKO_CERTIFICATE),
            Make.Create(CKA.CKA_CERTIFICATE_TYPE, CKC.CKC_X_509),
            Make.Create(CKA.CKA_TOKEN, true),
            Make.Create(CKA.CKA_PRIVATE, false),
            Make.Create(CKA.CKA_LABEL, label),
            Make.Create(CKA.CKA_ID, id.ToArray()),
            Make.Create(CKA.CKA_SUBJECT, subject.ToArray()),
            Make.Create(CKA.CKA_VALUE, der.ToArray())));

    /// <summary>A key out of the token, readable only with the wrapping key's other half.</summary>
    /// <exception cref="TokenException">Not permitted by one of the two keys' attributes.</exception>
    public byte[] Wrap(TokenObject wrappingKey, TokenObject key, WrapMethod method) =>
        Guard(Mechanism(method), m => _session.WrapKey(m, Handle(wrappingKey), Handle(key)));

    /// <exception cref="TokenException">Damaged, or wrapped under another key.</exception>
    public TokenObject UnwrapAes(TokenObject wrappingKey, ReadOnlySpan<byte> wrapped, WrapMethod method, KeyTemplate template) =>
        Unwrap(wrappingKey, wrapped, method, new Attributes(CKO.CKO_SECRET_KEY, CKK.CKK_AES, template));

    /// <summary>A secret for HMAC.</summary>
    public TokenObject UnwrapHmacKey(TokenObject wrappingKey, ReadOnlySpan<byte> wrapped, WrapMethod method, KeyTemplate template) =>
        Unwrap(wrappingKey, wrapped, method, new Attributes(CKO.CKO_SECRET_KEY, CKK.CKK_GENERIC_SECRET, template));

    /// <summary>A private RSA key out of PKCS #8.</summary>
    public TokenObject UnwrapRsa(TokenObject wrappingKey, ReadOnlySpan<byte> wrapped, WrapMethod method, KeyTemplate template) =>
        Unwrap(wrappingKey, wrapped, method, new Attributes(CKO.CKO_PRIVATE_KEY, CKK.CKK_RSA, template));

    /// <summary>A private key on a curve out of PKCS #8.</summary>
    public TokenObject UnwrapEc(TokenObject wrappingKey, ReadOnlySpan<byte> wrapped, WrapMethod method, KeyTemplate template) =>
        Unwrap(wrappingKey, wrapped, method, new Attributes(CKO.CKO_PRIVATE_KEY, CKK.CKK_EC, template));

    /// <summary>The numbers of an RSA key's public half; a private key object has them too.</summary>
    /// <returns>Null where it is no RSA key.</returns>
    public RSAParameters? ReadRsa(TokenObject key) => Guard(() =>
    {
        if (KeyType(key) != CKK.CKK_RSA)
            return (RSAParameters?)null;
        return new RSAParameters { Modulus = Trimmed(Octets(key, CKA.CKA_MODULUS)), Exponent = Trimmed(Octets(key, CKA.CKA_PUBLIC_EXPONENT)) };
    });

    /// <summary>A public key's point.</summary>
    /// <returns>Null where it is no key on a NIST curve, or the token does not tell the point.</returns>
    public ECParameters? ReadEc(TokenObject key) => Guard(() =>
    {
        if (KeyType(key) != CKK.CKK_EC || Octets(key, CKA.CKA_EC_PARAMS) is not { Length: > 0 } parameters
            || Octets(key, CKA.CKA_EC_POINT) is not { Length: > 0 } told)
        {
            return (ECParameters?)null;
        }
        if (!Curves.TryGetValue(AsnDecoder.ReadObjectIdentifier(parameters, AsnEncodingRules.BER, out _), out var curve))
            return null;
        // The standard wants an OCTET STRING around the point; some tokens give the bare point.
        var point = told is [0x04, ..] && told.Length % 2 == 1 && told.Length is 65 or 97 or 133 ? told : AsnDecoder.ReadOctetString(told, AsnEncodingRules.BER, out _);
        var size = (point.Length - 1) / 2;
        return new ECParameters { Curve = curve, Q = new ECPoint { X = point[1..(1 + size)], Y = point[(1 + size)..] } };
    });

    private static byte[] EcParameters(ECCurve curve)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        writer.WriteObjectIdentifier(curve.Oid.Value ?? Curves.First(c => c.Value.Oid.FriendlyName == curve.Oid.FriendlyName).Key);
        return writer.Encode();
    }

    /// <summary>Without the leading zeros that some tokens give.</summary>
    private static byte[]? Trimmed(byte[]? number) => number?.AsSpan().TrimStart((byte)0).ToArray();

    private static IMechanism Mechanism(WrapMethod method) => method switch
    {
        WrapMethod.AesKeyWrap => Plain(CKM.CKM_AES_KEY_WRAP),
        WrapMethod.AesKeyWrapPadded => Plain(CKM.CKM_AES_KEY_WRAP_PAD),
        WrapMethod.RsaOaepSha1 => Oaep(HashAlgorithmName.SHA1),
        _ => Oaep(HashAlgorithmName.SHA256),
    };

    private CKK KeyType(TokenObject key)
    {
        using var type = _session.GetAttributeValue(Handle(key), [CKA.CKA_KEY_TYPE])[0];
        return (CKK)type.GetValueAsUlong();
    }

    private TokenObject GenerateSecret(CKM mechanism, CKK type, KeyTemplate template)
    {
        var attributes = new Attributes(CKO.CKO_SECRET_KEY, type, template);
        attributes.Add(Make.Create(CKA.CKA_VALUE_LEN, 32UL));
        return Guard(attributes, list => Guard(Plain(mechanism), m => new TokenObject(_session.GenerateKey(m, list).ObjectId)));
    }

    private TokenKeyPair GeneratePair(CKM mechanism, Attributes publicHalf, Attributes privateHalf) =>
        Guard(publicHalf, made => Guard(privateHalf, kept => Guard(Plain(mechanism), m =>
        {
            _session.GenerateKeyPair(m, made, kept, out var open, out var secret);
            return new TokenKeyPair(new TokenObject(open.ObjectId), new TokenObject(secret.ObjectId));
        })));

    private TokenObject Unwrap(TokenObject wrappingKey, ReadOnlySpan<byte> wrapped, WrapMethod method, Attributes attributes)
    {
        var octets = wrapped.ToArray();
        return Guard(attributes, list => Guard(Mechanism(method), m => new TokenObject(_session.UnwrapKey(m, Handle(wrappingKey), octets, list).ObjectId)));
    }
}
