using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.KdcCore;
using Microsoft.AspNetCore.Http;

namespace GatewaySecure.KdcServer.Http;

/// <summary>What TLS tells of a peer. Any client certificate is let in by TLS; the principal's record says what it is worth.</summary>
internal static class PeerIdentity
{
    public static KdcPeer Of(HttpContext context) => new(context.Connection.ClientCertificate?.GetCertHashString(HashAlgorithmName.SHA256));

    /// <summary>One limit for each address; a host has a whole /64 of IPv6.</summary>
    public static IPAddress LimitKey(IPAddress? peer)
    {
        var address = peer ?? IPAddress.None;
        if (address.IsIPv4MappedToIPv6)
            return address.MapToIPv4();
        if (address.AddressFamily != System.Net.Sockets.AddressFamily.InterNetworkV6)
            return address;
        var octets = address.GetAddressBytes();
        octets.AsSpan(8).Clear();
        return new IPAddress(octets);
    }
}
