using System.Formats.Asn1;
using System.Security.Cryptography;
using GatewaySecure.KdcCore;
using GatewaySecure.MailProtection.Recipients;
using Org.BouncyCastle.Crypto.Engines;
using Org.BouncyCastle.Crypto.Parameters;

namespace GatewaySecure.MailProtection.Cms;

/// <summary>Encodes RecipientInfo values (RFC 5652 §6.2): RSA key transport, ECDH key agreement.</summary>
internal static class RecipientInfos
{
    /// <param name="gcm">The recipient reads GCM, and so OAEP; else PKCS #1 v1.5, which every reader knows.</param>
    public static void WriteCertificateRecipient(AsnWriter writer, RecipientCertificate recipient, byte[] contentKey, bool gcm)
    {
        if (recipient.Rsa is not null)
            WriteKeyTransport(writer, recipient, contentKey, gcm);
        else
            WriteKeyAgreement(writer, recipient, contentKey);
    }

    private static void WriteKeyTransport(AsnWriter writer, RecipientCertificate recipient, byte[] contentKey, bool oaep)
    {
        using (writer.PushSequence())
        {
            writer.WriteInteger(0);
            writer.WriteEncodedValue(recipient.IssuerAndSerial);
            if (oaep)
                WriteOaepSha256(writer);
            else
                writer.WriteAlgorithm(Oids.Rsa, withNull: true);
            writer.WriteOctetString(recipient.Rsa!.Encrypt(contentKey, oaep ? RSAEncryptionPadding.OaepSHA256 : RSAEncryptionPadding.Pkcs1));
        }
    }

    private static void WriteOaepSha256(AsnWriter writer)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(Oids.RsaOaep);
            using (writer.PushSequence())
                writer.WriteSha256AndMask();
        }
    }

    /// <summary>Ephemeral-static ECDH, RFC 5753 §3.1: stdDH with SHA-256 as KDF, AES-256 key wrap.</summary>
    private static void WriteKeyAgreement(AsnWriter writer, RecipientCertificate recipient, byte[] contentKey)
    {
        using var theirs = recipient.Ecdh!.PublicKey;
        using var ephemeral = ECDiffieHellman.Create(recipient.Ecdh.ExportParameters(false).Curve);
        var wrappingKey = ephemeral.DeriveKeyFromHash(
            theirs, HashAlgorithmName.SHA256, secretPrepend: null, KeyAgreement.KdfSuffix(Oids.Aes256Wrap, 32, ukm: null));
        var wrapped = KeyWrap(wrappingKey, contentKey);
        CryptographicOperations.ZeroMemory(wrappingKey);

        using (writer.PushSequence(CmsWriter.Context(1)))
        {
            writer.WriteInteger(3);
            using (writer.PushSequence(CmsWriter.Context(0)))
            using (writer.PushSequence(CmsWriter.Context(1)))
            {
                // RFC 5753 §3.1.1: parameters are absent; the curve is the recipient's.
                writer.WriteAlgorithm(Oids.EcPublicKey);
                writer.WriteBitString(KeyAgreement.Point(ephemeral.ExportParameters(false).Q));
            }
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier(Oids.StdDhSha256);
                writer.WriteAlgorithm(Oids.Aes256Wrap);
            }
            using (writer.PushSequence())
            using (writer.PushSequence())
            {
                writer.WriteEncodedValue(recipient.IssuerAndSerial);
                writer.WriteOctetString(wrapped);
            }
        }
    }

    private static byte[] KeyWrap(byte[] wrappingKey, byte[] key)
    {
        var engine = new AesWrapEngine();
        engine.Init(true, new KeyParameter(wrappingKey));
        return engine.Wrap(key, 0, key.Length);
    }
}

/// <summary>The parts of RFC 5753 that both directions need.</summary>
internal static class KeyAgreement
{
    /// <summary>
    /// What follows the shared secret in a hash of ANSI X9.63's KDF: the counter and DER of ECC-CMS-SharedInfo (RFC 5753 §7.2).
    /// SHA-256 and longer give the whole key with counter 1.
    /// </summary>
    public static byte[] KdfSuffix(string wrapOid, int keyLength, byte[]? ukm, bool wrapHasNull = false, byte counter = 1)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteAlgorithm(wrapOid, wrapHasNull);
            if (ukm is not null)
            {
                using (writer.PushSequence(CmsWriter.Context(0)))
                    writer.WriteOctetString(ukm);
            }
            using (writer.PushSequence(CmsWriter.Context(2)))
                writer.WriteOctetString([0, 0, (byte)(keyLength * 8 >> 8), (byte)(keyLength * 8)]);
        }
        return [0, 0, 0, counter, .. writer.Encode()];
    }

    /// <summary>Uncompressed, SEC 1 §2.3.3.</summary>
    public static byte[] Point(ECPoint q) => [4, .. q.X!, .. q.Y!];
}
