using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.Dns;
using Microsoft.Extensions.Logging;

namespace GatewaySecure.MailRouting.TlsReports;

/// <summary>Puts report mail on its way; durable when it returns.</summary>
public interface ITlsReportOutbox
{
    Task SendAsync(TlsReportMail mail, CancellationToken cancellationToken);
}

/// <summary>
/// Sends the reports of the days that are over to those who ask for them (RFC 8460 §3, §5). What can't be sent is tried again at the next run, for
/// two days.
/// </summary>
/// <param name="anchors">Of HTTPS targets; null: those of the system.</param>
public sealed class TlsReportSender(
    TlsReportCounts counts,
    IDnsResolver dns,
    ITlsReportOutbox outbox,
    TlsReporter reporter,
    TimeProvider time,
    ILogger log,
    X509Certificate2Collection? anchors = null)
{
    private const int MostTargets = 8;
    private const int DaysToTry = 2;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var oldest = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime).AddDays(-1 - DaysToTry);
        foreach (var (day, domain, domainCounts) in counts.Complete())
        {
            if (day <= oldest || await SendAsync(day, domain, domainCounts, cancellationToken))
                counts.Remove(day, domain);
            // One at a time: a machine that fails now must not send the others again.
            counts.Save();
        }
    }

    /// <returns>True: done with, also where nobody asks for it.</returns>
    private async Task<bool> SendAsync(DateOnly day, string domain, DomainCounts domainCounts, CancellationToken cancellationToken)
    {
        var answer = await dns.TxtAsync($"_smtp._tls.{domain}", cancellationToken);
        if (answer is DnsFailed<string>)
            return false;
        var report = new TlsReport(day, domain, domainCounts, reporter);
        var done = true;
        foreach (var target in Targets(answer).Where(t => !domainCounts.SentTo.Contains(t)))
        {
            if (await TrySendAsync(report, target, cancellationToken) is { } problem)
            {
                log.ReportNotSent(day, domain, target, problem);
                done = false;
                continue;
            }
            log.ReportSent(day, domain, target);
            counts.Sent(day, domain, target);
        }
        return done;
    }

    /// <summary>RFC 8460 §3: rua, a list of URIs with commas between.</summary>
    private static IEnumerable<string> Targets(DnsAnswer<string> answer) =>
        TagList.TheOne(answer.Records, "TLSRPTv1")?.GetValueOrDefault("rua")?
            .Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Where(t => IsMail(t) || IsHttps(t))
            .Take(MostTargets) ?? [];

    private static bool IsMail(string target) => target.StartsWith("mailto:", StringComparison.OrdinalIgnoreCase) && Mailbox(target) is not null;

    private static bool IsHttps(string target) => Uri.TryCreate(target, UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttps;

    private static MailAddress? Mailbox(string target) =>
        MailAddress.TryParse(Uri.UnescapeDataString(target["mailto:".Length..].Split('?')[0]), out var address) ? address : null;

    /// <returns>Null: it was taken.</returns>
    private async Task<string?> TrySendAsync(TlsReport report, string target, CancellationToken cancellationToken)
    {
        if (IsMail(target))
        {
            await outbox.SendAsync(report.Mail(Mailbox(target)!, time.GetUtcNow()), cancellationToken);
            return null;
        }
        var uri = new Uri(target);
        using var client = new HttpsClient(dns, uri.IdnHost, time, anchors);
        try
        {
            // RFC 8460 §5.4
            using var content = new ByteArrayContent(report.Compressed());
            content.Headers.ContentType = new MediaTypeHeaderValue("application/tlsrpt+gzip");
            using var request = new HttpRequestMessage(HttpMethod.Post, uri) { Content = content };
            using var response = await client.SendAsync(request, cancellationToken);
            return response.IsSuccessStatusCode ? null : $"HTTP status {(int)response.StatusCode}";
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return client.CertificateProblem?.Detail ?? (e.InnerException ?? e).Message;
        }
    }
}
