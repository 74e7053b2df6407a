using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>
/// What one DKIM-Signature, ARC-Message-Signature or ARC-Seal field says (RFC 6376 §3.5, RFC 8617 §4.1), as far as it is needed to verify it.
/// </summary>
internal sealed record DkimSignature
{
    private const int MaximumSignedFields = 256;

    public required MessageField Field { get; init; }

    public required TagList Tags { get; init; }

    public required string Domain { get; init; }

    public required string Selector { get; init; }

    /// <summary><c>rsa-sha256</c> or <c>ed25519-sha256</c>.</summary>
    public required string Algorithm { get; init; }

    public required byte[] Signature { get; init; }

    public required Canonicalisation HeaderWay { get; init; }

    public required Canonicalisation BodyWay { get; init; }

    /// <summary>h=; empty for a seal, which has none.</summary>
    public required string[] SignedFields { get; init; }

    /// <summary>bh=; empty for a seal.</summary>
    public required byte[] BodyHash { get; init; }

    /// <summary>l=, in octets of the canonical body.</summary>
    public required long? BodyLimit { get; init; }

    /// <summary>What readers see of it (RFC 6008).</summary>
    public string Start => Tags.Compact("b")![..Math.Min(8, Tags.Compact("b")!.Length)];

    /// <param name="kind">Seals have neither body nor list of fields.</param>
    /// <param name="problem">Why it is none.</param>
    public static bool TryParse(
        MessageField field, SignatureKind kind, DateTimeOffset now, [NotNullWhen(true)] out DkimSignature? signature, out DkimResult problem)
    {
        signature = null;
        problem = new DkimResult(AuthenticationResult.PermError, "the signature's list of tags is malformed");
        if (!Ascii.IsValid(field.Raw.Span) || !TagList.TryParse(field.Value, out var tags))
            return false;
        var domain = tags.Compact("d")?.ToLowerInvariant();
        var selector = tags.Compact("s")?.ToLowerInvariant();
        var known = (DomainNames.IsName(domain) ? domain : null, DomainNames.IsName(selector) ? selector : null);
        var reason = Objection(tags, kind, known.Item1, known.Item2);
        problem = new DkimResult(AuthenticationResult.PermError, reason ?? "", known.Item1, known.Item2);
        if (reason is not null)
            return false;
        if (Expired(tags, now) is { } expired)
        {
            problem = problem with { Result = expired.Result, Reason = expired.Reason };
            return false;
        }
        var ways = (tags.Compact("c") ?? (kind == SignatureKind.Seal ? "relaxed/relaxed" : "simple/simple")).Split('/');
        signature = new DkimSignature
        {
            Field = field,
            Tags = tags,
            Domain = domain!,
            Selector = selector!,
            Algorithm = tags["a"]!.ToLowerInvariant(),
            Signature = TagList.Base64(tags.Compact("b"))!,
            HeaderWay = WayOf(ways[0])!.Value,
            BodyWay = ways.Length > 1 ? WayOf(ways[1])!.Value : Canonicalisation.Simple,
            SignedFields = tags.Words("h") ?? [],
            BodyHash = TagList.Base64(tags.Compact("bh")) ?? [],
            BodyLimit = tags["l"] is { } limit ? long.Parse(limit, CultureInfo.InvariantCulture) : null,
        };
        return true;
    }

    // RFC 6376 §6.1.1: each of these makes it PERMFAIL.
    private static string? Objection(TagList tags, SignatureKind kind, string? domain, string? selector)
    {
        if (kind == SignatureKind.Dkim && tags["v"] != "1")
            return "the signature is not of version 1";
        if (domain is null || selector is null)
            return "the signature names no domain and selector";
        var algorithm = tags["a"]?.ToLowerInvariant();
        if (algorithm == "rsa-sha1")
            return "rsa-sha1 is no longer good enough (RFC 8301)";
        if (algorithm is not ("rsa-sha256" or "ed25519-sha256"))
            return "the signature's algorithm is not known";
        if (TagList.Base64(tags.Compact("b")) is null)
            return "the signature is not base64";
        if (kind == SignatureKind.Seal)
            return tags["h"] is null ? null : "a seal has no list of fields";
        if (TagList.Base64(tags.Compact("bh")) is not { Length: 32 })
            return "the body's hash is not one of SHA-256";
        var ways = (tags.Compact("c") ?? "simple").Split('/');
        if (ways.Length > 2 || ways.Any(w => WayOf(w) is null))
            return "the canonicalisation is not known";
        if (tags.Words("h") is not { Length: > 0 and <= MaximumSignedFields } fields)
            return "the signature does not say which fields it covers";
        if (!fields.Contains("from", StringComparer.OrdinalIgnoreCase))
            return "the From field is not signed";
        if (tags["l"] is { } limit && !(limit.Length is > 0 and < 16 && limit.All(char.IsAsciiDigit)))
            return "the signed length is no number";
        if (tags.Words("q") is { } ways2 && !ways2.Contains("dns/txt", StringComparer.OrdinalIgnoreCase))
            return "the key is not in the DNS";
        return kind == SignatureKind.Dkim && IdentityIsForeign(tags, domain) ? "the signing identity is not of the signing domain" : null;
    }

    private static bool IdentityIsForeign(TagList tags, string domain)
    {
        if (tags.Compact("i") is not { } identity)
            return false;
        var at = identity.LastIndexOf('@');
        return at < 0 || !DomainNames.IsSameOrBelow(identity[(at + 1)..].ToLowerInvariant(), domain);
    }

    private static (AuthenticationResult Result, string Reason)? Expired(TagList tags, DateTimeOffset now)
    {
        if (tags["x"] is not { } until)
            return null;
        if (!long.TryParse(until, NumberStyles.None, CultureInfo.InvariantCulture, out var expires))
            return (AuthenticationResult.PermError, "the signature's expiry is no number");
        if (long.TryParse(tags["t"], NumberStyles.None, CultureInfo.InvariantCulture, out var made) && expires <= made)
            return (AuthenticationResult.PermError, "the signature expired before it was made");
        return expires < now.ToUnixTimeSeconds() ? (AuthenticationResult.Fail, "the signature has expired") : null;
    }

    private static Canonicalisation? WayOf(string name) => name.ToLowerInvariant() switch
    {
        "simple" => Canonicalisation.Simple,
        "relaxed" => Canonicalisation.Relaxed,
        _ => null,
    };
}

/// <summary>The three fields that are written in the same way.</summary>
internal enum SignatureKind
{
    Dkim,
    ArcMessage,
    Seal,
}
