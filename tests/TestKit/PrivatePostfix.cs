using System.Globalization;

namespace GatewaySecure.TestKit;

/// <summary>How a <see cref="PrivatePostfix"/> is set up.</summary>
public sealed record PostfixOptions
{
    /// <summary>A sub-folder is made here; null: in the system's temporary folder. The account "postfix" must be able to enter it.</summary>
    public string? ParentDirectory { get; init; }

    /// <summary>Where it listens on 127.0.0.1; null: a free port.</summary>
    public int? Port { get; init; }

    /// <summary>Everything is relayed to 127.0.0.1 at this port; null: everything is delivered into one Maildir.</summary>
    public int? RelayPort { get; init; }

    /// <summary>PEM files of a certificate and its key: STARTTLS is offered with them. Null: no TLS.</summary>
    public (string Certificate, string Key)? Tls { get; init; }

    /// <summary>What every mail goes through before it is relayed; null: nothing.</summary>
    public PostfixFilter? Filter { get; init; }

    /// <summary>False drops Postfix's log, as on a machine without a syslog daemon: its logger costs the one who is measured.</summary>
    public bool Log { get; init; } = true;

    /// <summary>Further main.cf parameters; they win over those set here.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = new Dictionary<string, string>();
}

/// <summary>A content filter after the queue, as Postfix's FILTER_README has it.</summary>
/// <param name="Command">Run by pipe(8) as "nobody" for each mail, which it gets on its standard input; <c>${sender}</c> and <c>${recipient}</c> may stand in it.</param>
/// <param name="ReturnPort">On 127.0.0.1; takes by SMTP what the command made of the mail.</param>
/// <param name="Processes">At once.</param>
public sealed record PostfixFilter(string Command, int ReturnPort, int Processes);

/// <summary>
/// A Postfix of our own on a free loopback port: own configuration, queue and data folder, apart from any other Postfix of the machine.
/// It relays for 127.0.0.0/8, has no size limit, fsyncs as Postfix does. Needs root, as Postfix itself does. Disposing stops it by its own
/// process and removes its folder.
/// </summary>
public sealed class PrivatePostfix : IAsyncDisposable
{
    private readonly ChildServer _master;
    private readonly string _directory;

    private PrivatePostfix(ChildServer master, string directory)
    {
        _master = master;
        _directory = directory;
    }

    public int Port => _master.Port;

    /// <summary>The lines of its mail log so far.</summary>
    public IReadOnlyCollection<string> Log => _master.Log;

    /// <summary>Its files are what was delivered: whole messages behind Postfix's Return-Path, X-Original-To, Delivered-To and Received.</summary>
    public string DeliveredDirectory => Path.Combine(_directory, "mail", "inbox", "new");

    /// <summary>Starts one.</summary>
    /// <exception cref="InvalidOperationException">Not root, Postfix is not installed, or it did not start; the message says which.</exception>
    public static async Task<PrivatePostfix> StartAsync(PostfixOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (!Tool.Exists("postfix"))
            throw new InvalidOperationException("Postfix is not installed (Debian: postfix).");
        if (!Environment.IsPrivilegedProcess)
            throw new InvalidOperationException("Postfix starts for root only.");
        var directory = MakeDirectory(options.ParentDirectory);
        var port = options.Port ?? Loopback.FreePort();
        var daemons = (await Tool.RunAsync("postconf", ["-dh", "daemon_directory"])).Checked().Text.Trim();
        var configuration = Path.Combine(directory, "conf");
        // In the foreground (-s), so that it is our child and prints its log.
        var master = new ChildServer(Path.Combine(daemons, "master"), ["-c", configuration, "-s"], port);
        var postfix = new PrivatePostfix(master, directory);
        try
        {
            WriteConfiguration(directory, port, options);
            // Makes the queue's folders with the owners and modes that Postfix wants.
            (await Tool.RunAsync("postfix", ["-c", configuration, "check"])).Checked();
            await master.StartAsync();
        }
        catch
        {
            await postfix.DisposeAsync();
            throw;
        }
        return postfix;
    }

