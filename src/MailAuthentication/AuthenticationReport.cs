using System.Collections.Immutable;

namespace GatewaySecure.MailAuthentication;

/// <summary>The words of RFC 8601 §2.7 for what a check came to.</summary>
public enum AuthenticationResult
{
    None,
    Pass,
    Fail,
    SoftFail,
    Neutral,
    Policy,

    /// <summary>The DNS could not be asked: nothing is known, trying later may tell.</summary>
    TempError,

    /// <summary>What was published or sent can't be understood.</summary>
    PermError,
}

/// <summary>What became of one DKIM signature (RFC 6376), or of the place where none was.</summary>
/// <param name="Reason">Plain words; of the sender's own text only names of domains and selectors.</param>
/// <param name="Domain">d=, in lower case; null where it could not be read.</param>
/// <param name="Algorithm">a=, where it is one we know.</param>
/// <param name="SignatureStart">The first octets of b=, to tell signatures apart (RFC 8601 §2.7.1, RFC 6008).</param>
public sealed record DkimResult(
    AuthenticationResult Result, string Reason, string? Domain = null, string? Selector = null, string? Algorithm = null, string? SignatureStart = null);

/// <summary>Whether the client may send for the domain it claimed (RFC 7208).</summary>
/// <param name="Domain">That was checked: of MAIL FROM, or of HELO where the sender is <c>&lt;&gt;</c>.</param>
/// <param name="IsHelo">The domain is HELO's.</param>
public sealed record SpfResult(AuthenticationResult Result, string Reason, string? Domain = null, bool IsHelo = false);

/// <summary>What became of the chain of ARC sets (RFC 8617).</summary>
/// <param name="Sealers">d= of each seal that holds, the oldest first; empty unless the chain passes.</param>
/// <param name="Vouched">
/// The newest sealers in an unbroken run are trusted, and the first of that run recorded that the mail passed DMARC for this From domain; else null.
/// </param>
public sealed record ArcResult(AuthenticationResult Result, string Reason, ImmutableArray<string> Sealers, string? Vouched = null);

/// <summary>What the owner of the From domain wants done with mail that fails (RFC 9989 §4.7, p= and sp=).</summary>
public enum DmarcPolicy
{
    None,
    Quarantine,
    Reject,
}

/// <summary>Whether the mail speaks for its From domain (RFC 9989, before it RFC 7489).</summary>
/// <param name="FromDomain">Of the From field; null where it names none.</param>
/// <param name="Policy">That applies to this From domain where it fails.</param>
public sealed record DmarcResult(AuthenticationResult Result, string Reason, string? FromDomain = null, DmarcPolicy Policy = DmarcPolicy.None);

/// <summary>All that was found out about where one mail comes from.</summary>
public sealed record AuthenticationReport(SpfResult Spf, ImmutableArray<DkimResult> Dkim, ArcResult Arc, DmarcResult Dmarc)
{
    /// <summary>
    /// What the From domain's owner wants of this mail: its policy where the mail fails and no trusted sealer vouches for it, else none.
    /// A check that could not be made never asks for more.
    /// </summary>
    public DmarcPolicy Wanted =>
        Dmarc.Result == AuthenticationResult.Fail && Arc.Vouched is null ? Dmarc.Policy : DmarcPolicy.None;
}
