using System.Collections.Concurrent;
using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Hosting;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.Gateway.Reports;
using GatewaySecure.MailProtection;
using GatewaySecure.Trust;
using GatewaySecure.TrustFetch;

namespace GatewaySecure.Gateway.Jobs;

/// <summary>
/// The jobs that keep revocation and certificates fresh (docs/jobs.md): one for each place where lists are fetched, one for OCSP, and one that looks over
/// all certificates, finds out where to fetch, and tells people.
/// </summary>
internal sealed class TrustJobs : IDisposable
{
    public const string ListPrefix = "crl ";
    public const string ReviewName = "certificates";
    public const string AnswersName = "ocsp";

    private static readonly TimeSpan s_review = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_answers = TimeSpan.FromMinutes(10);

    private readonly CertificatesConfiguration _configuration;
    private readonly CertificateWatch _certificates;
    private readonly SmimeSigner? _signer;
    private readonly JobScheduler _scheduler;
    private readonly NoticeOutbox? _notices;
    private readonly TimeProvider _time;
    private readonly HttpFetcher _http;
    private readonly ListStore _store;
    private readonly ListRefresher _lists;
    private readonly AnswerRefresher _answers;
    private readonly ToldOnce _told;
    private readonly ConcurrentDictionary<string, FetchSource> _sources = new(StringComparer.Ordinal);

    public TrustJobs(
        CertificatesConfiguration configuration, StateDirectory state, CertificateWatch certificates, SmimeSigner? signer, JobScheduler scheduler, NoticeOutbox? notices,
        TimeProvider time)
    {
        (_configuration, _certificates, _signer, _scheduler, _notices, _time) = (configuration, certificates, signer, scheduler, notices, time);
        var limits = new FetchLimits { MaximumOctets = configuration.Fetch.MaximumOctets, Time = configuration.Fetch.Timeout };
        _http = new HttpFetcher(limits);
        _store = new ListStore(state.FetchedLists);
        _lists = new ListRefresher(_store, _http, new LdapFetcher(limits), time);
        _answers = new AnswerRefresher(state.FetchedAnswers, _http, time);
        _told = new ToldOnce(state.Told);
    }

    public async Task AddAsync(CancellationToken cancellationToken)
    {
        await ReconcileAsync(Verdicts(), cancellationToken);
        await _scheduler.AddAsync(
            new ScheduledJob(ReviewName, "Looks over all certificates, and tells of those that end and of outages.", s_review, TimeSpan.FromSeconds(10), ReviewAsync),
            cancellationToken);
        if (_configuration.Fetch.Ocsp)
        {
            await _scheduler.AddAsync(
                new ScheduledJob(AnswersName, "Asks OCSP responders about the certificates in use.", s_answers, TimeSpan.FromSeconds(2), AskAsync), cancellationToken);
        }
    }

    public void Dispose() => _http.Dispose();

    private List<PathVerdict> Verdicts()
    {
        var directory = _certificates.Current;
        var now = _time.GetUtcNow();
        var verdicts = directory.Standings(now).Select(s => s.Verdict).ToList();
        if (_signer is not null)
            verdicts.Add(directory.Paths.Validate(_signer.Certificate, [], now));
        return verdicts;
    }

    /// <summary>A job for each source; sources that nobody names any more are forgotten, with their lists.</summary>
    private async Task ReconcileAsync(IReadOnlyCollection<PathVerdict> verdicts, CancellationToken cancellationToken)
    {
        var wanted = RevocationSources.Lists(_configuration, verdicts);
        foreach (var (key, source) in wanted)
        {
            if (_sources.TryGetValue(key, out var known) && known == source)
                continue;
            _sources[key] = source;
            await _scheduler.AddAsync(
                new ScheduledJob(
                    ListPrefix + source.Address.AbsoluteUri, "Fetches a revocation list.", source.Every, TimeSpan.FromSeconds(1), token => RefreshAsync(source, token)),
                cancellationToken);
        }
        foreach (var (key, source) in _sources.Where(s => !wanted.ContainsKey(s.Key)).ToArray())
        {
            _sources.TryRemove(key, out _);
            await _scheduler.RemoveAsync(ListPrefix + source.Address.AbsoluteUri, cancellationToken);
        }
        foreach (var key in _store.Keys().Where(k => !wanted.ContainsKey(k)).ToArray())
            _store.Forget(key);
    }

    private async Task<JobReport> RefreshAsync(FetchSource source, CancellationToken cancellationToken)
    {
        var outcome = await _lists.RefreshAsync(source, _certificates.Current.Paths, cancellationToken);
        // What is new decides from the next mail on.
        if (outcome.IsNew)
            _certificates.Refresh();
        var state = outcome.State;
        return new JobReport(
            outcome.Problem ?? $"{(outcome.IsNew ? "A new list" : "Still the list")} of {state.Issuer}: {state.Entries} revoked, in force until {state.NextUpdate:yyyy-MM-dd HH:mm}.",
            outcome.Problem is null,
            outcome.Next);
    }

    private async Task<JobReport> AskAsync(CancellationToken cancellationToken)
    {
        var (asked, problems) = (0, new List<string>());
        var links = RevocationSources.Links(Verdicts()).ToArray();
        _answers.KeepOnly(links.Select(l => l.Certificate));
        foreach (var (certificate, issuer) in links)
        {
            var responders = CertificatePointers.Responders(certificate).Where(a => a.Scheme is "http" or "https" && FetchSource.IsFetchable(a)).ToArray();
            if (responders.Length == 0 || _answers.DueAt(certificate) > _time.GetUtcNow())
                continue;
            asked++;
            string? problem = null;
            foreach (var responder in responders)
            {
                problem = await _answers.RefreshAsync(certificate, issuer, new FetchSource(responder, _configuration.Fetch.PrivateAddresses, s_answers), cancellationToken);
                if (problem is null)
                    break;
            }
            if (problem is not null)
                problems.Add(problem);
        }
        if (asked > problems.Count)
            _certificates.Refresh();
        return problems.Count == 0
            ? new JobReport($"Asked about {asked} certificates of {links.Length}.")
            : new JobReport($"Asked about {asked} certificates, {problems.Count} without an answer. {problems[0]}", Succeeded: false);
    }

    private async Task<JobReport> ReviewAsync(CancellationToken cancellationToken)
    {
        _certificates.Refresh();
        await ReconcileAsync(Verdicts(), cancellationToken);
        var now = _time.GetUtcNow();
        var standings = _certificates.Current.Standings(now).ToArray();
        var review = new CertificateReview(_configuration.WarnBefore, now);
        review.Certificates(standings);
        if (_signer is not null)
            review.OwnSigner(_signer.Certificate);
        foreach (var source in _sources.Values)
        {
            if (_store.StateOf(source) is { } state)
                review.List(state);
        }
        var (begun, over) = _told.Compare(review.Matters);
        if (begun.Count + over.Count > 0 && _notices is not null)
        {
            string[] lines = [.. begun, .. over.Count > 0 ? new[] { "", "No longer so:" } : [], .. over, "", "This gateway tells of each matter once, and when it is over."];
            await _notices.SendAsync($"Certificates and revocation: {begun.Count} new, {over.Count} over", lines, cancellationToken);
        }
        _told.Keep(review.Matters);
        var good = standings.Count(s => s.Verdict.IsGood);
        return new JobReport(
            $"{good} of {standings.Length} certificates are good; {review.Matters.Count} matters stand{(begun.Count > 0 ? $", {begun.Count} of them new: {string.Join(' ', begun)}" : "")}.",
            begun.Count == 0);
    }
}
