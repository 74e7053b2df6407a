using System.Globalization;
using System.Net;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Dns;
using GatewaySecure.MailAuthentication.Dkim;
using GatewaySecure.TestKit;

[assembly: AssemblyFixture(typeof(GatewaySecure.MailAuthentication.Tests.AuthenticationFixture))]

namespace GatewaySecure.MailAuthentication.Tests;

/// <summary>A private DNS with keys, SPF and DMARC records, and the private halves of the keys in files.</summary>
public sealed class AuthenticationFixture : IAsyncLifetime
{
    private readonly TempDirectory _directory = new();

    public PrivateDns Dns { get; private set; } = null!;

    public IDnsResolver Resolver { get; private set; } = null!;

    /// <summary>Of dkim.test.</summary>
    public DkimSigningKey Rsa { get; private set; } = null!;

    /// <summary>Of dkim.test.</summary>
    public DkimSigningKey Ed25519 { get; private set; } = null!;

    /// <summary>Of sealer.test.</summary>
    public DkimSigningKey Sealer { get; private set; } = null!;

    public string KeyFile(DkimSigningKey key) => _directory[$"{key.RecordName}.pem"];

    public async ValueTask InitializeAsync()
    {
        Rsa = Make("dkim.test", "rsa", DkimKeyType.Rsa);
        Ed25519 = Make("dkim.test", "ed", DkimKeyType.Ed25519);
        Sealer = Make("sealer.test", "arc", DkimKeyType.Rsa);
        var tooShort = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ"
            + "/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
        Dns = await PrivateDns.StartAsync(
            new DnsZone("football.example.com", $"""
                brisbane._domainkey TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
                test._domainkey     TXT "v=DKIM1; k=rsa; p={tooShort}"
                """),
            new DnsZone("dkim.test", $"""
                {Line(Rsa)}
                {Line(Ed25519)}
                revoked._domainkey TXT "v=DKIM1; p="
                try._domainkey     TXT {Text(Rsa.Record + "; t=y")}
                strict._domainkey  TXT {Text(Rsa.Record + "; t=s")}
                web._domainkey     TXT {Text(Rsa.Record + "; s=web")}
                old._domainkey     TXT {Text(Rsa.Record + "; h=sha1")}
                point._domainkey   TXT "v=DKIM1; k=ed25519; p=//////////////////////////////////////////8="
                nonsense._domainkey TXT "v=DKIM1; p=!!!"
                @                  TXT "v=spf1 ip4:192.0.2.0/24 -all"
                _dmarc             TXT "v=DMARC1; p=reject; sp=quarantine; np=reject"
                there              A 192.0.2.1
                strictly           TXT "v=spf1 ip4:192.0.2.0/24 -all"
                _dmarc.strictly    TXT "v=DMARC1; p=quarantine; aspf=s; adkim=s"
                _dmarc.trial       TXT "v=DMARC1; p=reject; t=y"
                _dmarc.two         TXT "v=DMARC1; p=reject"
                _dmarc.two         TXT "v=DMARC1; p=none"
                """),
            new DnsZone("sealer.test", Line(Sealer)),
            new DnsZone("none.test", "@ A 192.0.2.77"),
            new DnsZone("suffix.test", """
                _dmarc     TXT "v=DMARC1; p=reject; psd=y"
                _dmarc.one TXT "v=DMARC1; p=quarantine"
                one        TXT "v=spf1 ip4:192.0.2.0/24 -all"
                two        TXT "v=spf1 ip4:192.0.2.0/24 -all"
                sub.one    TXT "v=spf1 ip4:192.0.2.0/24 -all"
                """),
            new DnsZone("spf.test", SpfCases.Zone),
            new DnsZone("bogus.test", "@ TXT \"v=spf1 +all\"\n_dmarc TXT \"v=DMARC1; p=reject\"", ZoneTrust.Bogus),
            new DnsZone("2.0.192.in-addr.arpa", "5 PTR host.spf.test.\n6 PTR elsewhere.none.test."));
        Resolver = new DnsResolver(new DnsResolverOptions { Servers = [Dns.Resolver] }, TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        await Dns.DisposeAsync();
        _directory.Dispose();
    }

    internal Task<ToolResult> PythonAsync(byte[] input, params string[] arguments) =>
        Tool.RunAsync("/usr/bin/python3", [Path.Combine(Repository.Root, "tests/interop/mail_authentication.py"), .. arguments], input);

    internal string DnsPort => Dns.Resolver.Port.ToString(CultureInfo.InvariantCulture);

    internal async Task<AuthenticationReport> ExamineAsync(
        byte[] mail, string client = "192.0.2.1", string helo = "client.test", string? sender = null, IDnsResolver? dns = null, params string[] trustedSealers)
    {
        var authenticator = new MailAuthenticator(
            dns ?? Resolver, new MailAuthenticationOptions { TrustedSealers = [.. trustedSealers] }, TimeProvider.System);
        using var examination = authenticator.Begin(new MailClient(IPAddress.Parse(client), helo, sender is null ? null : MailAddress.Parse(sender)));
        // In pieces that cut lines and empty lines in two.
        for (var at = 0; at < mail.Length; at += 7)
            examination.Append(mail.AsSpan(at, Math.Min(7, mail.Length - at)));
        return await examination.FinishAsync(TestContext.Current.CancellationToken);
    }

    internal static async Task<byte[]> SignAsync(byte[] mail, params DkimSigningKey[] keys)
    {
        var signer = new DkimSigner(keys, TimeProvider.System);
        var fields = await signer.SignAsync((stream, token) => stream.WriteAsync(mail, token), TestContext.Current.CancellationToken);
        return [.. fields, .. mail];
    }

    internal static byte[] Octets(string text) => Encoding.Latin1.GetBytes(text.ReplaceLineEndings("\r\n"));

    private static string Line(DkimSigningKey key) => $"{key.Selector}._domainkey TXT {Text(key.Record)}";

    private static string Text(string value) => string.Join(' ', value.Chunk(200).Select(c => $"\"{new string(c)}\""));

    private DkimSigningKey Make(string domain, string selector, DkimKeyType type)
    {
        var pem = DkimSigningKey.CreatePem(type);
        var key = DkimSigningKey.FromPem(DomainName.Parse(domain), selector, pem);
        File.WriteAllText(KeyFile(key), pem);
        return key;
    }
}
