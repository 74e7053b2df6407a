using System.Collections.Concurrent;
using System.Net;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>Counts open connections, in all and for each address (an IPv6 /64 counts as one). Thread-safe.</summary>
internal sealed class ConnectionLimiter(int maximum, int maximumPerAddress)
{
    private readonly ConcurrentDictionary<IPAddress, int> _perAddress = new();
    private int _total;

    /// <summary>A place, given back on disposal; or null and the reason in plain words.</summary>
    public IDisposable? TryEnter(IPAddress address, out string? refusal)
    {
        var key = KeyOf(address);
        refusal = null;
        if (Interlocked.Increment(ref _total) > maximum)
            refusal = "Too many connections, try again later";
        else if (_perAddress.AddOrUpdate(key, 1, (_, n) => n + 1) is var count && count > maximumPerAddress)
        {
            refusal = "Too many connections from your address";
            LeaveAddress(key);
        }
        if (refusal is null)
            return new Place(this, key);
        Interlocked.Decrement(ref _total);
        return null;
    }

    private static IPAddress KeyOf(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            return address.MapToIPv4();
        if (address.AddressFamily != System.Net.Sockets.AddressFamily.InterNetworkV6)
            return address;
        var octets = address.GetAddressBytes();
        octets.AsSpan(8).Clear();
        return new IPAddress(octets);
    }

    private void LeaveAddress(IPAddress key)
    {
        // Removes the entry with the last connection, or the table would grow with every address ever seen.
        while (_perAddress.TryGetValue(key, out var count))
        {
            if (count == 1 ? _perAddress.TryRemove(new(key, 1)) : _perAddress.TryUpdate(key, count - 1, count))
                return;
        }
    }

    private sealed class Place(ConnectionLimiter owner, IPAddress key) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) != 0)
                return;
            owner.LeaveAddress(key);
            Interlocked.Decrement(ref owner._total);
        }
    }
}
