namespace GatewaySecure.Smtp.Server;

/// <summary>How far the dialogue has come.</summary>
internal enum SessionState
{
    /// <summary>No EHLO or HELO yet, or it was forgotten by STARTTLS.</summary>
    Connected,

    /// <summary>Greeted, no transaction.</summary>
    Greeted,

    /// <summary>MAIL was accepted, no recipient yet.</summary>
    Mail,

    /// <summary>At least one recipient.</summary>
    Recipients,

    /// <summary>Between two BDAT chunks of one message.</summary>
    Chunks,
}

/// <summary>
/// The one table of what may follow what (RFC 5321 §4.1.4, RFC 3207 §4, RFC 4954 §3, RFC 3030 §2): for each command and state
/// either the state after success, or the reply that refuses it.
/// </summary>
internal static class SessionTable
{
    private const SessionState Connected = SessionState.Connected;
    private const SessionState Greeted = SessionState.Greeted;
    private const SessionState Mail = SessionState.Mail;
    private const SessionState Recipients = SessionState.Recipients;
    private const SessionState Chunks = SessionState.Chunks;

    private static readonly SmtpReply HelloFirst = new(503, "5.5.1", "Say EHLO first");
    private static readonly SmtpReply MailFirst = new(503, "5.5.1", "Say MAIL first");
    private static readonly SmtpReply RcptFirst = new(554, "5.5.1", "No valid recipients");
    private static readonly SmtpReply Nested = new(503, "5.5.1", "A transaction is open; say RSET first");
    private static readonly SmtpReply InChunks = new(503, "5.5.1", "Expected BDAT or RSET");

    private static readonly Dictionary<Verb, Cell[]> Rows = new()
    {
        // command             Connected    Greeted     Mail        Recipients   Chunks
        [Verb.Ehlo] =         [Greeted,     Greeted,    Greeted,    Greeted,     Greeted],
        [Verb.Helo] =         [Greeted,     Greeted,    Greeted,    Greeted,     Greeted],
        [Verb.StartTls] =     [HelloFirst,  Connected,  Nested,     Nested,      InChunks],
        [Verb.Xclient] =      [Connected,   Connected,  Nested,     Nested,      InChunks],
        [Verb.Auth] =         [HelloFirst,  Greeted,    Nested,     Nested,      InChunks],
        [Verb.Mail] =         [HelloFirst,  Mail,       Nested,     Nested,      InChunks],
        [Verb.Rcpt] =         [HelloFirst,  MailFirst,  Recipients, Recipients,  InChunks],
        [Verb.Data] =         [HelloFirst,  MailFirst,  RcptFirst,  Greeted,     InChunks],
        [Verb.Bdat] =         [HelloFirst,  MailFirst,  RcptFirst,  Chunks,      Chunks],
        [Verb.BdatLast] =     [HelloFirst,  MailFirst,  RcptFirst,  Greeted,     Greeted],
        [Verb.Rset] =         [Connected,   Greeted,    Greeted,    Greeted,     Greeted],
        [Verb.Noop] =         [Connected,   Greeted,    Mail,       Recipients,  Chunks],
        [Verb.Vrfy] =         [Connected,   Greeted,    Mail,       Recipients,  Chunks],
        [Verb.Expn] =         [Connected,   Greeted,    Mail,       Recipients,  Chunks],
        [Verb.Help] =         [Connected,   Greeted,    Mail,       Recipients,  Chunks],
        [Verb.Quit] =         [Connected,   Greeted,    Mail,       Recipients,  Chunks],
        [Verb.Unknown] =      [Connected,   Greeted,    Mail,       Recipients,  Chunks],
    };

    public static Cell Look(Verb verb, SessionState state) => Rows[verb][(int)state];

    /// <summary>Either where success leads, or why the command may not come now.</summary>
    internal readonly record struct Cell(SessionState Next, SmtpReply? Refusal)
    {
        public static implicit operator Cell(SessionState next) => new(next, null);

        public static implicit operator Cell(SmtpReply refusal) => new(default, refusal);
    }
}
