using System.Net;
using System.Net.Sockets;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>What counts as one address: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer has at least.</summary>
internal static class AddressKey
{
    public static IPAddress Of(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            return address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
            return address;
        var octets = address.GetAddressBytes();
        octets.AsSpan(8).Clear();
        return new IPAddress(octets);
    }
}
