using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.Trust;
using GatewaySecure.Trust.Revocation;

namespace GatewaySecure.TrustFetch;

/// <summary>What one refresh did.</summary>
/// <param name="IsNew">Another list than before is kept now.</param>
/// <param name="Problem">Null where it went well; one plain sentence.</param>
/// <param name="Next">When to ask again.</param>
public sealed record RefreshOutcome(bool IsNew, string? Problem, DateTimeOffset Next, ListState State);

/// <summary>
/// Keeps the newest good list of a source: fetched, signed by an authority that leads to our anchors, in force, and not older than the one that is kept. Whatever
/// else comes, the last good one stays, and the source is asked again, each time later, up to its own interval.
/// </summary>
public sealed class ListRefresher(ListStore store, HttpFetcher http, LdapFetcher ldap, TimeProvider time)
{
    private static readonly TimeSpan s_firstRetry = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_slowestRetry = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_soonest = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_skew = TimeSpan.FromMinutes(5);

    /// <param name="trust">As it stands now.</param>
    /// <exception cref="IOException">What came could not be kept.</exception>
    public async Task<RefreshOutcome> RefreshAsync(FetchSource source, PathValidator trust, CancellationToken cancellationToken)
    {
        var before = store.StateOf(source) ?? new ListState { Address = source.Address.AbsoluteUri };
        var kept = Parse(store.ListOf(source));
        // Without the list, its validators would bring "not modified" and nothing.
        var known = kept is null ? null : new Validators(before.ETag, before.LastModified);
        var result = source.Address.Scheme is "ldap" or "ldaps"
            ? await ldap.GetAsync(source, cancellationToken)
            : await http.GetAsync(source, known, cancellationToken);
        var now = time.GetUtcNow();
        switch (result)
        {
            case FetchResult.Failed failed:
                return Failed(source, before, failed.Reason, now);
            case FetchResult.NotModified when kept is null:
                return Failed(source, before, "it says that nothing changed, but we have nothing", now);
            case FetchResult.NotModified:
                return Succeeded(source, before, kept, null, isNew: false, now);
        }
        var fetched = (FetchResult.Fetched)result;
        if (!RevocationList.TryParse(DerOf(fetched.Content), out var list, out var problem))
            return Failed(source, before, problem.TrimEnd('.'), now);
        if (WhyNot(list, kept, trust, now) is { } reason)
            return Failed(source, before, reason.TrimEnd('.'), now);
        var isNew = kept is null || !list.Der.Span.SequenceEqual(kept.Der.Span);
        return Succeeded(source, before, list, fetched.Validators, isNew, now);
    }

    private static string? WhyNot(RevocationList list, RevocationList? kept, PathValidator trust, DateTimeOffset now)
    {
        if (trust.WhyNotSigned(list, now) is { } unsigned)
            return unsigned;
        if (list.ThisUpdate > now + s_skew)
            return $"it is of the future ({list.ThisUpdate:yyyy-MM-dd HH:mm})";
        if (!(list.NextUpdate >= now))
            return list.NextUpdate is null ? "it does not say how long it serves" : $"it is out of date since {list.NextUpdate:yyyy-MM-dd HH:mm}";
        if (kept is null || !kept.Issuer.Span.SequenceEqual(list.Issuer.Span))
            return null;
        // An old list played back would hide the revocations since.
        if (list.ThisUpdate < kept.ThisUpdate || list.Number < kept.Number)
            return $"it is older than the one we have ({list.ThisUpdate:yyyy-MM-dd HH:mm}, number {list.Number})";
        return null;
    }

    private RefreshOutcome Succeeded(FetchSource source, ListState before, RevocationList list, Validators? validators, bool isNew, DateTimeOffset now)
    {
        var state = before with
        {
            CheckedAt = now,
            FetchedAt = isNew ? now : before.FetchedAt,
            ETag = validators is null ? before.ETag : validators.ETag,
            LastModified = validators is null ? before.LastModified : validators.LastModified,
            Failures = 0,
            FailingSince = null,
            Problem = null,
            Issuer = new X500DistinguishedName(list.Issuer.Span).Name,
            ThisUpdate = list.ThisUpdate,
            NextUpdate = list.NextUpdate,
            Number = list.Number?.ToString(CultureInfo.InvariantCulture),
            Entries = list.Count,
            Octets = list.Der.Length,
        };
        if (isNew)
            store.Keep(source, list.Der.ToArray(), state);
        else
            store.Keep(source, state);
        return new(isNew, null, NextAfter(source, list, now), state);
    }

    private RefreshOutcome Failed(FetchSource source, ListState before, string reason, DateTimeOffset now)
    {
        var failures = before.Failures + 1;
        var state = before with { CheckedAt = now, Failures = failures, FailingSince = before.FailingSince ?? now, Problem = $"{source.Address.AbsoluteUri}: {reason}." };
        store.Keep(source, state);
        var slowest = source.Every < s_slowestRetry ? source.Every : s_slowestRetry;
        var wait = TimeSpan.FromTicks(Math.Min(s_firstRetry.Ticks << Math.Min(failures - 1, 10), Math.Max(slowest.Ticks, s_firstRetry.Ticks)));
        return new(false, state.Problem, now + Spread(wait), state);
    }

    /// <summary>At its interval, and in any case before the list ends, with a tenth of its life in hand.</summary>
    private static DateTimeOffset NextAfter(FetchSource source, RevocationList list, DateTimeOffset now)
    {
        var next = now + Spread(source.Every);
        var life = list.NextUpdate!.Value - list.ThisUpdate;
        var early = list.NextUpdate.Value - TimeSpan.FromTicks(Math.Max(life.Ticks / 10, s_soonest.Ticks));
        if (early < next)
            next = early;
        return next < now + s_soonest && source.Every >= s_soonest ? now + s_soonest : next;
    }

    /// <summary>Not all at the same second: up to a tenth earlier.</summary>
    private static TimeSpan Spread(TimeSpan wait) => wait - TimeSpan.FromTicks((long)(wait.Ticks * 0.1 * RandomNumberGenerator.GetInt32(1000) / 1000));

    private static RevocationList? Parse(byte[]? der) => der is not null && RevocationList.TryParse(der, out var list, out _) ? list : null;

    /// <summary>RFC 5280 wants DER; some publish PEM all the same.</summary>
    private static byte[] DerOf(byte[] content)
    {
        if (!content.AsSpan().StartsWith("-----BEGIN X509 CRL-----"u8))
            return content;
        var text = Encoding.ASCII.GetString(content);
        return PemEncoding.TryFind(text, out var fields) ? Convert.FromBase64String(text[fields.Base64Data]) : content;
    }
}
