using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Gateway.Configuration;

namespace GatewaySecure.Demo;

/// <summary>Lays out <c>var/demo</c> anew: configuration, Carol's certificate, folders for cards and for what leaves the gateway.</summary>
internal sealed class DemoSetup
{
    public const string AlicesPassword = "wonderland";

    private readonly string _root;

    private DemoSetup(string root) => _root = root;

    public string State => Path.Combine(_root, "state");

    public string Outbox => Path.Combine(_root, "outbox");

    public string LogFile => Path.Combine(_root, "gateway.log");

    private string Configuration => Path.Combine(_root, "gateway.yaml");

    public static DemoSetup Create(string root, Partner carol)
    {
        if (Directory.Exists(root))
            Directory.Delete(root, recursive: true);
        var setup = new DemoSetup(root);
        var recipients = Directory.CreateDirectory(Path.Combine(setup.State, "certificates", "recipients")).FullName;
        var trust = Directory.CreateDirectory(Path.Combine(setup.State, "certificates", "trust")).FullName;
        Directory.CreateDirectory(Path.Combine(root, "cards"));
        File.WriteAllText(Path.Combine(recipients, "carol.pem"), carol.Certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(trust, "partner-ca.pem"), carol.Authority.ExportCertificatePem());
        File.WriteAllText(setup.Configuration, Yaml());
        return setup;
    }

    public string CardFile(string name) => Path.Combine(_root, "cards", name.ToLowerInvariant() + ".card");

    /// <summary>The self-signed one that the gateway made for TLS.</summary>
    public X509Certificate2 ServerCertificate() => Certificate("tls-trial.pem");

    /// <summary>The self-signed one that the gateway made for its S/MIME signatures.</summary>
    public X509Certificate2 OrganisationCertificate() => Certificate("organisation.pem");

    /// <exception cref="InvalidOperationException">The tour's own configuration is wrong.</exception>
    public GatewayConfiguration Load()
    {
        var result = ConfigurationLoader.Load(Configuration);
        return result.Configuration ?? throw new InvalidOperationException(string.Join('\n', result.Problems));
    }

    private X509Certificate2 Certificate(string name) =>
        X509Certificate2.CreateFromPem(File.ReadAllText(Path.Combine(State, "certificates", name)));

    private static string Yaml() =>
        $"""
        # The configuration of the guided tour. Start a gateway of your own with it:
        #   ./gs run --config var/demo/gateway.yaml --state var/demo/state
        hostname: gateway.example.org
        organisation-domains: [example.org]

        listeners:
          - address: 127.0.0.1:{FreePort()}
            tls: starttls
            authentication: true

        users:
          - name: alice
            password: {PasswordHash.Create(AlicesPassword)}   # {AlicesPassword}
            mailboxes: [alice@example.org]

        next-hops:
          outbox:
            directory: outbox
        default-next-hop: outbox

        rules:
          - name: inside
            direction: internal
            method: kdc
          - name: partners
            direction: outbound
            recipient: [partner.example, lawfirm.example]
            method: ca
            when-unavailable: hold
        default: normal
        """;

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }
}
