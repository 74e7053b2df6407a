using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.TrustFetch;

/// <summary>Where something is fetched.</summary>
/// <param name="Address"><c>http</c>, <c>https</c>, <c>ldap</c> or <c>ldaps</c>.</param>
/// <param name="IsListed">The administrator named it, so it may be anywhere; one that a certificate names may not lead to this machine or its net.</param>
/// <param name="Every">How often it is asked at least.</param>
public sealed record FetchSource(Uri Address, bool IsListed, TimeSpan Every)
{
    /// <summary>A short name for files and jobs, the same for the same address.</summary>
    public string Key => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Address.AbsoluteUri)).AsSpan(0, 8));

    public static bool IsFetchable(Uri address) =>
        address is { IsAbsoluteUri: true, Host.Length: > 0 } && address.Scheme is "http" or "https" or "ldap" or "ldaps" && address.UserInfo.Length == 0;
}

/// <summary>How much and how long.</summary>
public sealed record FetchLimits
{
    /// <summary>Octets of an answer; the longest public CRLs have some ten million.</summary>
    public long MaximumOctets { get; init; } = 64L << 20;

    /// <summary>For the whole fetch, redirects included.</summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>To connect.</summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>What an earlier fetch left to ask by (RFC 9110 §13.1).</summary>
public sealed record Validators(string? ETag, DateTimeOffset? LastModified);

/// <summary>What came of a fetch.</summary>
public abstract record FetchResult
{
    private FetchResult() { }

    public sealed record Fetched(byte[] Content, Validators Validators) : FetchResult;

    /// <summary>The server says that what we have is still what it has.</summary>
    public sealed record NotModified : FetchResult;

    /// <param name="Reason">One plain sentence without its full stop.</param>
    public sealed record Failed(string Reason) : FetchResult;
}
