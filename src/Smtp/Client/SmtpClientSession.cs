using System.Collections.Immutable;

namespace GatewaySecure.Smtp.Client;

/// <summary>
/// One SMTP connection seen from the client (RFC 5321): greeting, EHLO, TLS, and then message after message, byte-exact.
/// Calls come one at a time.
/// </summary>
public sealed class SmtpClientSession : IAsyncDisposable
{
    private SmtpClientSession()
    {
    }

    public SmtpExtensions Extensions { get; } = SmtpExtensions.None;

    public bool IsTls { get; }

    /// <summary>Such as <c>TLSv1.3:TLS_AES_256_GCM_SHA384</c>; null without TLS.</summary>
    public string? TlsDescription { get; }

    /// <summary>True where another message may be sent on this connection.</summary>
    public bool IsUsable { get; }

    /// <summary>Greeting, EHLO (or HELO), TLS by policy, AUTH where credentials were given. Owns the stream from here on.</summary>
    /// <exception cref="SmtpClientException">No session; the stream is closed.</exception>
    public static Task<SmtpClientSession> ConnectAsync(Stream transport, SmtpClientOptions options, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    /// <summary>
    /// Sends one message and gives one result for each recipient, in the envelope's order.
    /// </summary>
    /// <exception cref="SmtpClientException">The connection broke; nothing is known of recipients.</exception>
    public Task<ImmutableArray<RecipientResult>> SendAsync(Envelope envelope, IOutgoingContent content, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task RsetAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Says QUIT and closes. Never throws for what the peer does.</summary>
    public Task QuitAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Closes the connection without a word, if <see cref="QuitAsync"/> did not.</summary>
    public ValueTask DisposeAsync() => throw new NotSupportedException();
}

/// <summary>How it went for one recipient.</summary>
/// <param name="Recipient">As in the envelope.</param>
/// <param name="Reply">Positive: the peer has taken over. Transient: try again. Permanent: give up, with this reason.</param>
/// <param name="DsnRelayed">The peer offers DSN and got the sender's wishes for reports, so it reports success itself (RFC 3461 §5.2.2).</param>
public sealed record RecipientResult(EnvelopeRecipient Recipient, SmtpReply Reply, bool DsnRelayed);
