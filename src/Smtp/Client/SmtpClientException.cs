namespace GatewaySecure.Smtp.Client;

/// <summary>Why a client session could not go on. The session is not usable any more.</summary>
public enum SmtpClientFailure
{
    /// <summary>The connection broke or a time limit passed: what was not answered is unknown, so temporary.</summary>
    Connection,

    /// <summary>The peer said what SMTP does not allow.</summary>
    Protocol,

    /// <summary>TLS was required and not offered, was refused, or its handshake failed. Nothing was sent in clear.</summary>
    TlsUnavailable,

    /// <summary>The peer refused the session itself (greeting, EHLO, AUTH): see <see cref="SmtpClientException.Reply"/>.</summary>
    Refused,
}

/// <summary>The one exception of a client session; a queue decides by <see cref="Kind"/>. Results for recipients are values instead.</summary>
public sealed class SmtpClientException : Exception
{
    public SmtpClientException(SmtpClientFailure kind, string message, Exception? inner = null)
        : base(message, inner) => Kind = kind;

    public SmtpClientException(string message, SmtpReply reply)
        : base($"{message}: {reply}") => (Kind, Reply) = (SmtpClientFailure.Refused, reply);

    public SmtpClientFailure Kind { get; }

    /// <summary>What the peer said; only for <see cref="SmtpClientFailure.Refused"/>.</summary>
    public SmtpReply? Reply { get; }
}
