using System.Text;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>clamd with one signature of our own, and clamav-milter before it, on loopback ports.</summary>
internal sealed class PrivateClamav : IAsyncDisposable
{
    /// <summary>What the one signature finds.</summary>
    public const string Pattern = "GatewaySecure-scanner-test-pattern-0c7a";

    private readonly TempDirectory _directory = new();
    private readonly ChildServer _milter;

    private PrivateClamav()
    {
        var (clamd, milter) = (Loopback.FreePort(), Loopback.FreePort());
        Directory.CreateDirectory(_directory["db"]);
        File.WriteAllText(
            Path.Combine(_directory["db"], "test.ndb"), $"Gateway.Test.Pattern:0:*:{Convert.ToHexStringLower(Encoding.ASCII.GetBytes(Pattern))}\n");
        File.WriteAllText(_directory["clamd.conf"], $"""
            Foreground yes
            DatabaseDirectory {_directory["db"]}
            TemporaryDirectory {_directory.Path}
            TCPSocket {clamd}
            TCPAddr 127.0.0.1
            StreamMaxLength 300M

            """);
        File.WriteAllText(_directory["milter.conf"], $"""
            Foreground yes
            MilterSocket inet:{milter}@127.0.0.1
            ClamdSocket tcp:127.0.0.1:{clamd}
            TemporaryDirectory {_directory.Path}
            AddHeader Add
            OnInfected Reject
            OnFail Defer
            RejectMsg found %v
            MaxFileSize 300M

            """);
        Clamd = new ChildServer("/usr/sbin/clamd", ["--config-file", _directory["clamd.conf"]], clamd);
        _milter = new ChildServer("/usr/sbin/clamav-milter", ["--config-file", _directory["milter.conf"]], milter);
    }

    public ChildServer Clamd { get; }

    public int Port => _milter.Port;

    public static async Task<PrivateClamav> StartAsync()
    {
        var clamav = new PrivateClamav();
        await clamav.Clamd.StartAsync(TimeSpan.FromSeconds(60));
        await clamav._milter.StartAsync();
        return clamav;
    }

    public async ValueTask DisposeAsync()
    {
        await _milter.DisposeAsync();
        await Clamd.DisposeAsync();
        _directory.Dispose();
    }
}
