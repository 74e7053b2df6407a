using System.Collections.Immutable;
using System.Security.Cryptography;

namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>SHA-256 over the header fields that a signature covers (RFC 6376 §3.7).</summary>
internal static class HeaderDigest
{
    /// <param name="own">The signature's own field, b= empty or not.</param>
    public static byte[] Of(ImmutableArray<MessageField> fields, IEnumerable<string> names, ReadOnlySpan<byte> own, Canonicalisation way)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        // RFC 6376 §5.4.2: of fields with the same name, from the last one up; a name too many stands for nothing.
        var unused = fields
            .GroupBy(f => f.Name, StringComparer.OrdinalIgnoreCase)
            .ToDictionary(g => g.Key, g => new Stack<MessageField>(g), StringComparer.OrdinalIgnoreCase);
        foreach (var name in names)
        {
            if (unused.TryGetValue(name, out var left) && left.TryPop(out var field))
                hash.AppendData(Canonical.Field(field.Raw.Span, way));
        }
        hash.AppendData(Canonical.WithoutSignature(own, way));
        return hash.GetHashAndReset();
    }
}
