using System.Collections.Concurrent;
using System.Net;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>Counts open connections, in all and for each address (<see cref="AddressKey"/>). Thread-safe.</summary>
internal sealed class ConnectionLimiter(int maximum, int maximumPerAddress)
{
    private readonly ConcurrentDictionary<IPAddress, int> _perAddress = new();
    private int _total;

    /// <summary>A place among all, given back on disposal; null: there is none.</summary>
    public Place? TryEnter()
    {
        if (Interlocked.Increment(ref _total) <= maximum)
            return new Place(this);
        Interlocked.Decrement(ref _total);
        return null;
    }

    private bool TryEnterAddress(IPAddress key)
    {
        if (_perAddress.AddOrUpdate(key, 1, (_, n) => n + 1) <= maximumPerAddress)
            return true;
        LeaveAddress(key);
        return false;
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

    /// <summary>One connection's place. Of one owner.</summary>
    internal sealed class Place(ConnectionLimiter owner) : IDisposable
    {
        private IPAddress? _address;
        private bool _left;

        /// <summary>Counts for that address from now on, and for no other; false: it has too many, and this counts for none.</summary>
        public bool TryMoveTo(IPAddress address)
        {
            MoveToNobody();
            var key = AddressKey.Of(address);
            if (!owner.TryEnterAddress(key))
                return false;
            _address = key;
            return true;
        }

        /// <summary>Counts among all only.</summary>
        public void MoveToNobody()
        {
            if (_address is not null)
                owner.LeaveAddress(_address);
            _address = null;
        }

        public void Dispose()
        {
            if (_left)
                return;
            _left = true;
            MoveToNobody();
            Interlocked.Decrement(ref owner._total);
        }
    }
}
