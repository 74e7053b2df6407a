using System.Net;
using System.Net.Sockets;
using GatewaySecure.Dns;

namespace GatewaySecure.MailAuthentication.Tests;

/// <summary>A DNS in which every look-up of a DKIM key fails, and the rest is as it is: one server's outage, which a private DNS can't have in parts.</summary>
internal sealed class KeylessDns(IDnsResolver dns) : IDnsResolver
{
    public ValueTask<DnsAnswer<string>> TxtAsync(string name, CancellationToken cancellationToken) =>
        name.Contains("._domainkey.", StringComparison.Ordinal) ? new(new DnsFailed<string>("no answer in time")) : dns.TxtAsync(name, cancellationToken);

    public ValueTask<DnsAnswer<MailExchanger>> MxAsync(string name, CancellationToken cancellationToken) => dns.MxAsync(name, cancellationToken);

    public ValueTask<DnsAnswer<IPAddress>> AddressesAsync(string name, AddressFamily family, CancellationToken cancellationToken) =>
        dns.AddressesAsync(name, family, cancellationToken);

    public ValueTask<DnsAnswer<TlsaAssociation>> TlsaAsync(string name, CancellationToken cancellationToken) => dns.TlsaAsync(name, cancellationToken);

    public ValueTask<DnsAnswer<string>> CnameAsync(string name, CancellationToken cancellationToken) => dns.CnameAsync(name, cancellationToken);

    public ValueTask<DnsAnswer<string>> PtrAsync(IPAddress address, CancellationToken cancellationToken) => dns.PtrAsync(address, cancellationToken);
}
