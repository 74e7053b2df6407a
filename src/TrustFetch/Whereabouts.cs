using System.Net;
using System.Net.Sockets;

namespace GatewaySecure.TrustFetch;

/// <summary>
/// Which machines an address in a certificate may lead to. Whoever issues a certificate writes its addresses, so without the administrator's
/// word none of them makes us call ourselves, the own net or a cloud's metadata.
/// </summary>
internal static class Whereabouts
{
    public static bool IsPublic(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        if (IPAddress.IsLoopback(address) || address.IsIPv6LinkLocal || address.IsIPv6SiteLocal || address.IsIPv6Multicast || address.IsIPv6UniqueLocal
            || address.Equals(IPAddress.IPv6Any))
        {
            return false;
        }
        if (address.AddressFamily != AddressFamily.InterNetwork)
            return true;
        var octets = address.GetAddressBytes();
        return octets[0] switch
        {
            0 or 10 or 127 or >= 224 => false,
            100 => octets[1] is < 64 or > 127,
            169 => octets[1] != 254,
            172 => octets[1] is < 16 or > 31,
            192 => octets[1] != 168,
            198 => octets[1] is not (18 or 19),
            _ => true,
        };
    }

    /// <summary>Looked up once: what was looked at is what is connected to.</summary>
    /// <exception cref="SocketException">The name has no address, or none that may be visited.</exception>
    public static async ValueTask<IPAddress[]> FindAsync(string host, bool anywhere, CancellationToken cancellationToken)
    {
        var addresses = await Dns.GetHostAddressesAsync(host.Trim('[', ']'), cancellationToken);
        var allowed = anywhere ? addresses : [.. addresses.Where(IsPublic)];
        if (allowed.Length == 0)
            throw new ForbiddenAddressException(host);
        return allowed;
    }
}

/// <summary>An address in a certificate leads where it may not.</summary>
internal sealed class ForbiddenAddressException(string host)
    : IOException($"{host} is on this machine or its own net, and only an address that the configuration names may lead there");
