using System.Globalization;
using System.Text;
using MimeKit;
using MimeKit.Tnef;

namespace GatewaySecure.MailProtection.Tnef;

/// <summary>What a TNEF stream holds, as MIME: bodies from the plainest to the richest, and attachments. The same octets give the same parts.</summary>
internal sealed record TnefContents(IReadOnlyList<MimeEntity> Bodies, IReadOnlyList<MimeEntity> Attachments)
{
    static TnefContents() => Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);

    /// <returns>Null, and why not in plain words.</returns>
    public static TnefContents? TryRead(byte[] tnef, out string? problem)
    {
        if (TnefStructure.TryRead(tnef, out problem) is not { } structure)
            return null;
        // A meeting or a task is more than its text and attachments.
        if (structure.MessageClass.Contains(".Schedule", StringComparison.OrdinalIgnoreCase)
            || structure.MessageClass.Contains(".Task", StringComparison.OrdinalIgnoreCase))
        {
            problem = "it is a meeting or a task, which MIME can't carry";
            return null;
        }
        try
        {
            return Sort(Convert(tnef));
        }
        // The reader's own errors: whatever it stumbles over, the stream is damaged.
        catch (Exception e) when (e is FormatException or ArgumentException or IOException or NotSupportedException or InvalidOperationException
            or OverflowException or IndexOutOfRangeException)
        {
            problem = $"it is damaged: {e.Message}";
            return null;
        }
    }

    private static MimeMessage Convert(byte[] tnef)
    {
        using var part = new TnefPart { Content = new MimeContent(new MemoryStream(tnef, writable: false)) };
        return part.ConvertToMessage();
    }

    private static TnefContents Sort(MimeMessage message)
    {
        var bodies = new List<MimeEntity>();
        var attachments = new List<MimeEntity>();
        if (message.Body is { } body)
            Sort(body, bodies, attachments);
        // RFC 2046 §5.1.4: the best comes last.
        bodies.Sort((a, b) => Rank(a).CompareTo(Rank(b)));
        return new TnefContents(bodies, attachments);
    }

    private static void Sort(MimeEntity entity, List<MimeEntity> bodies, List<MimeEntity> attachments)
    {
        switch (entity)
        {
            case MultipartAlternative alternatives:
                bodies.AddRange(alternatives.OfType<TextPart>());
                break;
            case Multipart multipart:
                foreach (var child in multipart)
                    Sort(child, bodies, attachments);
                break;
            case TextPart { ContentDisposition: null, FileName: null } text when bodies.Count == 0 && attachments.Count == 0:
                bodies.Add(text);
                break;
            case TnefPart nested:
                attachments.Add(Nested(nested));
                break;
            case MimePart part:
                attachments.Add(Attachment(part));
                break;
        }
    }

    private static int Rank(MimeEntity body) => body.ContentType.MediaSubtype.ToLowerInvariant() switch
    {
        "plain" => 0,
        "rtf" => 1,
        _ => 2,
    };

    private static MimePart Attachment(MimePart part)
    {
        var name = Harmless(part.FileName ?? part.ContentType.Name);
        // What is a container in MIME must be one, and this is octets.
        if (part.ContentType.IsMimeType("multipart", "*") || part.ContentType.IsMimeType("message", "*"))
            (part.ContentType.MediaType, part.ContentType.MediaSubtype) = ("application", "octet-stream");
        part.ContentDisposition ??= new ContentDisposition(ContentDisposition.Attachment);
        if (name.Length > 0)
            (part.ContentDisposition.FileName, part.ContentType.Name) = (name, name);
        part.ContentTransferEncoding = ContentEncoding.Base64;
        return part;
    }

    private static MessagePart Nested(TnefPart part)
    {
        using var octets = new MemoryStream();
        (part.Content ?? throw new FormatException("a message within it is empty")).DecodeTo(octets);
        var tnef = octets.ToArray();
        if (TnefStructure.TryRead(tnef, out var problem) is not { } structure)
            throw new FormatException($"a message within it: {problem}");
        var message = Convert(tnef);
        var contents = Sort(message);
        // One that the conversion made up would be another one each time.
        if (!structure.HasMessageId)
            message.Headers.Remove(HeaderId.MessageId);
        message.Headers.Remove(HeaderId.Bcc);
        message.Body = contents.ToEntity();
        return new MessagePart { Message = message, ContentDisposition = new ContentDisposition(ContentDisposition.Attachment) };
    }

    private MimeEntity ToEntity()
    {
        var body = Bodies.Count switch
        {
            0 => new TextPart("plain") { Text = "" },
            1 => Bodies[0],
            _ => Filled(new MultipartAlternative(), Bodies),
        };
        return Attachments.Count == 0 ? body : Filled(new Multipart("mixed"), [body, .. Attachments]);
    }

    private static Multipart Filled(Multipart multipart, IEnumerable<MimeEntity> children)
    {
        foreach (var child in children)
            multipart.Add(child);
        return multipart;
    }

    /// <summary>A name without folders or control characters.</summary>
    private static string Harmless(string? name) => string.Concat((name ?? "").Trim().Take(200).Select(c =>
        c is '/' or '\\' or ':' || char.IsControl(c) || char.GetUnicodeCategory(c) == UnicodeCategory.Format ? '_' : c));
}
