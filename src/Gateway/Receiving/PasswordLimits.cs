using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>
/// How often wrong passwords may be tried: from one address, and for one account from wherever. An account's own limit does not stop
/// addresses that proved its password before, nor our own networks, so that strangers can't lock its user out. Thread-safe.
/// </summary>
/// <param name="byAddress">Of <see cref="Traffic.WrongPassword"/>.</param>
/// <param name="perUser">Null: no limit.</param>
/// <param name="capacity">Of how many names it knows; an unknown one is treated like any, so that nobody can tell them apart.</param>
internal sealed class PasswordLimits(RateLimiter byAddress, Rate? perUser, TimeProvider time, int capacity = 50_000)
{
    private const int KnownPerUser = 16;

    private readonly Lock _gate = new();
    private readonly RecentTable<UserKey, TokenBucket[]> _byUser = new(capacity, () => new TokenBucket[1]);

    /// <summary>Of accounts only, since a right password put them there. The newest comes last.</summary>
    private readonly Dictionary<string, List<IPAddress>> _known = new(StringComparer.Ordinal);

    /// <summary>A password is about to be looked at; <see cref="WasRight"/> takes it back.</summary>
    /// <param name="isOwnNetwork">The address is one of ours.</param>
    public PasswordTry Begin(IPAddress address, string user, bool isOwnNetwork)
    {
        if (byAddress.TryTake(Traffic.WrongPassword, address) is { } reason)
            return new PasswordTry(reason, false);
        lock (_gate)
        {
            if (perUser is null || isOwnNetwork || (_known.TryGetValue(user, out var known) && known.Contains(AddressKey.Of(address))))
                return new PasswordTry(null, false);
            if (_byUser.Get(UserKey.Of(user))[0].TryTake(perUser, time.GetTimestamp(), time))
                return new PasswordTry(null, true);
        }
        byAddress.GiveBack(Traffic.WrongPassword, address);
        return new PasswordTry("Too many wrong passwords for this account, try again later", false);
    }

    public void WasRight(IPAddress address, string user, PasswordTry begun)
    {
        byAddress.GiveBack(Traffic.WrongPassword, address);
        lock (_gate)
        {
            if (begun.CountsForUser && _byUser.TryFind(UserKey.Of(user), out var bucket))
                bucket[0].GiveBack();
            if (!_known.TryGetValue(user, out var known))
                _known[user] = known = [];
            known.Remove(AddressKey.Of(address));
            known.Add(AddressKey.Of(address));
            if (known.Count > KnownPerUser)
                known.RemoveAt(0);
        }
    }

    /// <summary>Wrong ones from that address that still count.</summary>
    public int Taken(IPAddress address) => byAddress.Taken(Traffic.WrongPassword, address);

    /// <summary>A name of any length in few octets.</summary>
    private readonly record struct UserKey(UInt128 Hash)
    {
        public static UserKey Of(string user) => new(BitConverter.ToUInt128(SHA256.HashData(Encoding.UTF8.GetBytes(user))));
    }
}

/// <summary>One password that is to be looked at.</summary>
/// <param name="Refusal">In plain words; null: it may be looked at.</param>
/// <param name="CountsForUser">Until it proves right.</param>
internal readonly record struct PasswordTry(string? Refusal, bool CountsForUser);
