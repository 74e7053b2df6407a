using GatewaySecure.Gateway.Spool;
using GatewaySecure.MailRouting.TlsReports;

namespace GatewaySecure.Gateway.Reports;

/// <summary>Puts TLS reports into the spool; they then go the way of all mail. No failure of theirs is reported to anybody.</summary>
internal sealed class TlsReportOutbox(MailSpool spool, Action<SpooledMail> queue, TimeProvider time) : ITlsReportOutbox
{
    public const string RuleName = "(TLS report)";

    public async Task SendAsync(TlsReportMail mail, CancellationToken cancellationToken)
    {
        await using var writer = spool.Begin();
        await writer.WriteAsync(mail.Content, cancellationToken);
        queue(await writer.CommitAsync(
            OwnMail.Accepted(
                mail.Sender,
                mail.Recipient,
                RuleName,
                "a TLS report of this gateway",
                time.GetUtcNow(),
                System.Text.Ascii.IsValid(mail.Content)),
            cancellationToken));
    }
}
