using System.Buffers;
using GatewaySecure.MailProtection.Mime;

namespace GatewaySecure.MailProtection.Sealing;

/// <summary>The header that travels in clear.</summary>
internal static class OuterHeader
{
    /// <summary>The original fields octet by octet, without those that describe the body and without blind copies.</summary>
    public static byte[] ForSmime(HeaderBlock original, bool gcm)
    {
        var output = new ArrayBufferWriter<byte>(2048);
        foreach (var field in original.Fields)
        {
            if (!field.IsContent && !field.Is("MIME-Version") && !IsBlindCopy(field))
                AppendField(output, field);
        }
        output.Write("MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type="u8);
        output.Write(gcm ? "authEnveloped-data"u8 : "enveloped-data"u8);
        output.Write(";\r\n name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n"u8);
        output.Write("Content-Disposition: attachment; filename=smime.p7m\r\n\r\n"u8);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>The fields of <see cref="HeaderProtection"/>, and the KDC container's description (docs/formats/kdc-mail.md §5).</summary>
    public static byte[] ForKdc(HeaderBlock original)
    {
        var output = new ArrayBufferWriter<byte>(2048);
        foreach (var field in original.Fields)
        {
            if (HeaderProtection.IsTrace(field))
                AppendField(output, field);
            else if (HeaderProtection.Outside(field) is { } outside)
                AppendField(output, outside);
        }
        output.Write("MIME-Version: 1.0\r\nContent-Type: application/vnd.gatewaysecure.kdc-mime; name=\"mail.kdc\"\r\n"u8);
        output.Write("Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"mail.kdc\"\r\n\r\n"u8);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>RFC 5322 §3.6.3: a copy must not tell who else got one blind.</summary>
    public static bool IsBlindCopy(HeaderField field) => field.Is("Bcc") || field.Is("Resent-Bcc");

    /// <summary>Octets as they are; a last field that lacked its line end gets one, or what follows would become part of it.</summary>
    public static void AppendField(ArrayBufferWriter<byte> output, HeaderField field)
    {
        output.Write(field.Raw.Span);
        if (!field.Raw.Span.EndsWith("\n"u8))
            output.Write(field.Raw.Span.EndsWith("\r"u8) ? "\n"u8 : "\r\n"u8);
    }
}
