using System.Globalization;
using System.Net;

namespace GatewaySecure.TestKit;

/// <summary>How the resolver sees a zone (RFC 4035 §4.3).</summary>
public enum ZoneTrust
{
    /// <summary>Signed, and the resolver has its key: answers come with the AD bit.</summary>
    Secure,

    /// <summary>Not signed: answers come without the AD bit.</summary>
    Insecure,

    /// <summary>Signed, but the resolver expects another key: every question is answered with SERVFAIL, as where somebody forges it.</summary>
    Bogus,
}

/// <summary>A zone as a test wants it.</summary>
/// <param name="Name">Without a final dot, such as <c>example.test</c>; <c>127.in-addr.arpa</c> works too.</param>
/// <param name="Records">Lines of a zone file (RFC 1035 §5.1) relative to the zone; SOA and NS are put in front, the default time to live is 300.</param>
public sealed record DnsZone(string Name, string Records, ZoneTrust Trust = ZoneTrust.Secure);

/// <summary>
/// A DNS of our own on loopback ports: Knot serves and signs the zones, a validating Unbound resolves them and nothing else (other names do
/// not exist). Disposing ends both and removes their folder. Not for use by several threads at once.
/// </summary>
public sealed class PrivateDns : IAsyncDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly ChildServer _authority;
    private readonly ChildServer _resolver;
    private DnsZone[] _zones;
    private bool _authorityRuns;
    private bool _resolverRuns;

    private PrivateDns(DnsZone[] zones)
    {
        _zones = zones;
        _authority = new ChildServer("knotd", ["-c", _directory["knot.conf"]], Loopback.FreePort());
        _resolver = new ChildServer("unbound", ["-d", "-p", "-c", _directory["unbound.conf"]], Loopback.FreePort());
    }

    /// <summary>Where the validating resolver listens, over UDP and TCP.</summary>
    public IPEndPoint Resolver => new(IPAddress.Loopback, _resolver.Port);

    /// <summary>Where the authoritative server listens, over UDP and TCP: it answers without AD and does not resolve.</summary>
    public IPEndPoint Authority => new(IPAddress.Loopback, _authority.Port);

    /// <exception cref="InvalidOperationException">Knot or Unbound is not installed or did not start; the message says which and why.</exception>
    public static async Task<PrivateDns> StartAsync(params DnsZone[] zones)
    {
        foreach (var (program, package) in new[] { ("knotd", "knot"), ("unbound", "unbound") })
        {
            if (!Tool.Exists(program))
                throw new InvalidOperationException($"{program} is not installed (Debian: {package}).");
        }
        var dns = new PrivateDns(zones);
        try
        {
            await dns.StartAuthorityAsync();
            await dns.StartResolverAsync();
        }
        catch
        {
            await dns.DisposeAsync();
            throw;
        }
        return dns;
    }

    /// <summary>Puts zones in the place of those of the same names, or beside them; nothing of before stays in a cache of the servers.</summary>
    public async Task ChangeAsync(params DnsZone[] zones)
    {
        _zones = [.. _zones.Where(z => zones.All(n => n.Name != z.Name)), .. zones];
        await StopResolverAsync();
        await StopAuthorityAsync();
        await StartAuthorityAsync();
        await StartResolverAsync();
    }

    /// <summary>From now on every question is answered with SERVFAIL: the zones' server is gone.</summary>
    public async Task StopAuthorityAsync()
    {
        if (_authorityRuns)
            await _authority.StopAsync();
        _authorityRuns = false;
        // What it still knows would be answered from its cache.
        if (_resolverRuns)
        {
            await StopResolverAsync();
            await StartResolverAsync();
        }
    }

    public async Task StartAuthorityAsync()
    {
        WriteZones();
        await _authority.StartAsync();
        _authorityRuns = true;
        foreach (var zone in _zones)
            await WaitForZoneAsync(zone.Name);
        if (_resolverRuns)
        {
            await StopResolverAsync();
            await StartResolverAsync();
        }
    }

    /// <summary>From now on nothing answers at all.</summary>
    public async Task StopResolverAsync()
    {
        if (_resolverRuns)
            await _resolver.StopAsync();
        _resolverRuns = false;
    }

    public async Task StartResolverAsync()
    {
        if (_authorityRuns)
            await WriteResolverConfigurationAsync();
        await _resolver.StartAsync();
        _resolverRuns = true;
    }

    public async ValueTask DisposeAsync()
    {
        await _resolver.DisposeAsync();
        await _authority.DisposeAsync();
        _directory.Dispose();
    }

    private Task<ToolResult> ControlAsync(params string[] command) => Tool.RunAsync("knotc", ["-c", _directory["knot.conf"], .. command]);

    private async Task WaitForZoneAsync(string name)
    {
        var until = DateTime.UtcNow + TimeSpan.FromSeconds(30);
        while (await ControlAsync("zone-read", name, "@", "SOA") is var answer && (answer.ExitCode != 0 || answer.Output.Length == 0))
        {
            if (DateTime.UtcNow > until)
                throw new TimeoutException($"Knot did not load {name} in time: {answer.All}\n{string.Join('\n', _authority.Log.TakeLast(20))}");
            await Task.Delay(50);
        }
    }

    private void WriteZones()
    {
        var configuration = $"""
            server:
                listen: 127.0.0.1@{_authority.Port.ToString(CultureInfo.InvariantCulture)}
                rundir: "{_directory.Path}"
                background-workers: 1
                udp-workers: 1
                tcp-workers: 1
            database:
                storage: "{_directory.Path}"
            control:
                listen: "{_directory["knot.sock"]}"
            log:
              - target: stderr
                any: info
            policy:
              - id: test
                single-type-signing: on
                algorithm: ecdsap256sha256
            template:
              - id: default
                storage: "{_directory.Path}"
                zonefile-sync: -1
                zonefile-load: whole
                journal-content: none
                dnssec-policy: test
            zone:

            """;
        foreach (var zone in _zones)
        {
            var file = _directory[zone.Name + ".zone"];
            File.WriteAllText(file, $"""
                $ORIGIN {zone.Name}.
                $TTL 300
                @ SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60
                @ NS ns.invalid.
                {zone.Records}

                """);
            configuration += $"""
                  - domain: "{zone.Name}"
                    file: "{file}"
                    dnssec-signing: {(zone.Trust == ZoneTrust.Insecure ? "off" : "on")}

                """;
        }
        File.WriteAllText(_directory["knot.conf"], configuration);
    }

    private async Task WriteResolverConfigurationAsync()
    {
        var port = _resolver.Port.ToString(CultureInfo.InvariantCulture);
        // ".": the root servers are never asked; what is in no zone of ours does not exist.
        var configuration = $"""
            server:
                interface: 127.0.0.1
                port: {port}
                do-ip6: no
                username: ""
                chroot: ""
                directory: "{_directory.Path}"
                pidfile: ""
                use-syslog: no
                logfile: ""
                do-daemonize: no
                num-threads: 1
                module-config: "validator iterator"
                aggressive-nsec: no
                do-not-query-localhost: no
                local-zone: "." static

            """;
        foreach (var zone in _zones)
        {
            configuration += $"    local-zone: \"{zone.Name}.\" transparent\n";
            if (zone.Trust != ZoneTrust.Insecure)
                configuration += $"    trust-anchor: \"{await TrustAnchorAsync(zone)}\"\n";
        }
        foreach (var zone in _zones)
            configuration += $"stub-zone:\n    name: \"{zone.Name}.\"\n    stub-addr: 127.0.0.1@{_authority.Port.ToString(CultureInfo.InvariantCulture)}\n";
        File.WriteAllText(_directory["unbound.conf"], configuration);
    }

    /// <summary>The DS of the zone's key; of a zone that is to be bogus, with another digest.</summary>
    private async Task<string> TrustAnchorAsync(DnsZone zone)
    {
        var output = (await Tool.RunAsync("keymgr", ["-c", _directory["knot.conf"], zone.Name, "ds"])).Checked().Text;
        // "example.test. DS 12345 13 2 digest", one line for each digest type.
        var words = output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .First(w => w[4] == "2");
        if (zone.Trust == ZoneTrust.Bogus)
            words[5] = new string('0', words[5].Length);
        return string.Join(' ', words);
    }
}
