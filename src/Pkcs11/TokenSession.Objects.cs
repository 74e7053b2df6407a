using System.Security.Cryptography;
using Net.Pkcs11Interop.Common;

namespace GatewaySecure.Pkcs11;

/// <content>What a person's card needs beside an HSM: private keys brought in, data objects, ids that change.</content>
public sealed partial class TokenSession
{
    /// <summary>A key pair of the caller's, brought in; he clears his copy.</summary>
    /// <exception cref="CryptographicException">The key does not show its private half.</exception>
    public TokenKeyPair ImportPair(RSA key, KeyTemplate publicHalf, KeyTemplate privateHalf)
    {
        ArgumentNullException.ThrowIfNull(key);
        var p = key.ExportParameters(true);
        try
        {
            var attributes = new Attributes(CKO.CKO_PRIVATE_KEY, CKK.CKK_RSA, privateHalf);
            attributes.Add(
                Make.Create(CKA.CKA_MODULUS, p.Modulus), Make.Create(CKA.CKA_PUBLIC_EXPONENT, p.Exponent), Make.Create(CKA.CKA_PRIVATE_EXPONENT, p.D),
                Make.Create(CKA.CKA_PRIME_1, p.P), Make.Create(CKA.CKA_PRIME_2, p.Q), Make.Create(CKA.CKA_EXPONENT_1, p.DP),
                Make.Create(CKA.CKA_EXPONENT_2, p.DQ), Make.Create(CKA.CKA_COEFFICIENT, p.InverseQ));
            return new TokenKeyPair(ImportRsaPublicKey(p, publicHalf), Create(attributes));
        }
        finally
        {
            foreach (var part in new[] { p.D, p.P, p.Q, p.DP, p.DQ, p.InverseQ })
                CryptographicOperations.ZeroMemory(part);
        }
    }

    /// <summary>A key pair on a NIST curve of the caller's, brought in; he clears his copy.</summary>
    /// <exception cref="CryptographicException">The key does not show its private half.</exception>
    public TokenKeyPair ImportPair(ECAlgorithm key, KeyTemplate publicHalf, KeyTemplate privateHalf)
    {
        ArgumentNullException.ThrowIfNull(key);
        var p = key.ExportParameters(true);
        try
        {
            var curve = EcParameters(p.Curve);
            var point = new System.Formats.Asn1.AsnWriter(System.Formats.Asn1.AsnEncodingRules.DER);
            point.WriteOctetString([0x04, .. p.Q.X!, .. p.Q.Y!]);
            var made = new Attributes(CKO.CKO_PUBLIC_KEY, CKK.CKK_EC, publicHalf);
            made.Add(Make.Create(CKA.CKA_EC_PARAMS, curve), Make.Create(CKA.CKA_EC_POINT, point.Encode()));
            var secret = new Attributes(CKO.CKO_PRIVATE_KEY, CKK.CKK_EC, privateHalf);
            secret.Add(Make.Create(CKA.CKA_EC_PARAMS, curve), Make.Create(CKA.CKA_VALUE, p.D));
            return new TokenKeyPair(Create(made), Create(secret));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(p.D);
        }
    }

    /// <summary>Octets that anybody may read; written by the user.</summary>
    public TokenObject ImportData(string label, string application, ReadOnlyMemory<byte> value) => Create(new Attributes(
        Make.Create(CKA.CKA_CLASS, CKO.CKO_DATA),
        Make.Create(CKA.CKA_TOKEN, true),
        Make.Create(CKA.CKA_PRIVATE, false),
        Make.Create(CKA.CKA_LABEL, label),
        Make.Create(CKA.CKA_APPLICATION, application),
        Make.Create(CKA.CKA_VALUE, value.ToArray())));

    /// <summary>Gives an object another id and label; the way to set a key aside for old mail.</summary>
    public void Rename(TokenObject which, ReadOnlyMemory<byte> id, string label)
    {
        Forget(which);
        Set(which, Make.Create(CKA.CKA_ID, id.ToArray()));
        Set(which, Make.Create(CKA.CKA_LABEL, label));
    }

    /// <summary>The key wants the PIN before each use (CKA_ALWAYS_AUTHENTICATE).</summary>
    public bool WantsPinEachTime(TokenObject key) => Guard(() => Flag(key, CKA.CKA_ALWAYS_AUTHENTICATE) == true);

    private TokenObject Create(Attributes attributes) => Guard(attributes, list => new TokenObject(_session.CreateObject(list).ObjectId));
}
