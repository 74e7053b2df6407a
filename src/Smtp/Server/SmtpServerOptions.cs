using System.Net.Security;
using GatewaySecure.Addresses;

namespace GatewaySecure.Smtp.Server;

/// <summary>What one listener allows its sessions. Sizes in octets.</summary>
public sealed record SmtpServerOptions
{
    /// <summary>Said in the greeting and in EHLO.</summary>
    public required DomainName ServerName { get; init; }

    /// <summary>
    /// Where the postmaster's mailbox is: <c>RCPT TO:&lt;postmaster&gt;</c>, and the postmaster of <see cref="ServerName"/> and of our own
    /// address, mean the one of this domain (RFC 5321 §4.5.1). Null: of <see cref="ServerName"/>.
    /// </summary>
    public DomainName? PostmasterDomain { get; init; }

    /// <summary>
    /// Null: STARTTLS is neither offered nor possible. Should hold a ServerCertificateContext, which is built once, rather than a
    /// certificate, whose chain is built at every handshake.
    /// </summary>
    public SslServerAuthenticationOptions? Tls { get; init; }

    /// <summary>The TLS handshake comes first, before the greeting (RFC 8314 §3.3). Needs <see cref="Tls"/>.</summary>
    public bool ImplicitTls { get; init; }

    /// <summary>MAIL before TLS gets 530 5.7.0 (RFC 3207 §4). Needs <see cref="Tls"/>.</summary>
    public bool RequireTls { get; init; }

    /// <summary>The client is asked for a certificate in the handshake, and may have none.</summary>
    public bool AskForClientCertificate { get; init; }

    /// <summary>AUTH PLAIN and LOGIN are offered once the session is under TLS, and never before.</summary>
    public bool OfferAuthentication { get; init; }

    /// <summary>MAIL without authentication gets 530 5.7.0 (RFC 4954 §6). Needs <see cref="OfferAuthentication"/>.</summary>
    public bool RequireAuthentication { get; init; }

    /// <summary>XCLIENT is offered and obeyed, once. For a proxy that may say who is behind it, and nobody else.</summary>
    public bool OfferXclient { get; init; }

    /// <summary>XCLIENT's LOGIN counts as authentication.</summary>
    public bool BelieveXclientLogin { get; init; }

    /// <summary>Advertised as SIZE, checked at MAIL and counted as the content arrives (RFC 1870).</summary>
    public long MaxMessageSize { get; init; } = 100 * 1024 * 1024;

    /// <summary>In one transaction; one more gets 452 4.5.3. RFC 5321 §4.5.3.1.8 asks for 100 at least.</summary>
    public int MaxRecipients { get; init; } = 1000;

    /// <summary>Protocol errors of the client before 421; a delivered message does not forgive them.</summary>
    public int MaxErrors { get; init; } = 20;

    /// <summary>NOOP, RSET, VRFY and HELP between two accepted messages before 421.</summary>
    public int MaxJunkCommands { get; init; } = 100;

    /// <summary>Refused passwords before 421.</summary>
    public int MaxAuthenticationAttempts { get; init; } = 3;

    /// <summary>
    /// Of one command line with its CRLF. 512 by RFC 5321 §4.5.3.1.4, and room for SIZE, BODY, SMTPUTF8, AUTH=, RET and ENVID,
    /// or NOTIFY and ORCPT (RFC 1870, 6152, 6531, 4954, 3461). AUTH has its own limit (RFC 4954 §4).
    /// </summary>
    public int MaxCommandLine { get; init; } = 2048;

    /// <summary>
    /// For listeners of listed inside devices only: a bare CR or LF in the content becomes CRLF. Otherwise it refuses the
    /// message. In neither case does it ever end the message.
    /// </summary>
    public bool NormaliseBareLineEnds { get; init; }

    /// <summary>For a whole command to arrive, and for a reply to be taken (RFC 5321 §4.5.3.2.7).</summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Between two pieces of content.</summary>
    public TimeSpan DataTimeout { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>From 354, or the first chunk, to the last octet of one message, however steadily it drips.</summary>
    public TimeSpan MessageTimeout { get; init; } = TimeSpan.FromMinutes(30);

    public TimeSpan TlsHandshakeTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>From the first octet to the last, whatever happens.</summary>
    public TimeSpan SessionTimeout { get; init; } = TimeSpan.FromHours(2);

    /// <exception cref="ArgumentException">What is asked for can't be had.</exception>
    internal void Check()
    {
        if (ImplicitTls && Tls is null)
            throw new ArgumentException("Implicit TLS needs TLS options.");
        if ((RequireTls || AskForClientCertificate) && Tls is null)
            throw new ArgumentException("What is required of TLS needs TLS options.");
        if (RequireAuthentication && !OfferAuthentication)
            throw new ArgumentException("Authentication that is required must be offered.");
        if (MaxMessageSize <= 0 || MaxRecipients <= 0 || MaxErrors <= 0 || MaxJunkCommands <= 0 || MaxAuthenticationAttempts <= 0)
            throw new ArgumentException("A limit must be positive.");
        // RFC 5321 §4.5.3.1.4
        if (MaxCommandLine < 512)
            throw new ArgumentException("A command line may have 512 octets at least.");
        if (new[] { CommandTimeout, DataTimeout, MessageTimeout, TlsHandshakeTimeout, SessionTimeout }.Any(t => t <= TimeSpan.Zero || t > TimeSpan.FromDays(1)))
            throw new ArgumentException("A time limit must be positive and one day at most.");
    }
}
