using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.TestKit;

/// <summary>A private CA for TLS: a root, an issuing CA below it, and certificates of servers and clients for names. Disposing forgets them all.</summary>
public sealed class ServerPki : IDisposable
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private readonly List<X509Certificate2> _made = [];
    private readonly DateTimeOffset _now;

    /// <param name="now">What the certificates are valid at; null: now.</param>
    public ServerPki(string name = "Test", DateTimeOffset? now = null)
    {
        _now = now ?? DateTimeOffset.UtcNow;
        Root = Make($"CN={name} Root", null, isAuthority: true, []);
        Issuer = Make($"CN={name} Issuing CA", Root, isAuthority: true, []);
    }

    public X509Certificate2 Root { get; }

    public X509Certificate2 Issuer { get; }

    /// <summary>A server's certificate with its key, from <see cref="Issuer"/>.</summary>
    /// <param name="names">DNS names, or addresses; a wildcard is a name.</param>
    /// <param name="notAfter">Default: in 30 days.</param>
    public X509Certificate2 Server(DateTimeOffset? notAfter, params string[] names) => Make($"CN={names[0]}", Issuer, isAuthority: false, names, notAfter);

    public X509Certificate2 Server(params string[] names) => Server(null, names);

    /// <summary>A client's certificate with its key, from <see cref="Issuer"/>.</summary>
    /// <param name="names">DNS names, addresses or mail addresses.</param>
    public X509Certificate2 Client(DateTimeOffset? notAfter, params string[] names) =>
        Make($"CN={names[0].Replace('@', '.')}", Issuer, isAuthority: false, names, notAfter, ClientAuthentication);

    /// <summary>A certificate that claims to be from <paramref name="claimed"/>, and is signed by somebody else.</summary>
    public X509Certificate2 Forged(X509Certificate2 claimed, string name)
    {
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = Request($"CN={name}", key, isAuthority: false, [name]);
        using var certificate = request.Create(
            claimed.SubjectName, X509SignatureGenerator.CreateForECDsa(stranger), _now.AddDays(-1), _now.AddDays(30), RandomNumberGenerator.GetBytes(8));
        return Keep(certificate.CopyWithPrivateKey(key));
    }

    /// <summary>Certificate, issuer and key as one PEM text.</summary>
    public string Pem(X509Certificate2 server) =>
        $"{server.ExportCertificatePem()}\n{Issuer.ExportCertificatePem()}\n{server.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem()}\n";

    public void Dispose()
    {
        foreach (var certificate in _made)
            certificate.Dispose();
    }

    private X509Certificate2 Make(
        string subject, X509Certificate2? issuer, bool isAuthority, string[] names, DateTimeOffset? notAfter = null, string purpose = ServerAuthentication)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = Request(subject, key, isAuthority, names, purpose);
        var end = notAfter ?? _now.AddDays(issuer is null ? 60 : isAuthority ? 50 : 30);
        if (issuer is null)
            return Keep(request.CreateSelfSigned(_now.AddDays(-20), end));
        using var certificate = request.Create(issuer, _now.AddDays(-10), end, RandomNumberGenerator.GetBytes(8));
        return Keep(certificate.CopyWithPrivateKey(key));
    }

    private static CertificateRequest Request(string subject, ECDsa key, bool isAuthority, string[] names, string purpose = ServerAuthentication)
    {
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        if (names.Length > 0)
        {
            var alternatives = new SubjectAlternativeNameBuilder();
            foreach (var name in names)
            {
                if (IPAddress.TryParse(name, out var address))
                    alternatives.AddIpAddress(address);
                else if (name.Contains('@', StringComparison.Ordinal))
                    alternatives.AddEmailAddress(name);
                else
                    alternatives.AddDnsName(name);
            }
            request.CertificateExtensions.Add(alternatives.Build());
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], critical: false));
        }
        return request;
    }

    private X509Certificate2 Keep(X509Certificate2 certificate)
    {
        _made.Add(certificate);
        return certificate;
    }
}
