using System.IO.Pipelines;

namespace GatewaySecure.Smtp.Server;

/// <summary>
/// One SMTP connection seen from the server (RFC 5321), from greeting to close. Reads commands and content from the transport,
/// asks the handler, and answers each command with exactly one reply.
/// </summary>
public sealed class SmtpServerSession
{
    /// <param name="transport">Clear, unless <paramref name="peer"/> says TLS. The session completes both directions at its end.</param>
    /// <param name="peer">The two end points; and TLS, where the transport already is.</param>
    public SmtpServerSession(
        IDuplexPipe transport, SmtpPeer peer, SmtpServerOptions options, ISmtpServerHandler handler, TimeProvider timeProvider)
    {
        ArgumentNullException.ThrowIfNull(transport);
        ArgumentNullException.ThrowIfNull(peer);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(handler);
        ArgumentNullException.ThrowIfNull(timeProvider);
    }

    /// <summary>
    /// Runs to the end of the connection. Does not throw for what a peer or the handler does.
    /// </summary>
    /// <param name="shutdown">Content that is arriving is finished and answered; else 421 4.3.2 at once.</param>
    /// <param name="abort">Ends the session now, without a word.</param>
    public Task RunAsync(CancellationToken shutdown, CancellationToken abort = default) =>
        throw new NotSupportedException();
}
