using System.Collections.Immutable;
using System.Net.Sockets;
using GatewaySecure.Dns;

namespace GatewaySecure.MailAuthentication.Dmarc;

/// <summary>
/// DMARC as RFC 9989 has it: records and organisational domains are found by walking up the DNS tree, so that no list of public suffixes is
/// needed that grows old. One object for one mail.
/// </summary>
internal sealed class DmarcVerifier(IDnsResolver dns, CancellationToken cancellationToken)
{
    /// <summary>RFC 9989 §4.10: of longer names only so many labels are walked.</summary>
    private const int LongestWalk = 7;

    private readonly Dictionary<string, (ImmutableArray<DmarcRecord> Records, string? Failure)> _walks = [];

    /// <param name="fromDomains">Of the From field, in A-labels and lower case.</param>
    /// <remarks>RFC 9989 §5.3.1: of several domains each one is looked at, and the worst holds.</remarks>
    public async ValueTask<DmarcResult> CheckAsync(IReadOnlyCollection<string> fromDomains, SpfResult spf, ImmutableArray<DkimResult> dkim)
    {
        if (fromDomains.Count == 0)
            return new DmarcResult(AuthenticationResult.PermError, "the From field names no domain");
        DmarcResult? worst = null;
        foreach (var domain in fromDomains)
        {
            var result = await CheckAsync(domain, spf, dkim);
            if (worst is null || Weight(result) > Weight(worst))
                worst = result;
        }
        return worst!;
    }

    private static int Weight(DmarcResult result) => result.Result switch
    {
        AuthenticationResult.Fail => 3 + (int)result.Policy,
        AuthenticationResult.TempError => 2,
        AuthenticationResult.None => 1,
        _ => 0,
    };

    private async ValueTask<DmarcResult> CheckAsync(string from, SpfResult spf, ImmutableArray<DkimResult> dkim)
    {
        var (walk, failure) = await WalkAsync(from);
        if (failure is not null)
            return new DmarcResult(AuthenticationResult.TempError, failure, from);
        var organisation = OrganisationOf(from, walk);
        // RFC 9989 §4.10.1: the From domain's own record, then its organisation's, then the public suffix's.
        var record = walk.FirstOrDefault(r => r.Owner == from) ?? walk.FirstOrDefault(r => r.Owner == organisation) ?? walk.FirstOrDefault(r => r.IsSuffix == true);
        if (record is null)
            return new DmarcResult(AuthenticationResult.None, $"{from} publishes no DMARC record", from);
        var (policy, problem) = await PolicyForAsync(record, from);
        if (problem is not null)
            return new DmarcResult(AuthenticationResult.TempError, problem, from);

        // Where an aligned check could not be made, the mail may still be genuine.
        string? unknown = null;
        foreach (var (result, domain, strict, what) in Identifiers(record, spf, dkim))
        {
            if (result is not (AuthenticationResult.Pass or AuthenticationResult.TempError))
                continue;
            var (aligned, trouble) = await IsAlignedAsync(domain, from, organisation, strict);
            if (aligned && result == AuthenticationResult.Pass)
                return new DmarcResult(AuthenticationResult.Pass, $"{what} of {domain}", from, policy);
            if (trouble is not null || aligned)
                unknown ??= trouble ?? $"{what} of {domain} could not be checked";
        }
        return unknown is not null
            ? new DmarcResult(AuthenticationResult.TempError, unknown, from)
            : new DmarcResult(AuthenticationResult.Fail, $"neither SPF nor DKIM speaks for {from}", from, policy);
    }

    private static IEnumerable<(AuthenticationResult Result, string Domain, bool Strict, string What)> Identifiers(
        DmarcRecord record, SpfResult spf, ImmutableArray<DkimResult> dkim)
    {
        foreach (var signature in dkim.Where(d => d.Domain is not null).OrderByDescending(d => d.Result == AuthenticationResult.Pass))
            yield return (signature.Result, signature.Domain!, record.IsStrictDkim, "DKIM");
        if (spf.Domain is not null)
            yield return (spf.Result, spf.Domain, record.IsStrictSpf, "SPF");
    }

    // RFC 9989 §4.4.
    private async ValueTask<(bool Aligned, string? Failure)> IsAlignedAsync(string domain, string from, string organisation, bool strict)
    {
        if (domain == from)
            return (true, null);
        // Whose organisation it is can only be one of its own parents.
        if (strict || !DomainNames.IsSameOrBelow(domain, organisation))
            return (false, null);
        var (walk, failure) = await WalkAsync(domain);
        return failure is null ? (OrganisationOf(domain, walk) == organisation, null) : (false, failure);
    }

    private async ValueTask<(DmarcPolicy Policy, string? Failure)> PolicyForAsync(DmarcRecord record, string from)
    {
        var policy = record.Policy;
        if (record.Owner != from)
        {
            policy = record.SubdomainPolicy ?? record.Policy;
            if (record.AbsentPolicy is { } absent && absent != policy)
            {
                // RFC 9989 §3.2.13: a name for which the DNS says NXDOMAIN does not exist.
                var answer = await dns.AddressesAsync(from, AddressFamily.InterNetwork, cancellationToken);
                if (answer is DnsFailed<System.Net.IPAddress> failed)
                    return (DmarcPolicy.None, failed.Reason);
                if (answer is DnsNoSuchName<System.Net.IPAddress>)
                    policy = absent;
            }
        }
        return (record.IsTest && policy != DmarcPolicy.None ? policy - 1 : policy, null);
    }

    // RFC 9989 §4.10.2.
    private static string OrganisationOf(string domain, ImmutableArray<DmarcRecord> walk)
    {
        foreach (var record in walk)
        {
            if (record.IsSuffix == false)
                return record.Owner;
            if (record.IsSuffix == true && record.Owner != domain)
                return ChildTowards(domain, record.Owner);
        }
        return walk.IsEmpty ? domain : walk[^1].Owner;
    }

    private static string ChildTowards(string domain, string parent)
    {
        while (DomainNames.Parent(domain) != parent)
            domain = DomainNames.Parent(domain);
        return domain;
    }

    /// <summary>The records from the domain upwards, the domain's own first.</summary>
    private async ValueTask<(ImmutableArray<DmarcRecord> Records, string? Failure)> WalkAsync(string domain)
    {
        if (_walks.TryGetValue(domain, out var known))
            return known;
        var records = ImmutableArray.CreateBuilder<DmarcRecord>();
        string? failure = null;
        for (var name = domain; name.Length > 0 && failure is null; name = Next(name))
        {
            (var record, failure) = await DmarcRecord.FindAsync(name, dns, cancellationToken);
            if (record is null)
                continue;
            records.Add(record);
            // RFC 9989 §4.10: either word ends the walk.
            if (record.IsSuffix == false || (record.IsSuffix == true && name != domain))
                break;
        }
        return _walks[domain] = (records.ToImmutable(), failure);
    }

    private static string Next(string name)
    {
        do
            name = DomainNames.Parent(name);
        while (name.Count(c => c == '.') >= LongestWalk);
        return name;
    }
}
