using GatewaySecure.Gateway.Spool;
using GatewaySecure.MailRouting.TlsReports;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;

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
            new AcceptedMail
            {
                AcceptedAt = time.GetUtcNow(),
                Envelope = new Envelope
                {
                    Sender = mail.Sender,
                    Recipients = [new EnvelopeRecipient(mail.Recipient, DsnNotify.Never)],
                    SmtpUtf8 = mail.Sender.NeedsSmtpUtf8 || mail.Recipient.NeedsSmtpUtf8,
                    Body = System.Text.Ascii.IsValid(mail.Content) ? BodyType.SevenBit : BodyType.EightBitMime,
                },
                Decisions =
                [
                    new Decision
                    {
                        Rule = RuleName,
                        PolicyVersion = "-",
                        Action = DecisionAction.Protect,
                        Methods = [ProtectionMethod.Normal],
                        Reason = "a TLS report of this gateway",
                    },
                ],
                Session = new SessionFacts("-", null, null, SenderEvidence.None, FromInside: true),
                HoldsEightBit = !System.Text.Ascii.IsValid(mail.Content),
            },
            cancellationToken));
    }
}
