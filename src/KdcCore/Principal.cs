using System.Collections.Immutable;
using System.Globalization;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>What a principal is for.</summary>
public enum PrincipalKind
{
    /// <summary>A person with a card: sends as himself, receives.</summary>
    User = 1,

    /// <summary>A gateway: asks on behalf of senders in its own domains, receives nothing.</summary>
    Gateway = 2,

    /// <summary>Works the card station: neither sends nor receives.</summary>
    Operator = 3,
}

/// <summary>What an operator decided; expiry is a date beside it.</summary>
public enum PrincipalStatus
{
    Active = 1,
    Suspended = 2,

    /// <summary>For ever; there is no way back.</summary>
    Revoked = 3,
}

/// <summary>A mail address and the time for which the principal holds it: from, inclusive; until, exclusive.</summary>
public sealed record HeldAddress(MailAddress Address, DateTimeOffset From, DateTimeOffset? Until)
{
    public bool IsHeldAt(DateTimeOffset time) => From <= time && (Until is not { } until || time < until);
}

/// <summary>A user, gateway or operator of the realm. A value; changes go through <see cref="KdcAdministration"/>.</summary>
/// <param name="Name">For people to read; unique among gateways.</param>
/// <param name="StatusReason">Why suspended or revoked, one plain sentence.</param>
/// <param name="Kvno">Current key version; 0 until a key was made. Older ones stay usable for exchange.</param>
/// <param name="SenderDomains">A gateway's own domains.</param>
/// <param name="Revision">Of the stored record; a change based on an outdated one is refused.</param>
public sealed record Principal(
    PrincipalId Id,
    PrincipalKind Kind,
    string Name,
    PrincipalStatus Status,
    string? StatusReason,
    DateTimeOffset StatusSince,
    DateTimeOffset? ExpiresAt,
    int Kvno,
    ImmutableArray<HeldAddress> Addresses,
    ImmutableArray<DomainName> SenderDomains,
    long Revision)
{
    /// <summary>SHA-256 of the certificates with which a gateway may come by TLS, or an operator by card; 64 hexadecimal digits in upper case each.</summary>
    public ImmutableArray<string> Certificates { get; init; } = [];

    /// <summary>Not in good standing before; null: from the beginning.</summary>
    public DateTimeOffset? ActiveFrom { get; init; }

    /// <summary>Kept for its history, and hidden; revoked as well.</summary>
    public DateTimeOffset? DeletedAt { get; init; }

    /// <summary>A gateway may fetch a key of its own once; null: nothing was allowed, or it was done.</summary>
    public PendingEnrolment? Enrolment { get; init; }

    /// <summary>Why the present card may ask for nothing, one plain sentence; mail to its holder goes on. Null: it may.</summary>
    public string? CardHold { get; init; }

    public bool Holds(MailAddress address, DateTimeOffset at) => Addresses.Any(a => a.Address.Equals(address) && a.IsHeldAt(at));

    /// <summary>Null in good standing, else why not: the end of a sentence that begins with the principal's address.</summary>
    public string? Objection(DateTimeOffset now) => Status switch
    {
        _ when DeletedAt is { } deleted => $"is deleted since {Date(deleted)}",
        PrincipalStatus.Suspended => $"is suspended since {Date(StatusSince)}{Because}",
        PrincipalStatus.Revoked => $"is revoked since {Date(StatusSince)}{Because}",
        _ when ActiveFrom is { } start && now < start => $"is not active before {Date(start)}",
        _ => ExpiresAt is { } end && end <= now ? $"is expired since {Date(end)}" : null,
    };

    private string Because => string.IsNullOrEmpty(StatusReason) ? "" : $" ({StatusReason})";

    private static string Date(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}

/// <summary>What a gateway shows to be given its key: a token that only its hash is kept of.</summary>
/// <param name="TokenHash">SHA-256 of the token's octets.</param>
/// <param name="Until">Exclusive.</param>
public sealed record PendingEnrolment(ReadOnlyMemory<byte> TokenHash, DateTimeOffset Until);
