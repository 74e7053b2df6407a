using GatewaySecure.Addresses;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Reports;

/// <summary>What is noted of mail that the gateway writes itself: to one recipient, about whom nothing is reported, and as it is.</summary>
internal static class OwnMail
{
    /// <param name="rule">Stands where other mail has the rule that decided.</param>
    public static AcceptedMail Accepted(MailAddress? sender, MailAddress recipient, string rule, string reason, DateTimeOffset now, bool isAscii) => new()
    {
        AcceptedAt = now,
        Envelope = new Envelope
        {
            Sender = sender,
            Recipients = [new EnvelopeRecipient(recipient, DsnNotify.Never)],
            SmtpUtf8 = sender?.NeedsSmtpUtf8 == true || recipient.NeedsSmtpUtf8,
            Body = isAscii ? BodyType.SevenBit : BodyType.EightBitMime,
        },
        Decisions =
        [
            new Decision
            {
                Rule = rule,
                PolicyVersion = "-",
                Action = DecisionAction.Protect,
                Methods = [ProtectionMethod.Normal],
                Reason = reason,
            },
        ],
        Session = new SessionFacts("-", null, null, SenderEvidence.None, FromInside: true),
        HoldsEightBit = !isAscii,
    };
}
