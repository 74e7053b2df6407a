using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using GatewaySecure.Addresses;

namespace GatewaySecure.MailRouting.TlsReports;

/// <summary>Who reports.</summary>
/// <param name="Submitter">The organisation's domain.</param>
/// <param name="From">Sends report mail, and is whom to ask.</param>
public sealed record TlsReporter(DomainName Submitter, MailAddress From);

/// <summary>A report as mail, to be put into the spool.</summary>
public sealed record TlsReportMail(MailAddress Sender, MailAddress Recipient, byte[] Content);

/// <summary>The report of one day to one domain, as RFC 8460 §4.4 and §5 want it.</summary>
internal sealed class TlsReport(DateOnly day, string domain, DomainCounts counts, TlsReporter reporter)
{
    private const int LineOctets = 57;

    private static readonly JsonWriterOptions Indented = new() { Indented = true };

    /// <summary>The same at every attempt, so that a receiver knows a report that came twice.</summary>
    public string Id => $"{Day}_{domain}@{reporter.Submitter.Ascii}";

    private string Day => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private DateTimeOffset Start => new(day, TimeOnly.MinValue, TimeSpan.Zero);

    private DateTimeOffset End => Start.AddDays(1).AddSeconds(-1);

    /// <summary>RFC 8460 §5.1.</summary>
    public string FileName => string.Create(
        CultureInfo.InvariantCulture, $"{reporter.Submitter.Ascii}!{domain}!{Start.ToUnixTimeSeconds()}!{End.ToUnixTimeSeconds()}.json.gz");

    public byte[] Json()
    {
        using var output = new MemoryStream();
        using (var json = new Utf8JsonWriter(output, Indented))
        {
            json.WriteStartObject();
            json.WriteString("organization-name", reporter.Submitter.Ascii);
            json.WriteStartObject("date-range");
            json.WriteString("start-datetime", $"{Day}T00:00:00Z");
            json.WriteString("end-datetime", $"{Day}T23:59:59Z");
            json.WriteEndObject();
            json.WriteString("contact-info", reporter.From.ToString());
            json.WriteString("report-id", Id);
            json.WriteStartArray("policies");
            foreach (var policy in counts.Policies)
                WritePolicy(json, policy);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return output.ToArray();
    }

    public byte[] Compressed()
    {
        using var output = new MemoryStream();
        using (var gzip = new GZipStream(output, CompressionLevel.Optimal))
            gzip.Write(Json());
        return output.ToArray();
    }

    /// <summary>RFC 8460 §5.3.</summary>
    public TlsReportMail Mail(MailAddress recipient, DateTimeOffset now)
    {
        var boundary = $"tls-report-{Guid.NewGuid():N}";
        var text = new StringBuilder();
        void Line(string line = "") => text.Append(line).Append("\r\n");
        Line($"From: <{reporter.From}>");
        Line($"To: <{recipient}>");
        Line($"Date: {now.ToString("ddd, dd MMM yyyy HH:mm:ss '+0000'", CultureInfo.InvariantCulture)}");
        Line($"Subject: Report Domain: {domain}");
        Line($" Submitter: {reporter.Submitter.Ascii}");
        Line($" Report-ID: <{Id}>");
        Line($"Message-ID: <{Guid.NewGuid():N}@{reporter.Submitter.Ascii}>");
        Line($"TLS-Report-Domain: {domain}");
        Line($"TLS-Report-Submitter: {reporter.Submitter.Ascii}");
        Line("Auto-Submitted: auto-generated");
        Line("MIME-Version: 1.0");
        Line("Content-Type: multipart/report; report-type=\"tlsrpt\";");
        Line($" boundary=\"{boundary}\"");
        Line();
        Line($"--{boundary}");
        Line("Content-Type: text/plain; charset=us-ascii");
        Line();
        Line("This is an aggregate TLS report (RFC 8460) about sessions with the mail hosts of");
        Line($"{domain}");
        Line($"on {Day} (UTC).");
        Line();
        Line($"--{boundary}");
        Line("Content-Type: application/tlsrpt+gzip");
        Line("Content-Transfer-Encoding: base64");
        Line("Content-Disposition: attachment;");
        Line($" filename=\"{FileName}\"");
        Line();
        foreach (var octets in Compressed().Chunk(LineOctets))
            Line(Convert.ToBase64String(octets));
        Line($"--{boundary}--");
        return new TlsReportMail(reporter.From, recipient, Encoding.UTF8.GetBytes(text.ToString()));
    }

    private static void WritePolicy(Utf8JsonWriter json, PolicyCounts counts)
    {
        json.WriteStartObject();
        json.WriteStartObject("policy");
        json.WriteString("policy-type", counts.Policy.Type);
        if (counts.Policy.Lines.Length > 0)
            WriteTexts(json, "policy-string", counts.Policy.Lines);
        json.WriteString("policy-domain", counts.Policy.Domain);
        if (counts.Policy.MxPatterns.Length > 0)
            WriteTexts(json, "mx-host", counts.Policy.MxPatterns);
        json.WriteEndObject();
        json.WriteStartObject("summary");
        json.WriteNumber("total-successful-session-count", counts.Successful);
        json.WriteNumber("total-failure-session-count", counts.Failed);
        json.WriteEndObject();
        if (counts.Failures.Count > 0)
        {
            json.WriteStartArray("failure-details");
            foreach (var failure in counts.Failures)
                WriteFailure(json, failure);
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    private static void WriteFailure(Utf8JsonWriter json, FailureCount failure)
    {
        json.WriteStartObject();
        json.WriteString("result-type", Word(failure.Result));
        json.WriteString("receiving-mx-hostname", failure.Host);
        if (failure.Address is not null)
            json.WriteString("receiving-ip", failure.Address);
        json.WriteNumber("failed-session-count", failure.Count);
        json.WriteString("failure-reason-code", failure.Detail);
        json.WriteEndObject();
    }

    private static void WriteTexts(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var text in texts)
            json.WriteStringValue(text);
        json.WriteEndArray();
    }

    /// <summary>RFC 8460 §4.3.</summary>
    private static string Word(TlsResult result) => result switch
    {
        TlsResult.StartTlsNotSupported => "starttls-not-supported",
        TlsResult.CertificateHostMismatch => "certificate-host-mismatch",
        TlsResult.CertificateExpired => "certificate-expired",
        TlsResult.CertificateNotTrusted => "certificate-not-trusted",
        TlsResult.DnssecInvalid => "dnssec-invalid",
        TlsResult.StsPolicyFetchError => "sts-policy-fetch-error",
        TlsResult.StsPolicyInvalid => "sts-policy-invalid",
        TlsResult.StsWebpkiInvalid => "sts-webpki-invalid",
        _ => "validation-failure",
    };
}
