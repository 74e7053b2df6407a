using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.MailRouting.TlsReports;

namespace GatewaySecure.MailRouting;

/// <summary>
/// The check of the certificate in one session with a host, by the TLS that its domain demands. Made anew for each session, since it
/// remembers how that went.
/// </summary>
public sealed class PeerCheck(HostTls tls, TimeProvider time, X509Certificate2Collection? anchors = null)
{
    public HostTls Tls => tls;

    /// <summary>Null: nothing was wrong so far.</summary>
    public TlsFailure? Failure { get; private set; }

    /// <summary>For <see cref="SslStream"/>. True lets the session go on; in testing mode also where <see cref="Failure"/> then says what was wrong.</summary>
    public bool Validate(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        Failure = tls switch
        {
            DaneTls { Records.IsUsable: true } dane => Dane.DaneCheck.Check(dane, Server(certificate), chain, time.GetUtcNow()),
            StsTls { MatchesPolicy: false } sts => TlsFailure.NotInPolicy(sts.Host),
            StsTls or ConfiguredTls => PkixCheck.Check(tls.ServerName, Server(certificate), chain, time.GetUtcNow(), anchors),
            _ => null,
        };
        return Failure is null || !tls.IsRequired;
    }

    /// <summary>The peer offers no STARTTLS or refused it.</summary>
    public void NotOffered() => Failure ??= new TlsFailure(TlsResult.StartTlsNotSupported, "no STARTTLS");

    /// <summary>The handshake failed for another reason than the certificate.</summary>
    public void Broken(string why) => Failure ??= new TlsFailure(TlsResult.ValidationFailure, why);

    private static X509Certificate2? Server(X509Certificate? certificate) => certificate as X509Certificate2;
}
