using System.Collections.Frozen;
using System.Net;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>What is counted per time.</summary>
internal enum Traffic
{
    Connection,
    Message,
    Recipient,

    /// <summary>A protocol error, or a recipient that is refused.</summary>
    Error,
    WrongPassword,
}

/// <summary>
/// Rates in all and for each address. What it knows of addresses is bounded: the one that was silent longest is forgotten
/// first, and with it what it had taken. Thread-safe.
/// </summary>
/// <param name="inAll">What has no entry is not limited.</param>
/// <param name="perAddress">The same for each <see cref="AddressKey"/>.</param>
/// <param name="capacity">Of how many addresses it knows.</param>
internal sealed class RateLimiter(
    IReadOnlyDictionary<Traffic, Rate> inAll, IReadOnlyDictionary<Traffic, Rate> perAddress, TimeProvider time, int capacity = 50_000)
{
    private static readonly int Kinds = Enum.GetValues<Traffic>().Length;

    private readonly Lock _gate = new();
    private readonly FrozenDictionary<Traffic, Rate> _inAll = inAll.ToFrozenDictionary();
    private readonly FrozenDictionary<Traffic, Rate> _perAddress = perAddress.ToFrozenDictionary();
    private readonly TokenBucket[] _all = new TokenBucket[Kinds];
    private readonly RecentTable<IPAddress, TokenBucket[]> _byAddress = new(capacity, () => new TokenBucket[Kinds]);

    /// <summary>Addresses that it knows something of.</summary>
    public int Known
    {
        get
        {
            lock (_gate)
                return _byAddress.Count;
        }
    }

    /// <summary>Takes one of that kind; null: done. Otherwise nothing was taken, and the reason in plain words.</summary>
    public string? TryTake(Traffic kind, IPAddress address)
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            if (_inAll.TryGetValue(kind, out var all) && !_all[(int)kind].HasAny(all, now, time))
                return $"Too many {Name(kind)} in all, try again later";
            if (_perAddress.TryGetValue(kind, out var own) && !Bucket(kind, address).TryTake(own, now, time))
                return TooMany(kind);
            if (all is not null)
                _all[(int)kind].TryTake(all, now, time);
            return null;
        }
    }

    /// <summary>The same, without taking.</summary>
    public string? Look(Traffic kind, IPAddress address)
    {
        lock (_gate)
        {
            // An address that nothing is known of has taken nothing.
            if (!_perAddress.TryGetValue(kind, out var own) || !_byAddress.TryFind(AddressKey.Of(address), out var buckets))
                return null;
            return buckets[(int)kind].HasAny(own, time.GetTimestamp(), time) ? null : TooMany(kind);
        }
    }

    /// <summary>What was taken last for that address turned out not to count.</summary>
    public void GiveBack(Traffic kind, IPAddress address)
    {
        lock (_gate)
        {
            if (_byAddress.TryFind(AddressKey.Of(address), out var buckets))
                buckets[(int)kind].GiveBack();
            _all[(int)kind].GiveBack();
        }
    }

    /// <summary>How many that address has taken and not got back yet, as of the last look.</summary>
    public int Taken(Traffic kind, IPAddress address)
    {
        lock (_gate)
            return _byAddress.TryFind(AddressKey.Of(address), out var buckets) ? buckets[(int)kind].Taken : 0;
    }

    private static string TooMany(Traffic kind) => $"Too many {Name(kind)} from your address, try again later";

    private static string Name(Traffic kind) => kind switch
    {
        Traffic.Connection => "new connections",
        Traffic.Message => "messages",
        Traffic.Recipient => "recipients",
        Traffic.Error => "errors",
        _ => "wrong passwords",
    };

    private ref TokenBucket Bucket(Traffic kind, IPAddress address) => ref _byAddress.Get(AddressKey.Of(address))[(int)kind];
}
