using System.Net.Security;
using GatewaySecure.Addresses;

namespace GatewaySecure.Smtp.Client;

/// <summary>How one client session talks to its peer. The time limits are those of RFC 5321 §4.5.3.2.</summary>
public sealed record SmtpClientOptions
{
    /// <summary>Said in EHLO (RFC 5321 §4.1.1.1).</summary>
    public required DomainName LocalName { get; init; }

    /// <summary>The peer's name: for SNI and for the check of its certificate.</summary>
    public required string TargetHost { get; init; }

    public TlsPolicy Tls { get; init; } = TlsPolicy.Opportunistic;

    /// <summary>The handshake comes first, before the greeting (RFC 8314 §3.3); <see cref="Tls"/> then must not be Never.</summary>
    public bool ImplicitTls { get; init; }

    /// <summary>
    /// Decides about the peer's certificate. Null: the system's judgement under <see cref="TlsPolicy.Required"/>; any certificate
    /// under <see cref="TlsPolicy.Opportunistic"/>, where the alternative would be clear text.
    /// </summary>
    public RemoteCertificateValidationCallback? CertificateValidation { get; init; }

    /// <summary>Shown to a peer that asks for a certificate, with what stands above it.</summary>
    public SslStreamCertificateContext? ClientCertificate { get; init; }

    /// <summary>Given under TLS only; a session that has them and gets no TLS or no AUTH fails.</summary>
    public SmtpCredentials? Credentials { get; init; }

    /// <summary>False: commands go one by one though the peer offers PIPELINING (for peers that don't keep their word).</summary>
    public bool UsePipelining { get; init; } = true;

    /// <summary>False: DATA though the peer offers CHUNKING (for peers that don't keep their word).</summary>
    public bool UseChunking { get; init; } = true;

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    public TimeSpan GreetingTimeout { get; init; } = TimeSpan.FromMinutes(5);

    public TimeSpan TlsHandshakeTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>EHLO, STARTTLS, AUTH, MAIL, RCPT, RSET.</summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>From DATA to 354.</summary>
    public TimeSpan DataInitiationTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>For one block of content to be taken by the transport.</summary>
    public TimeSpan DataBlockTimeout { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>From the final dot or LAST chunk to its reply.</summary>
    public TimeSpan DataTerminationTimeout { get; init; } = TimeSpan.FromMinutes(10);

    public TimeSpan QuitTimeout { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>Whether a session may or must be under TLS.</summary>
public enum TlsPolicy
{
    /// <summary>Clear, even where STARTTLS is offered.</summary>
    Never,

    /// <summary>TLS where offered; a handshake that fails ends the session, and the caller decides about a new one.</summary>
    Opportunistic,

    /// <summary>TLS or nothing: no MAIL is ever said in clear.</summary>
    Required,
}

/// <summary>For AUTH PLAIN or LOGIN.</summary>
public sealed record SmtpCredentials(string UserName, string Password)
{
    /// <summary>Never shows the password.</summary>
    public override string ToString() => $"SmtpCredentials {{ UserName = {UserName} }}";
}
