using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>
/// A gateway between other people's mail servers, all under TLS: a Postfix before it that says nothing in clear, behind it a Postfix that
/// takes nothing in clear and whose certificate is checked, an Exim, and a sink that keeps octets.
/// </summary>
public sealed class TransportFixture : IAsyncLifetime
{
    internal const string ToPostfix = "someone@postfix.example";
    internal const string ToExim = "someone@exim.example";
    internal const string ToSink = "someone@sink.example";

    private readonly TempDirectory _directory = new();

    internal GatewayProcess Gateway { get; private set; } = null!;

    internal PrivatePostfix Before { get; private set; } = null!;

    internal PrivatePostfix Behind { get; private set; } = null!;

    internal PrivateExim Exim { get; private set; } = null!;

    internal SmtpSink Sink { get; } = new(new SmtpSinkOptions
    {
        Keep = true, Keywords = ["PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES"],
    });

    public async ValueTask InitializeAsync()
    {
        var certificate = WriteCertificate();
        Behind = await PrivatePostfix.StartAsync(new PostfixOptions
        {
            Tls = certificate, Parameters = new Dictionary<string, string> { ["smtpd_tls_security_level"] = "encrypt" },
        });
        Exim = await PrivateExim.StartAsync(certificate);
        Gateway = new GatewayProcess(new GatewaySetup
        {
            NextHopPort = Behind.Port,
            SinkPort = Sink.Port,
            FurtherHops =
            [
                ("postfix.example", Behind.Port, "required\n    tls-name: localhost"),
                // The sender of this fixture's mail, for reports.
                ("reports.example", Behind.Port, "opportunistic"),
                ("exim.example", Exim.Port, "opportunistic"),
            ],
            // What the gateway's system trusts.
            Environment = new Dictionary<string, string> { ["SSL_CERT_FILE"] = certificate.Certificate },
        });
        await Gateway.StartAsync();
        Before = await PrivatePostfix.StartAsync(new PostfixOptions
        {
            RelayPort = Gateway.RelayPort,
            Parameters = new Dictionary<string, string> { ["smtp_tls_security_level"] = "encrypt", ["smtp_tls_loglevel"] = "1" },
        });
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var part in new IAsyncDisposable?[] { Before, Gateway, Behind, Exim, Sink })
        {
            if (part is not null)
                await part.DisposeAsync();
        }
        _directory.Dispose();
    }

    /// <summary>Files in a Maildir by a mark that each mail holds.</summary>
    internal static async Task<Dictionary<string, byte[]>> ArrivedAsync(string maildir, IReadOnlyCollection<string> marks)
    {
        for (var until = DateTime.UtcNow.AddSeconds(40); ; await Task.Delay(100))
        {
            var found = new Dictionary<string, byte[]>();
            foreach (var file in Directory.Exists(maildir) ? Directory.GetFiles(maildir) : [])
            {
                var content = await File.ReadAllBytesAsync(file);
                foreach (var mark in marks.Where(m => content.AsSpan().IndexOf(Encoding.ASCII.GetBytes(m)) >= 0))
                    Assert.True(found.TryAdd(mark, content), $"{mark} came twice.");
            }
            if (found.Count == marks.Count)
                return found;
            Assert.True(DateTime.UtcNow < until, $"{found.Count} of {marks.Count} mails came in time.");
        }
    }

    private (string Certificate, string Key) WriteCertificate()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(7));
        File.WriteAllText(_directory["certificate.pem"], certificate.ExportCertificatePem());
        File.WriteAllText(_directory["key.pem"], key.ExportPkcs8PrivateKeyPem());
        return (_directory["certificate.pem"], _directory["key.pem"]);
    }
}
