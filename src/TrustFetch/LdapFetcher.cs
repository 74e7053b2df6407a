using System.DirectoryServices.Protocols;
using System.Net;
using System.Net.Sockets;

namespace GatewaySecure.TrustFetch;

/// <summary>Reads one attribute of one entry, as an LDAP URL names it (RFC 4516; RFC 5280 §4.2.1.13), anonymously, bounded in time and octets.</summary>
public sealed class LdapFetcher(FetchLimits limits)
{
    private const string DefaultAttribute = "certificateRevocationList;binary";

    public async Task<FetchResult> GetAsync(FetchSource source, CancellationToken cancellationToken)
    {
        if (!LdapAddress.TryParse(source.Address, out var address))
            return new FetchResult.Failed("it is no LDAP address of one entry");
        try
        {
            var host = await ReachAsync(source, address.Port, cancellationToken);
            return await Task.Run(() => Read(address, source.Address.Scheme == "ldaps" ? source.Address.Host : host.ToString()), cancellationToken)
                .WaitAsync(limits.Time + limits.Connect, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return new FetchResult.Failed($"the directory {source.Address.Host} can't be read: it did not answer in time");
        }
        catch (Exception e) when (e is LdapException or DirectoryOperationException or IOException or SocketException or DllNotFoundException)
        {
            return new FetchResult.Failed($"the directory {source.Address.Host} can't be read: {e.Message.TrimEnd('.')}");
        }
    }

    /// <summary>The library knows no time limit to connect, so it is tried before.</summary>
    private async Task<IPAddress> ReachAsync(FetchSource source, int port, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(limits.Connect);
        var addresses = await Whereabouts.FindAsync(source.Address.Host, source.IsListed, limit.Token);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(addresses, port, limit.Token);
        var reached = ((IPEndPoint)socket.RemoteEndPoint!).Address;
        return reached.IsIPv4MappedToIPv6 ? reached.MapToIPv4() : reached;
    }

    private FetchResult Read(LdapAddress address, string host)
    {
        using var connection = new LdapConnection(new LdapDirectoryIdentifier(host, address.Port)) { AuthType = AuthType.Anonymous, Timeout = limits.Time, AutoBind = false };
        connection.SessionOptions.ProtocolVersion = 3;
        connection.SessionOptions.SecureSocketLayer = address.IsTls;
        // No bind: RFC 4511 §4.2.1 takes who does not bind as anonymous, and the library's bind knows no time limit.
        var request = new SearchRequest(address.Entry, address.Filter, SearchScope.Base, address.Attribute) { SizeLimit = 1, TimeLimit = limits.Time };
        var response = (SearchResponse)connection.SendRequest(request, limits.Time);
        if (response.Entries.Count == 0)
            return new FetchResult.Failed("the directory has no such entry");
        var values = response.Entries[0].Attributes.Values.Cast<DirectoryAttribute>()
            .FirstOrDefault(a => Bare(a.Name).Equals(Bare(address.Attribute), StringComparison.OrdinalIgnoreCase))?.GetValues(typeof(byte[]));
        if (values is not [byte[] content, ..])
            return new FetchResult.Failed($"the entry has no {address.Attribute}");
        return content.Length > limits.MaximumOctets
            ? new FetchResult.Failed($"its answer is longer than {limits.MaximumOctets} octets")
            : new FetchResult.Fetched(content, new(null, null));
    }

    private static string Bare(string attribute) => attribute.Split(';')[0];

    /// <summary>The parts of an LDAP URL.</summary>
    private sealed record LdapAddress(int Port, bool IsTls, string Entry, string Attribute, string Filter)
    {
        public static bool TryParse(Uri uri, out LdapAddress address)
        {
            var isTls = uri.Scheme == "ldaps";
            var parts = uri.Query.TrimStart('?').Split('?');
            var scope = parts.ElementAtOrDefault(1) ?? "";
            var attribute = Uri.UnescapeDataString(parts[0]);
            address = new(
                uri.IsDefaultPort || uri.Port <= 0 ? (isTls ? 636 : 389) : uri.Port,
                isTls,
                Uri.UnescapeDataString(uri.AbsolutePath.TrimStart('/')),
                attribute.Length > 0 ? attribute : DefaultAttribute,
                parts.ElementAtOrDefault(2) is { Length: > 0 } filter ? Uri.UnescapeDataString(filter) : "(objectClass=*)");
            return address.Entry.Length > 0 && !attribute.Contains(',', StringComparison.Ordinal)
                && (scope.Length == 0 || scope.Equals("base", StringComparison.OrdinalIgnoreCase));
        }
    }
}
