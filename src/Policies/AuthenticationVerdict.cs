namespace GatewaySecure.Policies;

/// <summary>What rules may ask of the examination of mail from outside. One about DMARC holds, and those about SPF and DKIM beside it.</summary>
public enum AuthenticationVerdict
{
    /// <summary>It comes from inside, or nothing is examined: there is no other verdict.</summary>
    NotExamined,

    /// <summary>The From domain stands behind it.</summary>
    DmarcPass,

    /// <summary>The From domain does not, and no trusted forwarder vouches for it; whatever the domain wants done then.</summary>
    DmarcFail,

    /// <summary>The From domain publishes nothing that could be understood.</summary>
    DmarcNone,

    /// <summary>The DNS did not answer, or the peer forwards for others: a failure would prove nothing.</summary>
    DmarcUnknown,

    /// <summary>DMARC fails, and a trusted forwarder saw it pass.</summary>
    ArcVouched,

    SpfPass,

    /// <summary>The sender's domain says that this peer may not send for it.</summary>
    SpfFail,

    /// <summary>One signature at least holds, whosever it is.</summary>
    DkimPass,
}

/// <summary>The words for them, in configurations and for people.</summary>
public static class AuthenticationVerdicts
{
    public static IReadOnlyList<(string Word, AuthenticationVerdict Verdict)> Words { get; } =
    [
        ("not-examined", AuthenticationVerdict.NotExamined),
        ("dmarc-pass", AuthenticationVerdict.DmarcPass),
        ("dmarc-fail", AuthenticationVerdict.DmarcFail),
        ("dmarc-none", AuthenticationVerdict.DmarcNone),
        ("dmarc-unknown", AuthenticationVerdict.DmarcUnknown),
        ("arc-vouched", AuthenticationVerdict.ArcVouched),
        ("spf-pass", AuthenticationVerdict.SpfPass),
        ("spf-fail", AuthenticationVerdict.SpfFail),
        ("dkim-pass", AuthenticationVerdict.DkimPass),
    ];

    public static string Word(AuthenticationVerdict verdict) => Words.First(w => w.Verdict == verdict).Word;
}
