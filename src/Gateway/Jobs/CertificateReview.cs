using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.Trust;
using GatewaySecure.TrustFetch;

namespace GatewaySecure.Gateway.Jobs;

/// <summary>
/// What people should hear of certificates and revocation, each matter by a key that stays while it stands: certificates that end and have no
/// successor, certificates that were revoked, authorities whose lists can't be had.
/// </summary>
internal sealed class CertificateReview(TimeSpan warnBefore, DateTimeOffset now)
{
    /// <summary>An outage shorter than this is nobody's business.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromHours(6);

    private readonly Dictionary<string, string> _matters = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, string> Matters => _matters;

    public void Certificates(IReadOnlyCollection<(X509Certificate2 Certificate, PathVerdict Verdict)> standings)
    {
        var last = new Dictionary<MailAddress, DateTimeOffset>();
        foreach (var (certificate, verdict) in standings.Where(s => s.Verdict.IsGood))
        {
            foreach (var address in CertificateAddresses.Of(certificate))
                last[address] = last.TryGetValue(address, out var until) && until > certificate.NotAfter ? until : certificate.NotAfter;
        }
        foreach (var (certificate, verdict) in standings)
        {
            var addresses = CertificateAddresses.Of(certificate);
            // One with a successor may end in peace.
            if (addresses.Any(a => !last.TryGetValue(a, out var until) || until <= certificate.NotAfter))
                Ending(certificate, $"the certificate of {string.Join(", ", addresses)}");
            if (verdict.Rejections.FirstOrDefault(r => r.Reason == RejectionReason.Revoked) is { } revoked)
                _matters[$"revoked {certificate.Thumbprint}"] = $"Nothing is encrypted to the certificate of {string.Join(", ", addresses)} ({Named(certificate)}). {revoked.Text}";
        }
    }

    public void OwnSigner(X509Certificate2 certificate) => Ending(certificate, "our own signing certificate");

    public void List(ListState state)
    {
        if (state.Problem is null || state.FailingSince is not { } since)
            return;
        if (state.NextUpdate < now)
            _matters[$"list {state.Address}"] = $"The revocation list of {state.Issuer} ended on {state.NextUpdate:yyyy-MM-dd HH:mm}, and no newer one can be had. {state.Problem}";
        else if (now - since >= s_patience)
            _matters[$"list {state.Address}"] = $"A revocation list can't be had since {since:yyyy-MM-dd HH:mm}. {state.Problem}";
    }

    private void Ending(X509Certificate2 certificate, string whose)
    {
        var end = new DateTimeOffset(certificate.NotAfter.ToUniversalTime());
        var left = end - now;
        if (left > warnBefore)
            return;
        // Told when it comes near, and again a week and a day before, and when it is over.
        var stage = left <= TimeSpan.Zero ? "over" : left <= TimeSpan.FromDays(1) ? "1d" : left <= TimeSpan.FromDays(7) ? "7d" : "first";
        _matters[$"ends {certificate.Thumbprint} {stage}"] = stage == "over"
            ? $"Ended on {end:yyyy-MM-dd}: {whose} ({Named(certificate)}). Replace it."
            : string.Create(CultureInfo.InvariantCulture, $"Ends on {end:yyyy-MM-dd}, in {Math.Ceiling(left.TotalDays):0} days: {whose} ({Named(certificate)}). Renew it.");
    }

    private static string Named(X509Certificate2 certificate) => $"{certificate.Subject}, serial {certificate.SerialNumber}";
}
