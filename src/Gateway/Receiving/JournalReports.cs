using GatewaySecure.Policies;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>
/// Journal reports of Exchange go to the one address that the configuration names, and nothing else goes there. Who brings one must be a listed
/// Exchange server: from everybody else the field that makes a mail one was removed before.
/// </summary>
internal static class JournalReports
{
    /// <summary>What Exchange writes into a journal report; its value is empty.</summary>
    public const string FieldName = "X-MS-Journal-Report";

    private static readonly SmtpReply Astray = new(550, "5.7.1", "Journal reports are taken only for the address that is set up for them, and alone");

    private static readonly SmtpReply NoReport = new(550, "5.7.1", "This address takes journal reports only");

    public static bool IsReport(bool fromExchange, IEnumerable<HeaderFact> headers) =>
        fromExchange && headers.Any(h => h.Name.Equals(FieldName, StringComparison.OrdinalIgnoreCase));

    /// <summary>Null: it is where it belongs.</summary>
    public static SmtpReply? Refusal(ReceivingSettings settings, bool isReport, Envelope envelope)
    {
        var isAddressed = settings.Journal is { } journal && envelope.Recipients.Any(r => r.Address.Equals(journal.Recipient));
        if (!isReport)
            return isAddressed ? NoReport : null;
        return isAddressed && envelope.Recipients.Length == 1 ? null : Astray;
    }

    /// <summary>A report about a journal report would tell a stranger of it: nobody but our own people gets one, here or from whoever takes it on.</summary>
    public static Envelope Discreet(ReceivingSettings settings, Envelope envelope) =>
        envelope.Sender is { } sender && settings.Policy.OwnDomains.Contains(sender.Domain)
            ? envelope
            : envelope with { Recipients = [.. envelope.Recipients.Select(r => r with { Notify = DsnNotify.Never })] };
}
