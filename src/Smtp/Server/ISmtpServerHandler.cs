using System.Net;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;

namespace GatewaySecure.Smtp.Server;

/// <summary>
/// What the owner of a server session decides. One instance serves one connection, calls come one at a time.
/// An exception from any method becomes 451 4.3.0 and never a 5xx: what is unknown is temporary.
/// </summary>
public interface ISmtpServerHandler
{
    /// <summary>
    /// Before the greeting; and again after each XCLIENT, with the peer that it named. Null: go on with 220. A reply: send it (421 or
    /// 554) and close.
    /// </summary>
    ValueTask<SmtpReply?> OnConnectAsync(SmtpPeer peer, CancellationToken cancellationToken);

    /// <summary>
    /// The name that the client's certificate proves, asked after a handshake in which there was one. Null: none, and it counts for nothing.
    /// </summary>
    ValueTask<string?> IdentifyAsync(SmtpPeer peer, X509Certificate2 certificate, IReadOnlyList<X509Certificate2> issuers, CancellationToken cancellationToken) =>
        new((string?)null);

    /// <summary>Checks a password (called under TLS only).</summary>
    ValueTask<AuthenticationResult> AuthenticateAsync(SmtpPeer peer, string userName, string password, CancellationToken cancellationToken);

    /// <summary>MAIL FROM, after its parameters were parsed. A positive reply (250) opens the transaction.</summary>
    ValueTask<SmtpReply> OnMailAsync(SmtpPeer peer, Envelope envelope, CancellationToken cancellationToken);

    /// <summary>RCPT TO. A positive reply adds the recipient; <paramref name="envelope"/> holds those added before.</summary>
    ValueTask<SmtpReply> OnRecipientAsync(SmtpPeer peer, Envelope envelope, EnvelopeRecipient recipient, CancellationToken cancellationToken);

    /// <summary>
    /// DATA or the first BDAT, with at least one recipient. The sink takes the content.
    /// <paramref name="protocol"/> is the word for the Received header's <c>with</c> (ESMTP, ESMTPS, ESMTPSA, UTF8SMTPS…; RFC 3848, RFC 6531).
    /// </summary>
    ValueTask<MessageStart> OnMessageAsync(SmtpPeer peer, Envelope envelope, string protocol, CancellationToken cancellationToken);

    /// <summary>After each protocol error. Null: go on. A reply (421) is said instead of the error's own. Must not throw.</summary>
    SmtpReply? OnError(SmtpPeer peer) => null;

    /// <summary>The handshake failed, or clear text came behind STARTTLS; the connection ends. Must not throw.</summary>
    void OnHandshakeFailed(SmtpPeer peer, Exception exception) => OnFault(peer, exception);

    /// <summary>The exception behind a 451 4.3.0 (from this handler or its sink), for the owner's log. Must not throw.</summary>
    void OnFault(SmtpPeer peer, Exception exception)
    {
    }
}

/// <summary>What came of a password.</summary>
public abstract record AuthenticationResult
{
    private AuthenticationResult()
    {
    }

    /// <summary>It is right.</summary>
    /// <param name="Identity">The name to go by.</param>
    public sealed record Proved(string Identity) : AuthenticationResult;

    /// <summary>Wrong name or password: 535 5.7.8, counted.</summary>
    public sealed record Wrong : AuthenticationResult;

    /// <summary>It was not looked at: that reply, not counted.</summary>
    public sealed record NotNow(SmtpReply Reply) : AuthenticationResult;
}

/// <summary>Either a sink that takes the content (354, or go on with BDAT) or a reply that refuses it.</summary>
public sealed record MessageStart
{
    private MessageStart(IMessageSink? sink, SmtpReply? refusal) => (Sink, Refusal) = (sink, refusal);

    public IMessageSink? Sink { get; }

    public SmtpReply? Refusal { get; }

    public static MessageStart Accept(IMessageSink sink) => new(sink, null);

    public static MessageStart Refuse(SmtpReply reply) => new(null, reply);
}

/// <summary>Takes the octets of one message as they arrive: dots unstuffed, line ends CRLF, in pieces of any size.</summary>
public interface IMessageSink : IAsyncDisposable
{
    /// <summary>
    /// Null: go on. A reply: the message is refused now (too large, loop, header injection); the session reads on
    /// to the end of the content, so that the dialogue stays in step, and then sends that reply.
    /// </summary>
    ValueTask<SmtpReply?> WriteAsync(ReadOnlyMemory<byte> octets, CancellationToken cancellationToken);

    /// <summary>The content is whole. A 250 promises that it is durable. Disposal without a commit discards everything.</summary>
    ValueTask<SmtpReply> CommitAsync(CancellationToken cancellationToken);
}

/// <summary>Who is at the other end, as far as it is known now; the session replaces it after EHLO, STARTTLS, AUTH and XCLIENT.</summary>
public sealed record SmtpPeer
{
    public required IPEndPoint RemoteEndPoint { get; init; }

    public required IPEndPoint LocalEndPoint { get; init; }

    /// <summary>The argument of EHLO or HELO, or null before it.</summary>
    public string? HeloName { get; init; }

    public bool IsTls { get; init; }

    /// <summary>For the Received header, such as <c>TLSv1.3:TLS_AES_256_GCM_SHA384</c>; null without TLS.</summary>
    public string? TlsDescription { get; init; }

    /// <summary>The name that its certificate proved, or null.</summary>
    public string? CertifiedAs { get; init; }

    /// <summary>The identity that AUTH proved, or a believed proxy (XCLIENT); or null.</summary>
    public string? AuthenticatedAs { get; init; }
}
