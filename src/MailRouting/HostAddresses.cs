using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using GatewaySecure.Dns;

namespace GatewaySecure.MailRouting;

/// <summary>The addresses of one host, and how far the DNS can be believed about them.</summary>
/// <param name="Addresses">IPv6 first; a bounded number of each family.</param>
/// <param name="CanonicalName">What the host is an alias of, or its own name.</param>
/// <param name="IsAuthenticated">All of the addresses are, and the aliases that led to them.</param>
/// <param name="Problem">Why there is none.</param>
/// <param name="IsCertain">There is none, and that is sure.</param>
internal sealed record HostAddresses(
    ImmutableArray<IPAddress> Addresses, string CanonicalName, bool IsAuthenticated, string? Problem, bool IsCertain)
{
    private const int MostOfAFamily = 8;

    public static async Task<HostAddresses> LookUpAsync(IDnsResolver dns, string host, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(host, out var literal))
            return new HostAddresses([literal], host, IsAuthenticated: false, null, IsCertain: true);
        var six = dns.AddressesAsync(host, AddressFamily.InterNetworkV6, cancellationToken).AsTask();
        var four = dns.AddressesAsync(host, AddressFamily.InterNetwork, cancellationToken).AsTask();
        DnsAnswer<IPAddress>[] answers = await Task.WhenAll(six, four);
        var found = answers.OfType<DnsFound<IPAddress>>().ToList();
        if (found.Count > 0)
        {
            return new HostAddresses(
                [.. found.SelectMany(f => f.Records.Take(MostOfAFamily))],
                found[0].CanonicalName,
                found.All(f => f.IsAuthenticated && f.CanonicalName == found[0].CanonicalName),
                null,
                IsCertain: true);
        }
        var failed = answers.OfType<DnsFailed<IPAddress>>().FirstOrDefault();
        return new HostAddresses([], host, IsAuthenticated: false, failed?.Reason ?? $"{host} has no address", failed is null);
    }
}
