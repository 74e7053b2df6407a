namespace GatewaySecure.Smtp.Server;

/// <summary>The fixed replies of a session. Generic on purpose: what is behind them belongs in the owner's log.</summary>
internal static class Replies
{
    public static readonly SmtpReply Ok = new(250, "2.0.0", "Ok");
    public static readonly SmtpReply ChunkReceived = new(250, "2.0.0", "Chunk received");
    public static readonly SmtpReply Bye = new(221, "2.0.0", "Bye");
    public static readonly SmtpReply Help = new(214, "2.0.0", "See RFC 5321");
    public static readonly SmtpReply CannotVerify = new(252, "2.5.2", "Cannot VRFY, but will take mail for a valid recipient");
    public static readonly SmtpReply Authenticated = new(235, "2.7.0", "Authenticated");
    public static readonly SmtpReply ReadyForTls = new(220, "2.0.0", "Ready to start TLS");
    public static readonly SmtpReply StartData = new(354, null, "End data with <CR><LF>.<CR><LF>");

    public static readonly SmtpReply ShuttingDown = new(421, "4.3.2", "Shutting down, try again later");
    public static readonly SmtpReply TooSlow = new(421, "4.4.2", "Timed out");
    public static readonly SmtpReply TooManyErrors = new(421, "4.7.0", "Too many errors");
    public static readonly SmtpReply TooManyJunkCommands = new(421, "4.7.0", "Too many commands without a message");
    public static readonly SmtpReply Unavailable = new(421, "4.3.0", "Temporarily unavailable");
    public static readonly SmtpReply Fault = new(451, "4.3.0", "Temporary failure, try again later");
    public static readonly SmtpReply TooManyRecipients = new(452, "4.5.3", "Too many recipients in one transaction");

    public static readonly SmtpReply Unknown = new(500, "5.5.1", "Command not recognised");
    public static readonly SmtpReply LineTooLong = new(500, "5.5.2", "Line too long");
    public static readonly SmtpReply BadLine = new(500, "5.5.2", "A line ends with CRLF and holds no control characters and only valid UTF-8");
    public static readonly SmtpReply NoArguments = new(501, "5.5.4", "No parameters allowed");
    public static readonly SmtpReply BadHello = new(501, "5.5.4", "Expected a domain name or address literal");
    public static readonly SmtpReply BadBdat = new(501, "5.5.4", "Expected BDAT size [LAST]");
    public static readonly SmtpReply NotImplemented = new(502, "5.5.1", "Command not implemented");
    public static readonly SmtpReply TlsNotOffered = new(502, "5.5.1", "STARTTLS not offered");
    public static readonly SmtpReply TlsAlready = new(503, "5.5.1", "Already under TLS");
    public static readonly SmtpReply TooBig = new(552, "5.3.4", "Message too big");
    public static readonly SmtpReply BareLineEnd = new(554, "5.6.0", "Message holds a CR or LF that is not part of CRLF");
    public static readonly SmtpReply Nul = new(554, "5.6.0", "Message holds a NUL");

    public static readonly SmtpReply TlsFirst = new(530, "5.7.0", "Must issue a STARTTLS command first");
    public static readonly SmtpReply AuthFirst = new(530, "5.7.0", "Authentication required");
    public static readonly SmtpReply XclientNotAllowed = new(550, "5.7.1", "Not authorised to say XCLIENT");

    public static readonly SmtpReply AuthNotOffered = new(502, "5.5.1", "AUTH not offered");
    public static readonly SmtpReply AuthNeedsTls = new(538, "5.7.11", "Encryption required: say STARTTLS first");
    public static readonly SmtpReply AuthAlready = new(503, "5.5.1", "Already authenticated");
    public static readonly SmtpReply AuthUnknownMechanism = new(504, "5.5.4", "Mechanism not supported");
    public static readonly SmtpReply AuthCancelled = new(501, "5.7.0", "Authentication cancelled");
    public static readonly SmtpReply AuthMalformed = new(501, "5.5.2", "Malformed authentication data");
    public static readonly SmtpReply AuthFailed = new(535, "5.7.8", "Authentication failed");
}
