using System.Globalization;
using System.Text;
using GatewaySecure.Gateway.Configuration;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>
/// The configuration that tests run the gateway with; everything that depends on the configuration's format stands here. The organisation is
/// example.org; alice, bob and carol may authenticate with <see cref="Password"/>; mail to partner.example needs S/MIME, mail between our own
/// people KDC mail, to other domains none.
/// </summary>
internal sealed record GatewaySetup
{
    public const string HostName = "gateway.example.org";
    public const string Password = "correct horse battery";

    /// <summary>One hash for all tests: making it is slow on purpose.</summary>
    private static readonly string Hash = PasswordHash.Create(Password);

    /// <summary>Where everything goes that <see cref="SinkPort"/> does not get.</summary>
    public required int NextHopPort { get; init; }

    /// <summary>Where mail to sink.example and to sink.partner.example goes; null: nowhere else.</summary>
    public int? SinkPort { get; init; }

    /// <summary>Null: a free one.</summary>
    public int? RelayPort { get; init; }

    /// <summary>Where mail to data.example goes; null: nowhere else.</summary>
    public int? DataSinkPort { get; init; }

    /// <summary>Further next hops on 127.0.0.1: the domain whose mail goes there, the port, and the value of <c>tls</c> (further lines may follow it).</summary>
    public IReadOnlyList<(string Domain, int Port, string Tls)> FurtherHops { get; init; } = [];

    /// <summary>Further next hops: the domain whose mail goes there, and the hop's lines, which begin with its kind.</summary>
    public IReadOnlyList<(string Domain, string Lines)> OtherHops { get; init; } = [];

    /// <summary>Whose bare line ends the relay port normalises.</summary>
    public string NormaliseFrom { get; init; } = "";

    /// <summary>Who may relay without authentication.</summary>
    public string RelayNetwork { get; init; } = "127.0.0.1/32";

    public string MaxMessageSize { get; init; } = "220 MB";

    /// <summary>Mail to these domains goes to their own hosts, as the DNS has them; empty: to none.</summary>
    public IReadOnlyList<string> MxDomains { get; init; } = [];

    /// <summary>Added to the environment of the process.</summary>
    public IReadOnlyDictionary<string, string>? Environment { get; init; }

    /// <summary>Below it, mail is answered with 452.</summary>
    public string MinimumFreeSpace { get; init; } = "16 MB";

    /// <summary>A user of every Linux machine that owns nothing.</summary>
    public const int Nobody = 65534;

    /// <summary>The gateway runs as this user of the machine; null: as ours.</summary>
    public int? RunAs { get; init; }

    /// <summary>Of the relay listener.</summary>
    public string RelayTls { get; init; } = "starttls";

    /// <summary>Further keys of the relay listener with their values, one for each line.</summary>
    public IReadOnlyList<string> RelayListener { get; init; } = [];

    /// <summary>What goes to <see cref="NextHopPort"/> carries the mark of mail that was dealt with.</summary>
    public bool Marks { get; init; }

    /// <summary>What becomes of TNEF in mail to partners.</summary>
    public string Tnef { get; init; } = "keep";

    /// <summary>Rules before the others, line by line.</summary>
    public IReadOnlyList<string> RuleLines { get; init; } = [];

    /// <summary>Further keys of the KDC's section with their values, one for each line.</summary>
    public IReadOnlyList<string> KdcLines { get; init; } = [];

    /// <summary>Further lines at the top level.</summary>
    public string More { get; init; } = "";

    public string Yaml(int relayPort, int submissionPort)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            hostname: {HostName}
            organisation-domains: [example.org]
            listeners:
              - address: 127.0.0.1:{relayPort}
                tls: {RelayTls}
                authentication: false
                max-message-size: {MaxMessageSize}{string.Concat(RelayListener.Select(l => "\n    " + l))}
                normalise-bare-line-ends-from: [{NormaliseFrom}]
              - address: 127.0.0.1:{submissionPort}
                tls: starttls
                authentication: true
                max-message-size: {MaxMessageSize}
            relay-networks: [{RelayNetwork}]
            users:
              - name: alice
                password: {Hash}
                mailboxes: [alice@example.org]
              - name: bob
                password: {Hash}
                mailboxes: [bob@example.org]
            next-hops:
              default:
                smtp: 127.0.0.1:{NextHopPort}
                tls: never
                mark-processed: {(Marks ? "true" : "false")}
            {Hop("sink", SinkPort)}
            {Hop("data-sink", DataSinkPort)}
            {(MxDomains.Count > 0 ? "  internet:\n    mx: true" : "")}
            {string.Concat(FurtherHops.Select(h => Hop(h.Domain.Replace('.', '-'), h.Port, h.Tls) + "\n"))}
            {string.Concat(OtherHops.Select(h => $"  {h.Domain.Replace('.', '-')}:\n    {h.Lines.ReplaceLineEndings("\n    ")}\n"))}
            default-next-hop: default
            kdc:
              realm: example.org{string.Concat(KdcLines.Select(l => "\n  " + l))}
            queue:
              retry: [1s, 2s, 5s]
              retry-held-after: 2s
              minimum-free-space: {MinimumFreeSpace}
            rules:{string.Concat(RuleLines.Select(l => "\n  " + l))}
              - name: partners get S/MIME
                recipient: [partner.example, sink.partner.example]
                method: ca
                tnef: {Tnef}
                when-unavailable: hold
              - name: our own people get KDC mail
                direction: internal
                method: kdc
                when-unavailable: hold
            default: normal

            """);
        if (SinkPort is not null || DataSinkPort is not null || FurtherHops.Count > 0 || OtherHops.Count > 0 || MxDomains.Count > 0)
            text.Append("routes:\n");
        if (SinkPort is not null)
            text.Append("  - recipients: [sink.example, sink.partner.example]\n    next-hop: sink\n");
        if (DataSinkPort is not null)
            text.Append("  - recipients: [data.example]\n    next-hop: data-sink\n");
        foreach (var domain in FurtherHops.Select(h => h.Domain).Concat(OtherHops.Select(h => h.Domain)))
            text.Append(CultureInfo.InvariantCulture, $"  - recipients: [{domain}]\n    next-hop: {domain.Replace('.', '-')}\n");
        if (MxDomains.Count > 0)
            text.Append(CultureInfo.InvariantCulture, $"  - recipients: [{string.Join(", ", MxDomains.Select(d => $"'{d}'"))}]\n    next-hop: internet\n");
        text.Append(More);
        return text.ToString().ReplaceLineEndings("\n");
    }

    private static string Hop(string name, int? port, string tls = "never") =>
        port is null ? "" : $"  {name}:\n    smtp: 127.0.0.1:{port}\n    tls: {tls}";
}
