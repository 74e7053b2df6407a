using System.Collections.Concurrent;
using GatewaySecure.Dns;
using GatewaySecure.MailRouting.TlsReports;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.MailRouting.MtaSts;

/// <summary>
/// The MTA-STS policy that is in force for a domain (RFC 8461 §5.1): the one kept, until its record in the DNS has another id and the new one can be
/// fetched. Without one kept, failing to fetch means that there is none. Thread-safe.
/// </summary>
public sealed class StsPolicies(IDnsResolver dns, StsFetcher fetcher, StsStore store, ITlsSessionCounter counter, TimeProvider time, ILogger log)
{
    /// <summary>RFC 8461 §3.3: not more often than every five minutes.</summary>
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMinutes(5);

    /// <summary>RFC 8461 §10.2 counts on a refresh within a day; a short-lived one is renewed at half its time.</summary>
    private static readonly TimeSpan LongestUnrefreshed = TimeSpan.FromDays(1);

    private const int MostPauses = 10_000;

    private readonly ConcurrentDictionary<string, Lazy<Task<StoredPolicy?>>> _fetching = new();
    private readonly ConcurrentDictionary<string, DateTimeOffset> _pauses = new();
    private readonly ConcurrentDictionary<string, DateTimeOffset> _used = new();

    /// <returns>Null: no policy, or one of mode none.</returns>
    public async Task<StsPolicy?> ForAsync(string domain, CancellationToken cancellationToken)
    {
        var kept = store.Get(domain);
        var announced = await AnnouncedIdAsync(domain, cancellationToken);
        var inForce = announced is null || announced == kept?.Id || IsPaused(domain)
            ? kept
            : await FetchOnceAsync(domain, announced, cancellationToken) ?? kept;
        if (inForce is not null)
            _used[domain] = time.GetUtcNow();
        return inForce?.Policy.Mode is null or StsMode.None ? null : inForce.Policy;
    }

    /// <summary>
    /// Fetches anew those that were used since they were fetched, or are of before the last start, and have half of their time or a day behind them:
    /// so none that is in use runs out while its domain still offers it.
    /// </summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        foreach (var domain in _used.Keys.Where(d => store.Get(d) is null))
            _used.TryRemove(domain, out _);
        foreach (var kept in store.All)
        {
            var now = time.GetUtcNow();
            var age = now - kept.FetchedAt;
            var isUsed = !_used.TryGetValue(kept.Domain, out var used) || used > kept.FetchedAt;
            if (store.Get(kept.Domain) is null || !isUsed || (age < LongestUnrefreshed && age < kept.Policy.MaxAge / 2) || IsPaused(kept.Domain))
                continue;
            _used.TryAdd(kept.Domain, now);
            var id = await AnnouncedIdAsync(kept.Domain, cancellationToken) ?? kept.Id;
            if (await FetchOnceAsync(kept.Domain, id, cancellationToken) is null)
                log.PolicyKept(kept.Domain, kept.Until);
        }
    }

    private async Task<string?> AnnouncedIdAsync(string domain, CancellationToken cancellationToken)
    {
        var answer = await dns.TxtAsync($"_mta-sts.{domain}", cancellationToken);
        return TagList.TheOne(answer.Records, "STSv1")?.GetValueOrDefault("id") is { Length: > 0 and <= 32 } id && id.All(char.IsAsciiLetterOrDigit)
            ? id
            : null;
    }

    private bool IsPaused(string domain) => _pauses.TryGetValue(domain, out var until) && until > time.GetUtcNow();

    /// <summary>Who comes while one is being fetched waits for that one.</summary>
    private Task<StoredPolicy?> FetchOnceAsync(string domain, string id, CancellationToken cancellationToken) =>
        _fetching.GetOrAdd(domain, _ => new Lazy<Task<StoredPolicy?>>(() => FetchAsync(domain, id))).Value.WaitAsync(cancellationToken);

    private async Task<StoredPolicy?> FetchAsync(string domain, string id)
    {
        try
        {
            switch (await fetcher.FetchAsync(domain, CancellationToken.None))
            {
                case StsFetched fetched:
                    var stored = new StoredPolicy(domain, id, time.GetUtcNow(), fetched.Policy);
                    store.Put(stored);
                    log.PolicyFetched(domain, fetched.Policy.Mode, id);
                    return stored;
                case StsNotFetched { Failure: var failure }:
                    Pause(domain);
                    log.PolicyNotFetched(domain, failure.Detail);
                    counter.Count(new TlsSession(domain, new ReportedPolicy("sts", domain, [], []), $"mta-sts.{domain}", null, failure));
                    break;
            }
            return null;
        }
        finally
        {
            _fetching.TryRemove(domain, out _);
        }
    }

    private void Pause(string domain)
    {
        var now = time.GetUtcNow();
        if (_pauses.Count >= MostPauses)
        {
            foreach (var over in _pauses.Where(p => p.Value <= now))
                _pauses.TryRemove(over);
        }
        _pauses[domain] = now + PauseAfterFailure;
    }
}
