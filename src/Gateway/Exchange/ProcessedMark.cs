using System.Buffers.Text;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using GatewaySecure.Addresses;

namespace GatewaySecure.Gateway.Exchange;

/// <summary>
/// The field by which Exchange, and this gateway, know mail that the gateway has dealt with: <c>X-GatewaySecure-Processed: v1; t=…; to=…</c>,
/// with one tag for each recipient of the copy. A tag is bound to time and recipient, so a mark that was copied says nothing of other
/// recipients, and nobody without the key can make one (docs/operations/exchange.md). Thread-safe.
/// </summary>
/// <param name="hmac">HMAC-SHA-256 under a key of the vault.</param>
internal sealed class ProcessedMark(Func<byte[], byte[]> hmac)
{
    public const string Name = "X-GatewaySecure-Processed";

    /// <summary>Of a tag, in octets: nobody can try 2⁷² tags.</summary>
    private const int TagLength = 9;

    /// <summary>As many as a mail has recipients at the most; what stands behind is not looked at.</summary>
    private const int MostTags = 1000;

    /// <summary>The field with its folding and its line end.</summary>
    public byte[] Write(IEnumerable<MailAddress> recipients, DateTimeOffset now)
    {
        var time = now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        // Sorted: their order says nothing of who stands where in the envelope.
        var tags = recipients.Select(r => TagOf(r, time)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);
        var text = new StringBuilder($"{Name}: v1; t={time}; to=");
        foreach (var line in tags.Chunk(5))
            text.Append("\r\n\t").AppendJoin(' ', line);
        return Encoding.ASCII.GetBytes(text.Append("\r\n").ToString());
    }

    /// <summary>Those of the recipients for whom this gateway handed the mail on before.</summary>
    /// <param name="value">What stands behind the colon, folded or not.</param>
    public ImmutableArray<MailAddress> Known(string value, IEnumerable<MailAddress> recipients)
    {
        var parts = value.Split(';', StringSplitOptions.TrimEntries);
        if (parts is not ["v1", ['t', '=', .. var time], ['t', 'o', '=', .. var list]])
            return [];
        var tags = list.Split((char[])[' ', '\t', '\r', '\n'], MostTags + 1, StringSplitOptions.RemoveEmptyEntries).ToHashSet(StringComparer.Ordinal);
        return [.. recipients.Where(r => tags.Contains(TagOf(r, time)))];
    }

    private string TagOf(MailAddress recipient, string time)
    {
        // Servers on the way may change the case.
        var bound = $"processed/1\n{time}\n{recipient.LocalPart.ToLowerInvariant()}@{recipient.Domain.Ascii.ToLowerInvariant()}";
        return Base64Url.EncodeToString(hmac(Encoding.UTF8.GetBytes(bound)).AsSpan(0, TagLength));
    }
}
