using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;

namespace GatewaySecure.Trust;

/// <summary>The mail addresses that a certificate speaks for (RFC 8550 §3, RFC 9598).</summary>
public static class CertificateAddresses
{
    private const string SubjectAlternativeName = "2.5.29.17";
    private const string EmailAddress = "1.2.840.113549.1.9.1";
    private const string SmtpUtf8Mailbox = "1.3.6.1.5.5.7.8.9";

    /// <summary>From the alternative names; the subject's emailAddress counts only where they name no mailbox.</summary>
    /// <exception cref="AsnContentException">The extension is malformed.</exception>
    public static ImmutableArray<MailAddress> Of(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        var addresses = new HashSet<MailAddress>(AlternativeNamesOf(certificate));
        if (addresses.Count == 0)
        {
            foreach (var name in certificate.SubjectName.EnumerateRelativeDistinguishedNames())
            {
                if (!name.HasMultipleElements && name.GetSingleElementType().Value == EmailAddress
                    && MailAddress.TryParse(name.GetSingleElementValue(), out var address))
                {
                    addresses.Add(address);
                }
            }
        }
        return [.. addresses];
    }

    /// <summary>From the alternative names alone.</summary>
    /// <exception cref="AsnContentException">The extension is malformed.</exception>
    public static ImmutableArray<MailAddress> AlternativeNamesOf(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        var addresses = new HashSet<MailAddress>();
        foreach (var extension in certificate.Extensions)
        {
            if (extension.Oid?.Value == SubjectAlternativeName)
                ReadAlternativeNames(extension.RawData, addresses);
        }
        return [.. addresses];
    }

    private static void ReadAlternativeNames(byte[] der, HashSet<MailAddress> addresses)
    {
        var otherName = new Asn1Tag(TagClass.ContextSpecific, 0, isConstructed: true);
        var rfc822Name = new Asn1Tag(TagClass.ContextSpecific, 1);
        var names = new AsnReader(der, AsnEncodingRules.DER).ReadSequence();
        while (names.HasData)
        {
            var tag = names.PeekTag();
            string? text = null;
            if (tag.HasSameClassAndValue(rfc822Name))
            {
                text = names.ReadCharacterString(UniversalTagNumber.IA5String, rfc822Name);
            }
            else if (tag.HasSameClassAndValue(otherName))
            {
                var other = names.ReadSequence(otherName);
                if (other.ReadObjectIdentifier() == SmtpUtf8Mailbox)
                    text = other.ReadSequence(otherName).ReadCharacterString(UniversalTagNumber.UTF8String);
            }
            else
            {
                names.ReadEncodedValue();
            }
            if (MailAddress.TryParse(text, out var address))
                addresses.Add(address);
        }
    }
}
