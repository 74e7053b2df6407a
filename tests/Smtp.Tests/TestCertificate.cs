using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.Smtp.Tests;

/// <summary>One self-signed certificate for <c>mx.example.org</c>, made once for each run.</summary>
internal static class TestCertificate
{
    public static X509Certificate2 Instance { get; } = Make();

    public static SslServerAuthenticationOptions Server => new()
    {
        ServerCertificateContext = SslStreamCertificateContext.Create(Instance, additionalCertificates: null),
    };

    private static X509Certificate2 Make()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=mx.example.org", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("mx.example.org");
        request.CertificateExtensions.Add(names.Build());
        var now = DateTimeOffset.UtcNow;
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(7));
    }
}