    /// <summary>Waits until at least so many messages lie in the Maildir.</summary>
    /// <returns>Their files, oldest first.</returns>
    /// <exception cref="TimeoutException">They did not come; the message ends with the log.</exception>
    public async Task<IReadOnlyList<string>> WaitForDeliveriesAsync(int count, TimeSpan timeout)
    {
        var until = DateTime.UtcNow + timeout;
        while (true)
        {
            var files = Directory.Exists(DeliveredDirectory) ? Directory.GetFiles(DeliveredDirectory) : [];
            if (files.Length >= count)
                return [.. files.OrderBy(File.GetLastWriteTimeUtc).ThenBy(f => f, StringComparer.Ordinal)];
            if (DateTime.UtcNow > until)
                throw new TimeoutException($"{files.Length} of {count} messages were delivered in time:\n{string.Join('\n', Log.TakeLast(20))}");
            await Task.Delay(50);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _master.DisposeAsync();
        try
        {
            Directory.Delete(_directory, recursive: true);
        }
        catch (IOException)
        {
            // A delivery process may still be writing its last line; what stays is small and in a temporary folder.
        }
    }

    private static string MakeDirectory(string? parent)
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("There is no Postfix for Windows.");
        var directory = parent is null
            ? Directory.CreateTempSubdirectory("gs-postfix-").FullName
            : Directory.CreateDirectory(Path.Combine(parent, "postfix-" + Guid.NewGuid().ToString("N")[..8])).FullName;
        const UnixFileMode enterable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(directory, enterable);
        foreach (var name in (string[])["conf", "queue", "mail"])
            Directory.CreateDirectory(Path.Combine(directory, name));
        // The delivery agent writes here as "nobody".
        File.SetUnixFileMode(Path.Combine(directory, "mail"), enterable | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);
        return directory;
    }

    private static void WriteConfiguration(string directory, int port, PostfixOptions options)
    {
        var main = new Dictionary<string, string>
        {
            ["compatibility_level"] = "3.6",
            ["queue_directory"] = $"{directory}/queue",
            ["data_directory"] = $"{directory}/data",
            ["maillog_file"] = options.Log ? "/dev/stdout" : "",
            ["myhostname"] = "postfix.test.invalid",
            ["inet_interfaces"] = "127.0.0.1",
            ["inet_protocols"] = "ipv4",
            ["mynetworks"] = "127.0.0.0/8",
            ["mydestination"] = "",
            ["local_transport"] = "error:there is no local delivery",
            ["alias_maps"] = "",
            ["smtpd_relay_restrictions"] = "permit_mynetworks, reject",
            ["smtpd_peername_lookup"] = "no",
            ["smtp_dns_support_level"] = "disabled",
            ["smtputf8_enable"] = "no",
            ["message_size_limit"] = "0",
            ["mailbox_size_limit"] = "0",
            ["virtual_mailbox_limit"] = "0",
            // Nothing may hold it back on one machine: no pauses, no limit for clients, its usual concurrency from the start.
            ["initial_destination_concurrency"] = "20",
            ["in_flow_delay"] = "0",
            ["smtpd_client_connection_count_limit"] = "0",
        };
        if (options.RelayPort is { } relay)
        {
            main["relayhost"] = string.Create(CultureInfo.InvariantCulture, $"[127.0.0.1]:{relay}");
        }
        else
        {
            main["virtual_mailbox_domains"] = "static:all";
            main["virtual_mailbox_maps"] = "static:inbox/";
            main["virtual_mailbox_base"] = $"{directory}/mail";
            main["virtual_uid_maps"] = "static:65534";
            main["virtual_gid_maps"] = "static:65534";
        }
        if (options.Tls is { } tls)
        {
            main["smtpd_tls_security_level"] = "may";
            main["smtpd_tls_cert_file"] = tls.Certificate;
            main["smtpd_tls_key_file"] = tls.Key;
        }
        foreach (var (key, value) in options.Parameters)
            main[key] = value;
        File.WriteAllLines($"{directory}/conf/main.cf", main.Select(p => $"{p.Key} = {p.Value}"));
        File.WriteAllText($"{directory}/conf/master.cf", (options.Filter is { } filter ? Filtered(port, filter) : Entry(port)) + Services);
    }

    private static string Entry(int port, string more = "") => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port} inet n - n - - smtpd{more}\n");

    private static string Filtered(int port, PostfixFilter filter) =>
        Entry(port, " -o content_filter=filter:dummy") + Entry(filter.ReturnPort, " -o content_filter=")
        + string.Create(CultureInfo.InvariantCulture, $"filter unix - n n - {filter.Processes} pipe flags=q user=nobody null_sender= argv={filter.Command}\n");

    /// <summary>As Debian's, without chroot and without what needs the outside.</summary>
    private const string Services = """
        pickup unix n - n 60 1 pickup
        cleanup unix n - n - 0 cleanup
        qmgr unix n - n 300 1 qmgr
        tlsmgr unix - - n 1000? 1 tlsmgr
        rewrite unix - - n - - trivial-rewrite
        bounce unix - - n - 0 bounce
        defer unix - - n - 0 bounce
        trace unix - - n - 0 bounce
        verify unix - - n - 1 verify
        flush unix n - n 1000? 0 flush
        proxymap unix - - n - - proxymap
        smtp unix - - n - - smtp
        relay unix - - n - - smtp
        showq unix n - n - - showq
        error unix - - n - - error
        retry unix - - n - - error
        virtual unix - n n - - virtual
        anvil unix - - n - 1 anvil
        scache unix - - n - 1 scache
        postlog unix-dgram n - n - 1 postlogd

        """;

}
