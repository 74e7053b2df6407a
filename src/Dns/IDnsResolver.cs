using System.Net;
using System.Net.Sockets;

namespace GatewaySecure.Dns;

/// <summary>
/// Asks the DNS. Names are text, since underscores occur (<c>_25._tcp.mx.example</c>): A-labels, with or without a final dot.
/// Nothing is thrown but by cancellation: what can't be known is <see cref="DnsFailed{T}"/>, which is always temporary. Thread-safe.
/// </summary>
public interface IDnsResolver
{
    ValueTask<DnsAnswer<MailExchanger>> MxAsync(string name, CancellationToken cancellationToken);

    /// <param name="family"><see cref="AddressFamily.InterNetwork"/> asks for A, <see cref="AddressFamily.InterNetworkV6"/> for AAAA.</param>
    ValueTask<DnsAnswer<IPAddress>> AddressesAsync(string name, AddressFamily family, CancellationToken cancellationToken);

    /// <summary>Each record is one text: its character strings joined without a space (RFC 7208 §3.3, RFC 8461 §3.1).</summary>
    ValueTask<DnsAnswer<string>> TxtAsync(string name, CancellationToken cancellationToken);

    ValueTask<DnsAnswer<TlsaAssociation>> TlsaAsync(string name, CancellationToken cancellationToken);

    /// <summary>The alias itself; the other questions follow aliases.</summary>
    ValueTask<DnsAnswer<string>> CnameAsync(string name, CancellationToken cancellationToken);

    /// <summary>The names of an address, under <c>in-addr.arpa</c> or <c>ip6.arpa</c>.</summary>
    ValueTask<DnsAnswer<string>> PtrAsync(IPAddress address, CancellationToken cancellationToken);
}
