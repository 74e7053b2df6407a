using System.Collections.Concurrent;
using System.Net;
using GatewaySecure.KdcServer.Http;
using Microsoft.AspNetCore.Connections;

namespace GatewaySecure.KdcServer.Hosting;

/// <summary>
/// Bounds how many connections one address holds at a time, before TLS begins: so a single stranger can't take all that the server has. One too
/// many is closed without a word.
/// </summary>
internal sealed class ConnectionLimit(int perAddress)
{
    private readonly ConcurrentDictionary<IPAddress, int> _open = new();

    public ConnectionDelegate Around(ConnectionDelegate next) => async connection =>
    {
        var key = PeerIdentity.LimitKey((connection.RemoteEndPoint as IPEndPoint)?.Address);
        var count = _open.AddOrUpdate(key, 1, (_, n) => n + 1);
        try
        {
            if (count <= perAddress)
                await next(connection);
        }
        finally
        {
            // Forgotten at zero, or addresses would pile up.
            if (_open.AddOrUpdate(key, 0, (_, n) => n - 1) == 0)
                _open.TryRemove(new KeyValuePair<IPAddress, int>(key, 0));
        }
    };
}
