using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;

namespace GatewaySecure.CertificateAuthority;

/// <summary>
/// The subjectAltName of mail addresses: <c>rfc822Name</c>, and for local parts outside ASCII <c>SmtpUTF8Mailbox</c> (RFC 9598 §3), which the
/// platform's builder does not know.
/// </summary>
internal static class AlternativeNames
{
    private const string SubjectAltName = "2.5.29.17";
    private const string SmtpUtf8Mailbox = "1.3.6.1.5.5.7.8.9";

    private static readonly Asn1Tag OtherName = new(TagClass.ContextSpecific, 0, isConstructed: true);
    private static readonly Asn1Tag Rfc822Name = new(TagClass.ContextSpecific, 1);
    private static readonly Asn1Tag DnsName = new(TagClass.ContextSpecific, 2);

    public static X509Extension Of(IEnumerable<MailAddress> addresses, IEnumerable<DomainName> hosts)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            foreach (var address in addresses)
                Write(writer, address);
            foreach (var host in hosts)
                writer.WriteCharacterString(UniversalTagNumber.IA5String, host.Ascii, DnsName);
        }
        return new X509Extension(SubjectAltName, writer.Encode(), critical: false);
    }

    private static void Write(AsnWriter writer, MailAddress address)
    {
        var text = $"{address.LocalPart}@{address.Domain.Ascii}";
        if (!address.NeedsSmtpUtf8)
        {
            writer.WriteCharacterString(UniversalTagNumber.IA5String, text, Rfc822Name);
            return;
        }
        using (writer.PushSequence(OtherName))
        {
            writer.WriteObjectIdentifier(SmtpUtf8Mailbox);
            using (writer.PushSequence(OtherName))
                writer.WriteCharacterString(UniversalTagNumber.UTF8String, text);
        }
    }
}
