using System.Collections.Immutable;
using System.Net;
using System.Text;
using GatewaySecure.MailAuthentication;
using GatewaySecure.Policies;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Server;
using Result = GatewaySecure.MailAuthentication.AuthenticationResult;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>What becomes of mail that its From domain disowns (RFC 9989).</summary>
internal enum DmarcHandling
{
    /// <summary>The results are written on top, and that is all.</summary>
    Report,

    /// <summary>Mail that its domain wants quarantined or rejected is held for a person.</summary>
    Hold,

    /// <summary>What its domain wants rejected is rejected, what it wants quarantined is held.</summary>
    Reject,
}

/// <summary>How mail from outside is examined.</summary>
/// <param name="ServiceId">authserv-id of RFC 8601.</param>
/// <param name="ExemptNetworks">Peers that forward for others: nothing is refused or held, and SPF says nothing.</param>
internal sealed record AuthenticationPolicy(string ServiceId, DmarcHandling Dmarc, ImmutableArray<IPNetwork> ExemptNetworks);

/// <summary>What the examination of one mail came to.</summary>
/// <param name="Field">To be put on top, with its line end.</param>
/// <param name="Refusal">Null: it may be accepted.</param>
/// <param name="HoldReason">Null: it is not held for this.</param>
/// <param name="IsDisowned">Its sender is told nothing: it is hardly the one it says.</param>
/// <param name="Verdicts">What rules may ask.</param>
/// <param name="ArcSets">Of a good chain; 0: there is none. Null: the chain is not good.</param>
internal sealed record ArrivalJudgement(
    string Field, SmtpReply? Refusal, string? HoldReason, bool IsDisowned, ImmutableArray<AuthenticationVerdict> Verdicts, int? ArcSets);

/// <summary>Examines mail from outside while it arrives, and says what follows.</summary>
internal sealed class SenderAuthentication(MailAuthenticator authenticator, AuthenticationPolicy policy)
{
    public string ServiceId => policy.ServiceId;

    public MailExamination Begin(SmtpPeer peer, Envelope envelope) =>
        authenticator.Begin(new MailClient(peer.RemoteEndPoint.Address, peer.HeloName, envelope.Sender), checkSpf: !IsExempt(peer));

    /// <param name="isForPostmaster">Nobody else gets it: what goes to the postmaster is never refused (RFC 5321 §4.5.1).</param>
    public async ValueTask<ArrivalJudgement> JudgeAsync(
        MailExamination examination, SmtpPeer peer, Envelope envelope, bool isForPostmaster, CancellationToken cancellationToken)
    {
        var report = await examination.FinishAsync(cancellationToken);
        var field = Encoding.ASCII.GetString(AuthenticationResultsField.Write(policy.ServiceId, report, envelope.Sender?.ToString()));
        var verdicts = VerdictsOf(report, IsExempt(peer)).ToImmutableArray();
        int? arcSets = report.Arc.Result switch
        {
            Result.None => 0,
            Result.Pass => report.Arc.Sealers.Length,
            _ => null,
        };
        var wanted = IsExempt(peer) || isForPostmaster ? DmarcPolicy.None : report.Wanted;
        if (wanted == DmarcPolicy.Reject && policy.Dmarc == DmarcHandling.Reject)
        {
            var refusal = new SmtpReply(550, "5.7.1", $"{report.Dmarc.FromDomain} asks to reject mail that it did not send (DMARC), and this is such mail");
            return new ArrivalJudgement(field, refusal, null, IsDisowned: true, verdicts, arcSets);
        }
        var hold = wanted != DmarcPolicy.None && policy.Dmarc != DmarcHandling.Report
            ? $"the DMARC policy of {report.Dmarc.FromDomain}: {report.Dmarc.Reason}"
            : null;
        return new ArrivalJudgement(field, null, hold, IsDisowned: wanted != DmarcPolicy.None, verdicts, arcSets);
    }

    private static IEnumerable<AuthenticationVerdict> VerdictsOf(AuthenticationReport report, bool isExempt)
    {
        yield return report.Dmarc.Result switch
        {
            Result.Pass => AuthenticationVerdict.DmarcPass,
            Result.Fail when report.Arc.Vouched is not null => AuthenticationVerdict.ArcVouched,
            // Without SPF a failure says nothing.
            Result.Fail when isExempt => AuthenticationVerdict.DmarcUnknown,
            Result.Fail => AuthenticationVerdict.DmarcFail,
            Result.TempError => AuthenticationVerdict.DmarcUnknown,
            _ => AuthenticationVerdict.DmarcNone,
        };
        if (report.Spf.Result == Result.Pass)
            yield return AuthenticationVerdict.SpfPass;
        if (report.Spf.Result == Result.Fail)
            yield return AuthenticationVerdict.SpfFail;
        if (report.Dkim.Any(d => d.Result == Result.Pass))
            yield return AuthenticationVerdict.DkimPass;
    }

    private bool IsExempt(SmtpPeer peer) => ReceivingSettings.Contains(policy.ExemptNetworks, peer.RemoteEndPoint.Address);
}
