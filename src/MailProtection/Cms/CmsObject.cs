using System.Formats.Asn1;
using GatewaySecure.MailProtection.Opening;

namespace GatewaySecure.MailProtection.Cms;

/// <summary>
/// EnvelopedData, AuthEnvelopedData or SignedData in DER or BER, of any size: everything but the content in memory, the content where it is.
/// </summary>
internal sealed class CmsObject
{
    private readonly OctetSource _source;
    private readonly long _contentAt;

    private CmsObject(OctetSource source, string type, long contentAt)
    {
        _source = source;
        Type = type;
        _contentAt = contentAt;
    }

    /// <summary>One of <see cref="Oids.EnvelopedData"/>, <see cref="Oids.AuthEnvelopedData"/>, <see cref="Oids.SignedData"/>.</summary>
    public string Type { get; }

    public bool HasContent => _contentAt >= 0;

    public string ContentType { get; private set; } = "";

    /// <summary>Enveloped: the SET of RecipientInfo.</summary>
    public byte[] RecipientInfos { get; private set; } = [];

    /// <summary>Enveloped: ContentEncryptionAlgorithmIdentifier.</summary>
    public byte[] ContentEncryption { get; private set; } = [];

    /// <summary>AuthEnvelopedData: the authenticated attributes as a SET OF (RFC 5083 §2.2), empty where absent.</summary>
    public byte[] AuthenticatedAttributes { get; private set; } = [];

    public byte[] Mac { get; private set; } = [];

    /// <summary>Signed: the certificates, a sequence of elements without the tag around them.</summary>
    public List<byte[]> Certificates { get; } = [];

    /// <summary>Signed: the SET of SignerInfo.</summary>
    public byte[] SignerInfos { get; private set; } = [];

    /// <summary>Tells by the first octets whether this is a CMS object of a kind that we open; null if not.</summary>
    public static string? SniffType(ReadOnlySpan<byte> start)
    {
        try
        {
            using var ber = new BerStream(new MemoryStream(start.ToArray()));
            ber.ReadHeader(0x30);
            var type = ReadOid(ber);
            return type is Oids.EnvelopedData or Oids.AuthEnvelopedData or Oids.SignedData ? type : null;
        }
        catch (AsnContentException)
        {
            return null;
        }
    }

    /// <exception cref="AsnContentException">Malformed, or of another type.</exception>
    public static CmsObject Read(OctetSource source)
    {
        using var ber = new BerStream(source.OpenRead());
        var info = ber.ReadHeader(0x30);
        var type = ReadOid(ber);
        var wrapper = ber.ReadHeader(0xA0);
        var body = ber.ReadHeader(0x30);
        if (ber.PeekByte() != 0x02)
            throw new AsnContentException("No version.");
        ber.ReadElement(); // its value decides nothing: what follows tells more
        var cms = type switch
        {
            Oids.EnvelopedData or Oids.AuthEnvelopedData => ReadEnveloped(source, ber, body, type),
            Oids.SignedData => ReadSigned(source, ber, body),
            _ => throw new AsnContentException("A CMS type that is not opened."),
        };
        if (!ber.AtEnd(wrapper) || !ber.AtEnd(info))
            throw new AsnContentException("Something stands behind the object.");
        return cms;
    }

    /// <summary>The content octets: ciphertext, or what is signed.</summary>
    public Stream OpenContent()
    {
        var stream = _source.OpenRead();
        OctetSource.Skip(stream, _contentAt);
        return new BerStringStream(new BerStream(stream), owns: true);
    }

    private static CmsObject ReadEnveloped(OctetSource source, BerStream ber, BerHeader body, string type)
    {
        if (ber.PeekByte() == 0xA0)
            ber.ReadElement(); // originatorInfo
        if (ber.PeekByte() != 0x31)
            throw new AsnContentException("No recipients.");
        var recipients = ber.ReadElement();
        var contentInfo = ber.ReadHeader(0x30);
        var contentType = ReadOid(ber);
        var algorithm = ber.ReadElement();
        if (ber.AtEnd(contentInfo) || (ber.PeekByte() & 0xDF) != 0x80)
            throw new AsnContentException("No encrypted content.");
        var cms = new CmsObject(source, type, ber.Position)
        {
            ContentType = contentType,
            RecipientInfos = recipients,
            ContentEncryption = algorithm,
        };
        SkipString(ber);
        if (!ber.AtEnd(contentInfo))
            throw new AsnContentException("Something stands behind the content.");
        while (!ber.AtEnd(body))
        {
            var identifier = ber.PeekByte();
            var element = ber.ReadElement();
            if (type == Oids.AuthEnvelopedData && identifier == 0xA1)
                cms.AuthenticatedAttributes = [0x31, .. element[1..]];
            else if (type == Oids.AuthEnvelopedData && (identifier & 0xDF) == 0x04)
                cms.Mac = new AsnReader(element, AsnEncodingRules.BER).ReadOctetString();
        }
        return cms;
    }

    private static CmsObject ReadSigned(OctetSource source, BerStream ber, BerHeader body)
    {
        ber.ReadElement(); // digestAlgorithms: the signers name theirs
        var contentInfo = ber.ReadHeader(0x30);
        var contentType = ReadOid(ber);
        long contentAt = -1;
        if (!ber.AtEnd(contentInfo))
        {
            var wrapper = ber.ReadHeader(0xA0);
            if ((ber.PeekByte() & 0xDF) != 0x04)
                throw new AsnContentException("The content is no OCTET STRING.");
            contentAt = ber.Position;
            SkipString(ber);
            if (!ber.AtEnd(wrapper) || !ber.AtEnd(contentInfo))
                throw new AsnContentException("Something stands behind the content.");
        }
        var cms = new CmsObject(source, Oids.SignedData, contentAt) { ContentType = contentType };
        while (!ber.AtEnd(body))
        {
            var identifier = ber.PeekByte();
            if (identifier == 0xA0)
            {
                var set = ber.ReadHeader();
                while (!ber.AtEnd(set))
                    cms.Certificates.Add(ber.ReadElement());
                continue;
            }
            var element = ber.ReadElement();
            if (identifier == 0x31)
                cms.SignerInfos = element;
        }
        return cms;
    }

    private static string ReadOid(BerStream ber) =>
        new AsnReader(ber.ReadElement(), AsnEncodingRules.BER).ReadObjectIdentifier();

    private static void SkipString(BerStream ber)
    {
        using var content = new BerStringStream(ber, owns: false);
        var buffer = new byte[8192];
        while (content.Read(buffer) > 0)
        {
            // Only its end is of interest.
        }
    }
}
