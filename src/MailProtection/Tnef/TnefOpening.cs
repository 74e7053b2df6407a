using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using GatewaySecure.MailProtection.Mime;
using GatewaySecure.MailProtection.Sealing;
using MimeKit;
using MimeKit.Utils;

namespace GatewaySecure.MailProtection.Tnef;

/// <summary>What came of looking for TNEF in a mail.</summary>
public abstract record TnefOutcome
{
    private TnefOutcome() { }

    /// <summary>There is none that could be opened without breaking a signature.</summary>
    public sealed record None : TnefOutcome;

    /// <param name="Content">The mail with MIME in place of TNEF; everything else octet by octet.</param>
    /// <param name="Summary">One plain sentence for the record.</param>
    public sealed record Opened(IMailContent Content, string Summary) : TnefOutcome;

    /// <summary>Damaged, too large, or no ordinary message.</summary>
    public sealed record Refused(string Reason) : TnefOutcome;
}

/// <summary>
/// Puts MIME in the place of TNEF (winmail.dat): body, attachments with their names, messages within it. Never within a signature, an
/// encryption or an attached message. Nothing is thrown for what a mail holds, and the same mail gives the same octets each time.
/// </summary>
public static class TnefOpening
{
    /// <summary>Of one TNEF part as it travels, in octets; a larger one is not read.</summary>
    private const long LargestPart = 48L << 20;

    /// <summary>Of what is put in its place.</summary>
    private const long LargestResult = 96L << 20;

    private const int MostParts = 4;

    public static async ValueTask<TnefOutcome> OpenAsync(IMailContent content, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(content);
        MimeNode root;
        await using (var stream = content.OpenRead())
            root = MimeScanner.Scan(stream);
        var found = Find(root).Take(MostParts + 1).ToList();
        if (found.Count == 0)
            return new TnefOutcome.None();
        if (found.Count > MostParts)
            return new TnefOutcome.Refused($"There are more than {MostParts} TNEF parts.");
        var cuts = new List<Cut>();
        var attachments = 0;
        foreach (var node in found)
        {
            if (node.End - node.Start > LargestPart)
                return new TnefOutcome.Refused($"The TNEF part is larger than {LargestPart >> 20} MB.");
            var body = await ReadAsync(content, node.BodyStart, node.End, cancellationToken);
            if (TryDecode(body, node.TransferEncoding) is not { } tnef)
                return new TnefOutcome.Refused("The TNEF part can't be decoded.");
            if (TnefContents.TryRead(tnef, out var problem) is not { } contents)
                return new TnefOutcome.Refused($"The TNEF part can't be opened: {problem}.");
            // Formatting without a text of its own: there is nothing that MIME could carry.
            if (contents.Bodies.Count + contents.Attachments.Count == 0)
                continue;
            var cut = await ReplaceAsync(content, node, contents, Convert.ToHexString(SHA256.HashData(tnef))[..32], cancellationToken);
            if (cuts.Sum(c => c.Put.LongLength) + cut.Put.LongLength > LargestResult)
                return new TnefOutcome.Refused($"What the TNEF part holds is larger than {LargestResult >> 20} MB.");
            cuts.Add(cut);
            attachments += contents.Attachments.Count;
        }
        return cuts.Count == 0
            ? new TnefOutcome.None()
            : new TnefOutcome.Opened(new SplicedContent(content, cuts), $"TNEF was opened to MIME, {attachments} attachments.");
    }

    private static IEnumerable<MimeNode> Find(MimeNode node)
    {
        var name = node.Type.Name;
        if (name is "application/ms-tnef" or "application/vnd.ms-tnef"
            || (name == "application/octet-stream" && string.Equals(node.Type["name"], "winmail.dat", StringComparison.OrdinalIgnoreCase)))
            return [node];
        return name is "multipart/mixed" or "multipart/alternative" or "multipart/related" ? node.Children.SelectMany(Find) : [];
    }

