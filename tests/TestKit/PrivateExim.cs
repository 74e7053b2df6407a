using System.Globalization;

namespace GatewaySecure.TestKit;

/// <summary>
/// An Exim of our own on a free loopback port: own configuration, spool and log, every recipient delivered into one Maildir. It offers
/// STARTTLS, CHUNKING, SMTPUTF8. Needs root to start, and works as Debian-exim. Disposing stops it by its own process and removes its folder.
/// </summary>
public sealed class PrivateExim : IAsyncDisposable
{
    private const string User = "Debian-exim";

    private readonly ChildServer _daemon;
    private readonly string _directory;

    private PrivateExim(ChildServer daemon, string directory) => (_daemon, _directory) = (daemon, directory);

    public int Port => _daemon.Port;

    /// <summary>Its files are what was delivered: whole messages, with LF, behind Exim's Return-path and Received.</summary>
    public string DeliveredDirectory => Path.Combine(_directory, "mail", "new");

    /// <summary>The lines of its main log so far.</summary>
    public string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    private string LogFile => Path.Combine(_directory, "log", "mainlog");

    /// <summary>Debian's own, or the one that <c>./gs test</c> put beside the build, since its package and Postfix's exclude each other.</summary>
    private static string Program => new[] { "/usr/sbin/exim4", Path.Combine(Repository.Root, "artifacts", "exim4", "usr", "sbin", "exim4") }
        .FirstOrDefault(File.Exists) ?? throw new InvalidOperationException("Exim is not there: './gs test' fetches it (Debian: exim4-daemon-light).");

    /// <param name="certificate">PEM files of a certificate and its key.</param>
    /// <exception cref="InvalidOperationException">Not root, Exim is not there, or it did not start; the message says which.</exception>
    public static async Task<PrivateExim> StartAsync((string Certificate, string Key) certificate)
    {
        var program = Program;
        var port = Loopback.FreePort();
        var directory = Directory.CreateTempSubdirectory("gs-exim-").FullName;
        foreach (var name in (string[])["spool", "log", "mail"])
            Directory.CreateDirectory(Path.Combine(directory, name));
        File.Copy(certificate.Certificate, Path.Combine(directory, "certificate.pem"));
        File.Copy(certificate.Key, Path.Combine(directory, "key.pem"));
        var configuration = Path.Combine(directory, "exim.conf");
        await File.WriteAllTextAsync(configuration, Configuration(directory, program, port));
        // In the foreground (-bdf), so that it is our child.
        var daemon = new ChildServer(program, ["-bdf", "-C", configuration], port);
        var exim = new PrivateExim(daemon, directory);
        try
        {
            (await Tool.RunAsync("chown", ["-R", User + ":", directory])).Checked();
            // Exim takes a configuration from root only.
            (await Tool.RunAsync("chown", ["root:", configuration])).Checked();
            await daemon.StartAsync();
        }
        catch
        {
            await exim.DisposeAsync();
            throw;
        }
        return exim;
    }

    public async ValueTask DisposeAsync()
    {
        await _daemon.DisposeAsync();
        try
        {
            Directory.Delete(_directory, recursive: true);
        }
        catch (IOException)
        {
            // A delivery process may still be writing its last line; what stays is small and in a temporary folder.
        }
    }

    private static string Configuration(string directory, string program, int port) => string.Create(CultureInfo.InvariantCulture, $"""
        primary_hostname = exim.test.invalid
        spool_directory = {directory}/spool
        log_file_path = {directory}/log/%slog
        pid_file_path = {directory}/exim.pid
        exim_path = {program}
        daemon_smtp_ports = {port}
        local_interfaces = 127.0.0.1
        acl_smtp_rcpt = accept
        acl_smtp_data = accept
        tls_advertise_hosts = *
        tls_certificate = {directory}/certificate.pem
        tls_privatekey = {directory}/key.pem
        chunking_advertise_hosts = *
        keep_environment =
        smtp_accept_queue_per_connection = 0
        host_lookup =
        rfc1413_hosts =
        begin routers
        all:
          driver = accept
          transport = file
        begin transports
        file:
          driver = appendfile
          directory = {directory}/mail
          maildir_format
          user = {User}
          return_path_add
        begin retry
        * * F,1h,1s

        """);
}
