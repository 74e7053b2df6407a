using GatewaySecure.Gateway.Spool;
using GatewaySecure.Smtp;

namespace GatewaySecure.Gateway.Reports;

/// <summary>Tells senders what became of their mail (RFC 3461, 3464).</summary>
internal interface IReporter
{
    /// <summary>
    /// One report about some recipients of one mail, of whatever kind, as far as the sender wants one (NOTIFY) and there is somebody to tell (never
    /// to <c>&lt;&gt;</c>). It is committed to the spool when this returns, so the original may go.
    /// </summary>
    /// <exception cref="SpoolUnavailableException">Not committed: keep the original and try again.</exception>
    ValueTask ReportAsync(SpooledMail about, IReadOnlyList<RecipientReport> reports, CancellationToken cancellationToken);
}

/// <summary>What is to be said of one recipient.</summary>
/// <param name="Index">Into the envelope's recipients.</param>
/// <param name="Reason">One plain line for people.</param>
/// <param name="Reply">What the next hop said, or null where the reason is our own.</param>
/// <param name="NextHop">Its name, or null.</param>
/// <param name="IsHeld">It waits for protection or a person, without an end.</param>
/// <param name="IsExpired">Given up because it took too long, whatever for.</param>
internal sealed record RecipientReport(int Index, ReportKind Kind, string Reason, SmtpReply? Reply = null, string? NextHop = null, bool IsHeld = false, bool IsExpired = false);

/// <summary>What a report says happened (RFC 3464 §2.3.3).</summary>
internal enum ReportKind
{
    /// <summary>Given up.</summary>
    Failed,

    /// <summary>Still being tried, or held; the reason says which.</summary>
    Delayed,

    /// <summary>Handed to a next hop that does not report success itself (RFC 3461 §5.2.2).</summary>
    Relayed,

    /// <summary>Put where the recipient finds it.</summary>
    Delivered,
}
