using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using GatewaySecure.Addresses;
using GatewaySecure.Dns;

namespace GatewaySecure.MailAuthentication.Spf;

/// <summary>check_host() of RFC 7208 §4, with its limits: ten terms that ask the DNS, two answers that hold nothing.</summary>
internal sealed class SpfVerifier(IDnsResolver dns)
{
    private const int MaximumLookups = 10;
    private const int MaximumVoid = 2;
    private const int MaximumHosts = 10;
    private const string NoName = "unknown";

    /// <param name="helo">As the client gave it; null: not at all.</param>
    /// <param name="sender">Of MAIL FROM; null for <c>&lt;&gt;</c>, where HELO's name is checked (RFC 7208 §2.4).</param>
    public async ValueTask<SpfResult> CheckAsync(IPAddress client, string? helo, MailAddress? sender, CancellationToken cancellationToken)
    {
        var address = client.IsIPv4MappedToIPv6 ? client.MapToIPv4() : client;
        var domain = (sender?.Domain.Ascii ?? helo ?? "").TrimEnd('.').ToLowerInvariant();
        if (!DomainNames.IsName(domain) || !domain.Contains('.', StringComparison.Ordinal))
            return new SpfResult(AuthenticationResult.None, "there is no domain to check", null, sender is null);
        var local = sender?.LocalPart is { Length: > 0 } name ? name : "postmaster";
        var run = new Run(dns, address, $"{local}@{domain}", helo is { Length: > 0 } ? helo : NoName, cancellationToken);
        var (result, reason) = await run.CheckHostAsync(domain);
        return new SpfResult(result, reason, domain, sender is null);
    }

    /// <summary>One check with all its includes; the limits are counted over all of them.</summary>
    private sealed class Run(IDnsResolver dns, IPAddress address, string sender, string helo, CancellationToken cancellationToken)
    {
        private int _lookups;
        private int _void;
        private string? _validatedName;
        private (AuthenticationResult Result, string Reason)? _stop;

        public async ValueTask<(AuthenticationResult Result, string Reason)> CheckHostAsync(string domain)
        {
            if (!DomainNames.IsName(domain))
                return (AuthenticationResult.None, "the name is no domain");
            var answer = await dns.TxtAsync(domain, cancellationToken);
            if (answer is DnsFailed<string> failed)
                return (AuthenticationResult.TempError, failed.Reason);
            var records = answer.Records.Where(SpfRecord.IsOne).ToImmutableArray();
            if (records.IsEmpty)
                return (AuthenticationResult.None, $"{domain} publishes no SPF record");
            if (records.Length > 1)
                return (AuthenticationResult.PermError, $"{domain} publishes more than one SPF record");
            var (record, problem) = SpfRecord.Parse(records[0]);
            if (record is null)
                return (AuthenticationResult.PermError, $"the SPF record of {domain}: {problem}");
            foreach (var term in record.Terms)
            {
                var matches = await MatchesAsync(term, domain);
                if (_stop is { } stop)
                    return stop;
                if (matches)
                    return (term.OnMatch, $"{term.Kind.ToString().ToLowerInvariant()} of {domain}");
            }
            if (record.Redirect is null)
                return (AuthenticationResult.Neutral, $"{domain} says nothing of this address");
            if (!CountLookup() || await ExpandAsync(record.Redirect.Domain!, domain) is not { } target)
                return _stop!.Value;
            var redirected = await CheckHostAsync(target);
            // RFC 7208 §6.1.
            return redirected.Result == AuthenticationResult.None
                ? (AuthenticationResult.PermError, $"{domain} redirects to a domain without SPF record")
                : redirected;
        }

