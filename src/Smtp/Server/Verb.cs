namespace GatewaySecure.Smtp.Server;

/// <summary>The commands a session knows.</summary>
internal enum Verb
{
    Unknown,
    Ehlo,
    Helo,
    StartTls,

    /// <summary>A proxy says who is behind it (Postfix's XCLIENT).</summary>
    Xclient,
    Auth,
    Mail,
    Rcpt,
    Data,

    /// <summary>A chunk with more to come (RFC 3030 §2).</summary>
    Bdat,

    /// <summary>The last chunk.</summary>
    BdatLast,
    Rset,
    Noop,
    Vrfy,
    Expn,
    Help,
    Quit,
}