    private static async ValueTask<Cut> ReplaceAsync(
        IMailContent content, MimeNode node, TnefContents contents, string seed, CancellationToken cancellationToken)
    {
        var boundaries = new Boundaries(seed);
        var start = node.Start;
        var bodies = contents.Bodies.Select(b => Serialize(b, boundaries)).ToList();
        // The text that stands before TNEF is the plain form of the body in it.
        if (bodies.Count > 0 && node.Parent is { Type.Name: "multipart/mixed" } parent && parent.Children is [{ Type.Name: "text/plain" } text, var second, ..]
            && second == node && text.Header.First("Content-Disposition")?.Value.StartsWith("attachment", StringComparison.OrdinalIgnoreCase) != true)
        {
            var plain = await ReadAsync(content, text.Start, text.End, cancellationToken);
            bodies = [plain, .. contents.Bodies.Zip(bodies).Where(b => !b.First.ContentType.IsMimeType("text", "plain")).Select(b => b.Second)];
            start = text.Start;
        }
        var parts = new List<byte[]>();
        if (bodies.Count > 0)
            parts.Add(bodies.Count == 1 ? bodies[0] : Join("alternative", bodies, boundaries.Next()));
        parts.AddRange(contents.Attachments.Select(a => Serialize(a, boundaries)));
        var entity = parts.Count == 1 ? parts[0] : Join("mixed", parts, boundaries.Next());
        return node.Parent is null ? new Cut(0, node.End, [.. Around(node.Header), .. entity, .. "\r\n"u8]) : new Cut(start, node.End, entity);
    }

    /// <summary>The whole message is TNEF: its other fields stay octet by octet.</summary>
    private static byte[] Around(HeaderBlock header)
    {
        var output = new ArrayBufferWriter<byte>(2048);
        foreach (var field in header.Fields)
        {
            if (!field.IsContent && !field.Is("MIME-Version"))
                OuterHeader.AppendField(output, field);
        }
        output.Write("MIME-Version: 1.0\r\n"u8);
        return output.WrittenSpan.ToArray();
    }

    private static byte[] Serialize(MimeEntity entity, Boundaries boundaries)
    {
        boundaries.Set(entity);
        entity.Prepare(EncodingConstraint.SevenBit);
        using var stream = new MemoryStream();
        var format = FormatOptions.Default.Clone();
        format.NewLineFormat = NewLineFormat.Dos;
        entity.WriteTo(format, stream);
        return stream.ToArray();
    }

    private static byte[] Join(string subtype, List<byte[]> parts, string boundary)
    {
        using var stream = new MemoryStream();
        void Put(string text) => stream.Write(Encoding.ASCII.GetBytes(text));
        Put($"Content-Type: multipart/{subtype}; boundary=\"{boundary}\"\r\n\r\n");
        foreach (var part in parts)
        {
            Put($"--{boundary}\r\n");
            stream.Write(part);
            Put("\r\n");
        }
        Put($"--{boundary}--");
        return stream.ToArray();
    }

    private static async ValueTask<byte[]> ReadAsync(IMailContent content, long start, long end, CancellationToken cancellationToken)
    {
        var octets = new byte[end - start];
        await using var stream = content.OpenRead();
        await SplicedContent.SkipAsync(stream, start, cancellationToken);
        await stream.ReadExactlyAsync(octets, cancellationToken);
        return octets;
    }

    private static byte[]? TryDecode(byte[] body, string? transferEncoding)
    {
        if (!MimeUtils.TryParse(transferEncoding?.Trim() ?? "7bit", out ContentEncoding encoding))
            return null;
        using var content = new MimeContent(new MemoryStream(body, writable: false), encoding);
        using var decoded = new MemoryStream();
        content.DecodeTo(decoded);
        return decoded.ToArray();
    }

    /// <summary>Boundaries that follow from the content, so that every attempt makes the same octets.</summary>
    private sealed class Boundaries(string seed)
    {
        private int _count;

        public string Next() => $"gs-tnef-{seed}-{++_count}";

        public void Set(MimeEntity entity)
        {
            if (entity is Multipart multipart)
            {
                multipart.Boundary = Next();
                foreach (var child in multipart)
                    Set(child);
            }
            else if (entity is MessagePart { Message.Body: { } body })
                Set(body);
        }
    }
}