        private async ValueTask<bool> MatchesAsync(SpfTerm term, string domain)
        {
            switch (term.Kind)
            {
                case SpfTermKind.All:
                    return true;
                case SpfTermKind.Ip4 or SpfTermKind.Ip6:
                    return term.Network.Contains(address);
            }
            if (!CountLookup())
                return false;
            var target = term.Domain is null ? domain : await ExpandAsync(term.Domain, domain);
            if (target is null)
                return false;
            if (term.Kind == SpfTermKind.Include)
                return await IncludesAsync(target);
            // RFC 7208 §4.8: a malformed name is one that is not there.
            if (!DomainNames.IsName(target))
                return false;
            return term.Kind switch
            {
                SpfTermKind.A => await HasAddressAsync(target, term),
                SpfTermKind.Mx => await HasExchangerAsync(target, term),
                SpfTermKind.Exists => !(await AskAsync(dns.AddressesAsync(target, AddressFamily.InterNetwork, cancellationToken))).IsEmpty,
                _ => (await ValidatedNamesAsync()).Any(n => DomainNames.IsSameOrBelow(n, target)),
            };
        }

        // RFC 7208 §5.2, the table.
        private async ValueTask<bool> IncludesAsync(string target)
        {
            var (result, reason) = await CheckHostAsync(target);
            if (result is AuthenticationResult.TempError or AuthenticationResult.PermError)
                _stop ??= (result, reason);
            else if (result == AuthenticationResult.None)
                _stop ??= (AuthenticationResult.PermError, $"includes {Shown(target)}, which has no SPF record");
            return result == AuthenticationResult.Pass;
        }

        private async ValueTask<bool> HasAddressAsync(string host, SpfTerm term)
        {
            var found = await AskAsync(dns.AddressesAsync(host, address.AddressFamily, cancellationToken));
            var prefix = address.AddressFamily == AddressFamily.InterNetwork ? term.Prefix4 : term.Prefix6;
            return found.Any(a => SpfRecord.NetworkOf(a, prefix).Contains(address));
        }

        private async ValueTask<bool> HasExchangerAsync(string domain, SpfTerm term)
        {
            var exchangers = await AskAsync(dns.MxAsync(domain, cancellationToken));
            // RFC 7208 §4.6.4.
            if (exchangers.Length > MaximumHosts)
                _stop ??= (AuthenticationResult.PermError, $"{domain} has more than {MaximumHosts} MX records");
            foreach (var exchanger in exchangers.OrderBy(e => e.Preference))
            {
                if (_stop is not null)
                    return false;
                if (DomainNames.IsName(exchanger.Host) && await HasAddressAsync(exchanger.Host, term))
                    return true;
            }
            return false;
        }

        /// <summary>Names that the address has, and that have the address (RFC 7208 §5.5); a failing DNS gives none.</summary>
        private async ValueTask<List<string>> ValidatedNamesAsync()
        {
            var names = new List<string>();
            foreach (var name in (await dns.PtrAsync(address, cancellationToken)).Records.Take(MaximumHosts))
            {
                if (DomainNames.IsName(name)
                    && (await dns.AddressesAsync(name, address.AddressFamily, cancellationToken)).Records.Contains(address))
                    names.Add(name);
            }
            return names;
        }

        private async ValueTask<string?> ExpandAsync(string spec, string domain)
        {
            if (SpfMacro.NeedsValidatedName(spec) && _validatedName is null)
            {
                if (!CountLookup())
                    return null;
                var names = await ValidatedNamesAsync();
                // RFC 7208 §7.3: the domain itself, else one below it, else any.
                _validatedName = names.Find(n => n == domain) ?? names.Find(n => DomainNames.IsSameOrBelow(n, domain)) ?? names.FirstOrDefault() ?? NoName;
            }
            return SpfMacro.Expand(spec, new SpfMacroFacts(address, sender, helo, domain), _validatedName ?? NoName);
        }

        private async ValueTask<ImmutableArray<T>> AskAsync<T>(ValueTask<DnsAnswer<T>> question)
        {
            var answer = await question;
            if (answer is DnsFailed<T> failed)
                _stop ??= (AuthenticationResult.TempError, failed.Reason);
            else if (answer.Records.IsEmpty && ++_void > MaximumVoid)
                _stop ??= (AuthenticationResult.PermError, $"more than {MaximumVoid} look-ups found nothing");
            return _stop is null ? answer.Records : [];
        }

        private bool CountLookup()
        {
            if (++_lookups > MaximumLookups)
                _stop ??= (AuthenticationResult.PermError, $"more than {MaximumLookups} terms need the DNS");
            return _stop is null;
        }

        private static string Shown(string name) => DomainNames.IsName(name) ? name : "a name that is no domain";
    }
}
