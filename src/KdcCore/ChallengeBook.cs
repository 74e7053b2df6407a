using System.Security.Cryptography;

namespace GatewaySecure.KdcCore;

/// <summary>
/// Makes challenges and knows them again. Making one stores nothing: a cookie under a key of this process marks it. Only a
/// challenge that was answered with a good MAC is remembered, until it expires, so strangers can't fill the memory.
/// After a restart the key is new, and every earlier challenge is void.
/// </summary>
internal sealed class ChallengeBook(TimeProvider time)
{
    /// <summary>Answered challenges remembered at the same time; above it the KDC asks to come later.</summary>
    public const int Capacity = 1 << 18;

    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(60);

    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private readonly HashSet<UInt128> _used = [];
    private readonly PriorityQueue<UInt128, DateTimeOffset> _expiry = new();
    private readonly Lock _lock = new();

    public ChallengeContext Make(Realm realm, PrincipalId principal, int kvno)
    {
        var challenge = new ChallengeContext(
            realm, principal, kvno, Der.WholeSeconds(time.GetUtcNow() + Lifetime), Id128.Random(), new byte[ChallengeContext.CookieSize]);
        return challenge with { Cookie = Cookie(challenge) };
    }

    /// <summary>Made here, and not expired.</summary>
    public bool Knows(ChallengeContext challenge) =>
        CryptographicOperations.FixedTimeEquals(Cookie(challenge), challenge.Cookie.Span) && time.GetUtcNow() <= challenge.ExpiresAt;

    /// <summary>True for the first caller; false for a replay; null where the book is full.</summary>
    public bool? Use(ChallengeContext challenge)
    {
        lock (_lock)
        {
            var now = time.GetUtcNow();
            while (_expiry.TryPeek(out var oldest, out var end) && end < now)
            {
                _expiry.Dequeue();
                _used.Remove(oldest);
            }
            // Expired between Knows and here: its mark may be gone already.
            if (challenge.ExpiresAt < now)
                return false;
            if (_used.Contains(challenge.Id))
                return false;
            if (_used.Count >= Capacity)
                return null;
            _used.Add(challenge.Id);
            _expiry.Enqueue(challenge.Id, challenge.ExpiresAt);
            return true;
        }
    }

    private byte[] Cookie(ChallengeContext challenge) =>
        HMACSHA256.HashData(_key, (challenge with { Cookie = new byte[ChallengeContext.CookieSize] }).Encode());
}
