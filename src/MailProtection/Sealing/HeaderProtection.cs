using System.Buffers;
using System.Text;
using GatewaySecure.MailProtection.Mime;
using GatewaySecure.MailProtection.Opening;

namespace GatewaySecure.MailProtection.Sealing;

/// <summary>Header protection of RFC 9788 with the policy <c>hcp_baseline</c> (§3.2.1), for KDC mail.</summary>
internal static class HeaderProtection
{
    public const string RandomField = "GatewaySecure-Random";

    private static readonly HeaderField HiddenSubject = new("Subject", "Subject: [...]\r\n"u8.ToArray());

    private static readonly string[] Trace =
    [
        "Received", "Return-Path", "Delivered-To", "DKIM-Signature", "Authentication-Results", "Received-SPF",
        "ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results",
    ];

    /// <summary>Written by servers on the way, not by the author: stays outside and is not protected.</summary>
    public static bool IsTrace(HeaderField field) => Trace.Contains(field.Name, StringComparer.OrdinalIgnoreCase);

    /// <summary>What the author's field becomes outside; null: it does not show there.</summary>
    public static HeaderField? Outside(HeaderField field)
    {
        if (field.Is("Subject"))
            return HiddenSubject;
        if (field.Is("Comments") || field.Is("Keywords") || IsStructural(field) || IsNeverSent(field))
            return null;
        return field;
    }

    /// <summary>
    /// The header of the entity that will be encrypted: the random line, then the original fields. Unless the entity is signed already,
    /// its Content-Type says <c>hp="cipher"</c> and HP-Outer fields tell what shows outside.
    /// </summary>
    /// <param name="found">Of mail from outside: whole fields with what was found out about it. Readers know them by their place.</param>
    public static byte[] InnerHeader(HeaderBlock original, ReadOnlySpan<byte> random, ReadOnlySpan<byte> found = default)
    {
        var output = new ArrayBufferWriter<byte>(4096);
        Write(output, $"{RandomField}: {Convert.ToBase64String(random)}\r\n");
        output.Write(found);
        var type = MediaType.Of(original);
        var untouched = type.SaysSigned || type["hp"] is not null;
        var typed = false;
        foreach (var field in original.Fields)
        {
            if (IsNeverSent(field) || (!untouched && IsTrace(field)))
                continue;
            if (!untouched && field.Is("Content-Type") && !typed)
            {
                WriteContentType(output, field);
                typed = true;
            }
            else
            {
                OuterHeader.AppendField(output, field);
            }
        }
        if (!untouched)
        {
            foreach (var field in original.Fields)
            {
                if (!IsTrace(field) && Outside(field) is { } outside)
                    WriteHpOuter(output, outside);
            }
            if (original.First("MIME-Version") is null)
                output.Write("MIME-Version: 1.0\r\n"u8);
            if (!typed)
                output.Write("Content-Type: text/plain; charset=us-ascii; hp=\"cipher\"\r\n"u8);
        }
        output.Write("\r\n"u8);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Says something of the mail, and not of its form or of who else got it.</summary>
    public static bool IsAuthors(HeaderField field) => !IsStructural(field) && !IsNeverSent(field);

    private static bool IsStructural(HeaderField field) => field.IsContent || field.Is("MIME-Version");

    /// <summary>Blind copies; and fields that only this code may set, lest a sender sets them.</summary>
    private static bool IsNeverSent(HeaderField field) =>
        OuterHeader.IsBlindCopy(field) || field.Is(RandomField) || field.Is("HP-Outer") || field.Is(ReceivedVerdict.FieldName);

    private static void WriteContentType(ArrayBufferWriter<byte> output, HeaderField field)
    {
        var raw = field.Raw.Span.TrimEnd("\r\n \t;"u8);
        output.Write(raw);
        output.Write(";\r\n hp=\"cipher\"\r\n"u8);
    }

    /// <summary>On a line of its own after the name where the first line would grow past 998 octets (RFC 5322 §2.1.1).</summary>
    private static void WriteHpOuter(ArrayBufferWriter<byte> output, HeaderField field)
    {
        var firstLine = field.Raw.Span.IndexOf((byte)'\n');
        Write(output, firstLine + "HP-Outer: ".Length > 998 ? "HP-Outer:\r\n " : "HP-Outer: ");
        OuterHeader.AppendField(output, field);
    }

    private static void Write(ArrayBufferWriter<byte> output, string ascii) => output.Write(Encoding.ASCII.GetBytes(ascii));
}
