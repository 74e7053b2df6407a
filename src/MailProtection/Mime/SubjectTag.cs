using System.Text;
using System.Text.RegularExpressions;
using GatewaySecure.MailProtection.Tnef;
using MimeKit;
using MimeKit.Utils;

namespace GatewaySecure.MailProtection.Mime;

/// <summary>
/// Words in brackets at the beginning of a subject that tell its reader what the gateway found. Only the gateway's own are left: the same words that came along
/// are taken away, however they are encoded.
/// </summary>
public static partial class SubjectTag
{
    public const string WasSigned = "[signed]";
    public const string WasOpened = "[opened]";

    /// <param name="tags">In their order; none: only what came along is taken away.</param>
    /// <returns>The same content where nothing is to be changed; else everything but the subject octet by octet.</returns>
    /// <exception cref="IOException">The content could not be read.</exception>
    public static async ValueTask<IMailContent> PutAsync(IMailContent content, IReadOnlyCollection<string> tags, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(content);
        ArgumentNullException.ThrowIfNull(tags);
        // A header beyond all measure stays as it is.
        if (await MessageSource.ReadAsync(content, cancellationToken) is not { Header: var header })
            return content;
        var cuts = Cuts(header, string.Concat(tags.Select(t => t + " ")));
        return cuts.Count == 0 ? content : new SplicedContent(content, cuts);
    }

    private static List<Cut> Cuts(HeaderBlock header, string words)
    {
        var cuts = new List<Cut>();
        long at = 0;
        var tagged = false;
        foreach (var field in header.Fields)
        {
            if (field.Is("Subject"))
            {
                var put = Rewrite(field, tagged ? "" : words);
                if (!put.AsSpan().SequenceEqual(field.Raw.Span))
                    cuts.Add(new Cut(at, at + field.Raw.Length, put));
                tagged = true;
            }
            at += field.Raw.Length;
        }
        if (!tagged && words.Length > 0)
            cuts.Add(new Cut(0, 0, Encoding.ASCII.GetBytes($"Subject: {words.TrimEnd()}\r\n")));
        return cuts;
    }

    private static byte[] Rewrite(HeaderField field, string words)
    {
        var raw = field.Raw.Span;
        var value = raw[(raw.IndexOf((byte)':') + 1)..].ToArray();
        var text = Rfc2047.DecodeText(value).Trim();
        if (Ours().IsMatch(text))
        {
            var written = new Header(Encoding.UTF8, "Subject", words + Ours().Replace(text, "").Trim());
            return Encoding.ASCII.GetBytes($"Subject:{Encoding.ASCII.GetString(written.RawValue).ReplaceLineEndings("\r\n").TrimEnd()}\r\n");
        }
        if (words.Length == 0)
            return raw.ToArray();
        // On a line of their own: the subject's first line may be as long as a line can be.
        var rest = value.AsSpan().TrimStart(" \t"u8);
        return [.. "Subject: "u8, .. Encoding.ASCII.GetBytes(words.TrimEnd()), .. rest.StartsWith("\r\n"u8) ? ""u8 : "\r\n "u8, .. rest];
    }

    [GeneratedRegex(@"\[\s*(signed|opened)\s*\]", RegexOptions.IgnoreCase)]
    private static partial Regex Ours();
}
