using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.MailProtection.Cms;

/// <summary>The pieces of DER that several CMS structures share.</summary>
internal static class CmsWriter
{
    public static Asn1Tag Context(int number, bool constructed = true) => new(TagClass.ContextSpecific, number, constructed);

    /// <summary>IssuerAndSerialNumber, RFC 5652 §10.2.4.</summary>
    public static byte[] IssuerAndSerial(X509Certificate2 certificate)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteEncodedValue(certificate.IssuerName.RawData);
            writer.WriteInteger(certificate.SerialNumberBytes.Span);
        }
        return writer.Encode();
    }

    public static void WriteAlgorithm(this AsnWriter writer, string oid, bool withNull = false)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(oid);
            if (withNull)
                writer.WriteNull();
        }
    }

    /// <summary>The first two parameters of OAEP and PSS: SHA-256 as hash and in MGF1, with NULL as RFC 4055 §2.1 spells them.</summary>
    public static void WriteSha256AndMask(this AsnWriter writer)
    {
        using (writer.PushSequence(Context(0)))
            writer.WriteAlgorithm(Oids.Sha256, withNull: true);
        using (writer.PushSequence(Context(1)))
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(Oids.Mgf1);
            writer.WriteAlgorithm(Oids.Sha256, withNull: true);
        }
    }

    /// <summary>Octets of identifier and length for a content of this length.</summary>
    public static int HeaderLength(long contentLength)
    {
        if (contentLength < 0x80)
            return 2;
        var octets = 0;
        for (var rest = contentLength; rest > 0; rest >>= 8)
            octets++;
        return 2 + octets;
    }

    /// <summary>Octets of a whole element with a content of this length.</summary>
    public static long TotalLength(long contentLength) => HeaderLength(contentLength) + contentLength;

    /// <summary>Identifier and definite length; the content, which may be larger than memory, is written by the caller.</summary>
    public static void WriteHeader(Stream destination, byte identifier, long contentLength)
    {
        destination.WriteByte(identifier);
        if (contentLength < 0x80)
        {
            destination.WriteByte((byte)contentLength);
            return;
        }
        var octets = HeaderLength(contentLength) - 2;
        destination.WriteByte((byte)(0x80 | octets));
        for (var i = octets - 1; i >= 0; i--)
            destination.WriteByte((byte)(contentLength >> (8 * i)));
    }
}
