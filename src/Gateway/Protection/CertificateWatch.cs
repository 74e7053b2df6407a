using GatewaySecure.MailProtection.Recipients;

namespace GatewaySecure.Gateway.Protection;

/// <summary>
/// The certificates, anchors and CRLs in use: one immutable directory, read again within a minute after a file was put, changed
/// or removed, and swapped as a whole. If reading fails, the one in use stays.
/// </summary>
internal sealed class CertificateWatch(DirectoryFolders folders, TrustOptions options, TimeProvider time, Action<string> report) : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private CertificateDirectory _current = Report(CertificateDirectory.Load(folders, options), report);
    private string _fingerprint = Fingerprint(folders);
    private ITimer? _timer;

    public CertificateDirectory Current => Volatile.Read(ref _current);

    public void Start() => _timer ??= time.CreateTimer(_ => Refresh(), null, Interval, Interval);

    /// <summary>Reads again where anything changed.</summary>
    public void Refresh()
    {
        try
        {
            var fingerprint = Fingerprint(folders);
            if (fingerprint == _fingerprint)
                return;
            Volatile.Write(ref _current, Report(CertificateDirectory.Load(folders, options), report));
            _fingerprint = fingerprint;
            report("The certificate folders changed and were read again.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            report($"The certificate folders could not be read, what was read before stays in use: {e.Message}");
        }
    }

    public void Dispose() => _timer?.Dispose();

    private static CertificateDirectory Report(CertificateDirectory directory, Action<string> report)
    {
        foreach (var problem in directory.Problems)
            report(problem);
        return directory;
    }

    /// <summary>Names, sizes and times of all the files: another value means that something changed.</summary>
    private static string Fingerprint(DirectoryFolders folders) =>
        string.Join('\n', folders.Recipients.Concat(folders.Anchors).Concat(folders.Intermediates).Concat(folders.RevocationLists).Concat(folders.Answers)
            .SelectMany(f => new DirectoryInfo(f).EnumerateFiles())
            .OrderBy(f => f.FullName, StringComparer.Ordinal)
            .Select(f => $"{f.FullName} {f.Length} {f.LastWriteTimeUtc.Ticks}"));
}
