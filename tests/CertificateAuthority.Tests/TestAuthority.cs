using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.Storage;
using GatewaySecure.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace GatewaySecure.CertificateAuthority.Tests;

/// <summary>A CA on a real database, with openssl as the one who asks and the one who judges.</summary>
internal sealed class TestAuthority : IAsyncDisposable
{
    private readonly TempDirectory _directory;

    private TestAuthority(TempDirectory directory, AsymmetricAlgorithm key, GatewayDatabase database)
    {
        _directory = directory;
        Key = key;
        Database = database;
    }

    // openssl judges by the real clock.
    public FakeTimeProvider Time { get; } = new(DateTimeOffset.UtcNow);

    public AsymmetricAlgorithm Key { get; }

    public GatewayDatabase Database { get; }

    public IssuingAuthority Authority { get; private set; } = null!;

    public AuthorityOptions Options { get; } = new(new Uri("http://kdc.example.org/crl/issuing.crl"), new Uri("http://kdc.example.org/ocsp"));

    public static async Task<TestAuthority> CreateAsync(AsymmetricAlgorithm? key = null, CancellationToken cancellationToken = default)
    {
        var directory = new TempDirectory();
        var database = await GatewayDatabase.OpenAsync(directory["ca.db"], cancellationToken);
        var test = new TestAuthority(directory, key ?? ECDsa.Create(ECCurve.NamedCurves.nistP256), database);
        test.Use(IssuingAuthority.CreateRoot("Example CA", test.Key, TimeSpan.FromDays(3650), test.Time));
        return test;
    }

    public void Use(X509Certificate2 certificate)
    {
        Authority = new IssuingAuthority(certificate, Key, Options, Database.Certificates, Database.Audit, Time);
        File.WriteAllText(_directory["ca.pem"], certificate.ExportCertificatePem());
    }

    public string this[string file] => _directory[file];

    /// <summary>A key and a request of openssl's; DER.</summary>
    public async Task<byte[]> RequestAsync(params string[] newKey)
    {
        await OpenSslAsync(["req", "-new", "-newkey", .. newKey, "-nodes", "-subj", "/CN=Somebody Else/emailAddress=root@elsewhere.example",
            "-addext", "subjectAltName=email:root@elsewhere.example", "-keyout", this["key.pem"], "-outform", "DER", "-out", this["request.der"]]);
        return await File.ReadAllBytesAsync(this["request.der"]);
    }

    public static CertificateOrder Order(CertificateUse use, params string[] addresses) =>
        new(use, "Bob Bücher", null, [.. addresses.Select(MailAddress.Parse)], [DomainName.Parse("gw.example.org")], "tester");

    public async Task<X509Certificate2> IssueAsync(CertificateUse use, byte[]? request = null)
    {
        request ??= await RequestAsync("rsa:2048");
        var certificate = await Authority.IssueAsync(request, Order(use, "bob@example.org"), default);
        await File.WriteAllTextAsync(this["bob.pem"], certificate.ExportCertificatePem());
        return certificate;
    }

    /// <summary>What <c>openssl verify</c> says of the last certificate, with today's CRL.</summary>
    public async Task<ToolResult> VerifyAsync(string purpose)
    {
        var crl = await Authority.CrlAsync(default);
        await File.WriteAllBytesAsync(this["crl.der"], crl.Der.ToArray());
        await OpenSslAsync("crl", "-inform", "DER", "-in", this["crl.der"], "-out", this["crl.pem"]);
        return await Tool.RunAsync("openssl",
            ["verify", "-x509_strict", "-CAfile", this["ca.pem"], "-crl_check", "-CRLfile", this["crl.pem"], "-purpose", purpose, this["bob.pem"]]);
    }

    public static async Task<string> OpenSslAsync(params string[] arguments) => (await Tool.RunAsync("openssl", arguments)).Checked().All;

    public async ValueTask DisposeAsync()
    {
        Authority.Dispose();
        Key.Dispose();
        await Database.DisposeAsync();
        _directory.Dispose();
    }
}
