using System.Collections.Immutable;
using GatewaySecure.Dns;

namespace GatewaySecure.MailRouting.Dane;

/// <summary>What the DNS says of a host's TLSA records.</summary>
internal abstract record DaneAnswer;

/// <summary>None that DNSSEC proves: DANE does not apply.</summary>
internal sealed record NoDane : DaneAnswer;

/// <summary>Records, proved.</summary>
internal sealed record DaneFound(string BaseDomain, TlsaSet Records) : DaneAnswer;

/// <summary>There may be some, and an attacker may be hiding them: the host is not to be used now (RFC 7672 §2.1.2, §2.2).</summary>
internal sealed record DaneUnknown(string BaseDomain, string Reason) : DaneAnswer;

/// <summary>Finds the TLSA records of a host whose name DNSSEC proved (RFC 7672 §2.2.3).</summary>
internal static class DaneLookup
{
    public static async Task<DaneAnswer> FindAsync(IDnsResolver dns, string host, HostAddresses addresses, CancellationToken cancellationToken)
    {
        string[] candidates;
        if (addresses.IsAuthenticated)
        {
            // What the alias leads to comes first, then the alias itself.
            candidates = addresses.CanonicalName == host ? [host] : [addresses.CanonicalName, host];
        }
        else if (addresses.CanonicalName != host)
        {
            // The alias itself may be in a signed zone though it leads out of it.
            var alias = await dns.CnameAsync(host, cancellationToken);
            if (alias is DnsFailed<string> failed)
                return new DaneUnknown(host, failed.Reason);
            candidates = alias is DnsFound<string> { IsAuthenticated: true } ? [host] : [];
        }
        else
        {
            candidates = [];
        }
        foreach (var name in candidates)
        {
            switch (await dns.TlsaAsync($"_25._tcp.{name}", cancellationToken))
            {
                case DnsFailed<TlsaAssociation> failed:
                    return new DaneUnknown(name, failed.Reason);
                case DnsFound<TlsaAssociation> { IsAuthenticated: true } found:
                    return new DaneFound(name, new TlsaSet(found.Records));
            }
        }
        return new NoDane();
    }
}
