using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.MailRouting.TlsReports;

/// <summary>
/// Counts sessions for the daily reports (RFC 8460 §4): in memory, and in one file for each day (UTC) that <see cref="Save"/> writes; a machine that
/// fails loses the counts since then and nothing else. Thread-safe.
/// </summary>
public sealed class TlsReportCounts : ITlsSessionCounter
{
    private const int MostDomains = 20_000;
    private const string Format = "yyyy-MM-dd";

    private readonly Lock _gate = new();
    private readonly Dictionary<DateOnly, Dictionary<string, DomainCounts>> _days = [];
    private readonly HashSet<DateOnly> _changed = [];
    private readonly string _directory;
    private readonly TimeProvider _time;
    private readonly ILogger _log;

    /// <summary>Goes on with what was counted before; a file that is damaged is left out and told of.</summary>
    public TlsReportCounts(string directory, TimeProvider time, ILogger log)
    {
        (_directory, _time, _log) = (directory, time, log);
        Directory.CreateDirectory(directory);
        foreach (var file in Directory.EnumerateFiles(directory, "*.json"))
        {
            if (Read(file) is var (day, counts))
                _days[day] = counts;
            else
                log.DamagedCounts(file);
        }
    }

    private DateOnly Today => DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime);

    public void Count(TlsSession session)
    {
        var today = Today;
        lock (_gate)
        {
            if (!_days.TryGetValue(today, out var domains))
                _days[today] = domains = [];
            if (!domains.TryGetValue(session.Domain, out var counts))
            {
                if (domains.Count >= MostDomains)
                    return;
                domains[session.Domain] = counts = new DomainCounts();
            }
            counts.Count(session);
            _changed.Add(today);
        }
    }

    /// <summary>Writes what has changed.</summary>
    public void Save()
    {
        lock (_gate)
        {
            foreach (var day in _changed.ToList())
            {
                try
                {
                    if (_days.TryGetValue(day, out var domains))
                        AtomicFile.Write(FileOf(day), JsonSerializer.SerializeToUtf8Bytes(domains));
                    else
                        File.Delete(FileOf(day));
                    _changed.Remove(day);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    _log.CountsNotStored(e.Message);
                }
            }
        }
    }

    /// <summary>What is to be reported: every domain of the days that are over.</summary>
    internal IReadOnlyList<(DateOnly Day, string Domain, DomainCounts Counts)> Complete()
    {
        var today = Today;
        lock (_gate)
            return [.. _days.Where(d => d.Key < today).SelectMany(d => d.Value.Select(c => (d.Key, c.Key, c.Value)))];
    }

    /// <summary>The report went there; it is not sent there again.</summary>
    internal void Sent(DateOnly day, string domain, string target)
    {
        lock (_gate)
        {
            if (_days.TryGetValue(day, out var domains) && domains.TryGetValue(domain, out var counts) && counts.SentTo.Add(target))
                _changed.Add(day);
        }
    }

    /// <summary>The domain's report of that day is done with.</summary>
    internal void Remove(DateOnly day, string domain)
    {
        lock (_gate)
        {
            if (!_days.TryGetValue(day, out var domains) || !domains.Remove(domain))
                return;
            if (domains.Count == 0)
                _days.Remove(day);
            _changed.Add(day);
        }
    }

    private string FileOf(DateOnly day) => Path.Combine(_directory, day.ToString(Format, CultureInfo.InvariantCulture) + ".json");

    private static (DateOnly Day, Dictionary<string, DomainCounts> Counts)? Read(string file)
    {
        try
        {
            return DateOnly.TryParseExact(Path.GetFileNameWithoutExtension(file), Format, CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)
                && JsonSerializer.Deserialize<Dictionary<string, DomainCounts>>(File.ReadAllBytes(file)) is { } counts
                ? (day, counts)
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }
}
