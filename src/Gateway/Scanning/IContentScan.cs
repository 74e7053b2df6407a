using GatewaySecure.Gateway.Protection;
using GatewaySecure.Gateway.Spool;

namespace GatewaySecure.Gateway.Scanning;

/// <summary>Lets scanners look at a mail before it is protected.</summary>
internal interface IContentScan
{
    /// <summary>
    /// Asks each scanner that the mail has to pass and has not passed yet in this form. Who asks for a mail that is being scanned, or was
    /// refused and not released since, gets that answer.
    /// </summary>
    /// <exception cref="IOException">The spool could not be read or written.</exception>
    Task<ScanOutcome> ExamineAsync(SpooledMail item, MailForm form, CancellationToken cancellationToken);

    /// <summary>With the fields on top that scanners added to this form.</summary>
    MailForm WithFields(SpooledMail item, MailForm form);
}

/// <summary>What follows from the scanners' verdicts, for every recipient alike.</summary>
internal abstract record ScanOutcome
{
    private ScanOutcome()
    {
    }

    /// <summary>Every scanner let it pass, or none had to look.</summary>
    public sealed record Clean : ScanOutcome;

    /// <summary>Kept for a person.</summary>
    /// <param name="IsReported">The sender is told.</param>
    public sealed record Hold(string Reason, bool IsReported) : ScanOutcome;

    /// <summary>Given up.</summary>
    /// <param name="IsReported">The sender is told.</param>
    public sealed record Refuse(string Reason, bool IsReported) : ScanOutcome;

    /// <summary>A scanner could not tell: nothing is sent, and it is asked again.</summary>
    public sealed record Unknown(string Reason) : ScanOutcome;

    /// <summary>A scanner was not asked, because it failed a moment ago or is busy: that is no attempt.</summary>
    public sealed record NotAsked(string Reason, TimeSpan RestsFor) : ScanOutcome;
}
