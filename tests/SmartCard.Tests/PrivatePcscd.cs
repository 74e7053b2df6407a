using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using GatewaySecure.TestKit;
using GatewaySecure.VirtualCard;

namespace GatewaySecure.SmartCard.Tests;

[CollectionDefinition("pcscd")]
public sealed class PcscdSharing : ICollectionFixture<PrivatePcscd>;

/// <summary>
/// A pcscd of this process alone, with vpcd readers on ports of its own: in a mount namespace whose /run is a temporary
/// folder, so that neither its socket nor its pid file meet another one. Clients find it by PCSCLITE_CSOCK_NAME.
/// </summary>
public sealed partial class PrivatePcscd : IAsyncLifetime
{
    private readonly TempDirectory _directory = new();
    private Process? _process;

    public int Port { get; private set; }

    public string Socket => _directory["run/pcscd/pcscd.comm"];

    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string> { ["PCSCLITE_CSOCK_NAME"] = Socket };

    public async ValueTask InitializeAsync()
    {
        Port = FreePair();
        Directory.CreateDirectory(_directory["run/pcscd"]);
        Directory.CreateDirectory(_directory["conf"]);
        const string Driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
        Assert.True(File.Exists(Driver), "vsmartcard-vpcd is not installed.");
        var channel = "0x" + Port.ToString("X", CultureInfo.InvariantCulture);
        await File.WriteAllTextAsync(_directory["conf/vpcd"],
            $"FRIENDLYNAME \"Trial PCD\"\nDEVICENAME /dev/null:{channel}\nLIBPATH {Driver}\nCHANNELID {channel}\n");
        // Native code reads the environment of the process, which Environment.SetEnvironmentVariable does not change.
        Assert.Equal(0, SetEnv("PCSCLITE_CSOCK_NAME", Socket, 1));
        await StartAsync();
    }

    public async Task StartAsync()
    {
        List<string> arguments = ["-m"];
        if (System.Environment.UserName != "root")
            arguments.Add("-r");
        arguments.AddRange(["sh", "-c", $"mount --bind '{_directory["run"]}' /run && exec pcscd --foreground --critical -c '{_directory["conf"]}'"]);
        _process = Process.Start(new ProcessStartInfo("unshare", arguments) { RedirectStandardOutput = true })!;
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        using var context = new PcscContext();
        for (var i = 0; i < 100; i++)
        {
            Assert.False(_process.HasExited, "pcscd ended at once.");
            try
            {
                if (File.Exists(Socket) && context.ListReaders().Count == 2)
                    return;
            }
            catch (CardException e) when (e.Fault == CardFault.NoService)
            {
                // Not up yet.
            }
            await Task.Delay(50);
        }
        Assert.Fail("pcscd did not come up.");
    }

    public async Task StopAsync()
    {
        if (_process is null)
            return;
        using (var terminate = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]))
            await terminate.WaitForExitAsync();
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
        _process.Dispose();
        _process = null;
    }

    public async Task<PluggedCard> PlugAsync(IVirtualCard card, int slot = 0)
    {
        var plugged = new PluggedCard(card, Port + slot);
        try
        {
            using var context = new PcscContext();
            var reader = context.ListReaders()[slot];
            plugged.Reader = reader;
            for (var i = 0; i < 200; i++)
            {
                if (context.GetStatus(reader).CardInserted)
                    return plugged;
                await Task.Delay(50);
            }
            throw new TimeoutException("The reader did not see the card.");
        }
        catch
        {
            await plugged.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _directory.Dispose();
    }

    /// <summary>vpcd takes one port for each of its two slots.</summary>
    private static int FreePair()
    {
        while (true)
        {
            var port = Loopback.FreePort();
            try
            {
                using var next = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Any, port + 1);
                next.Start();
                return port;
            }
            catch (System.Net.Sockets.SocketException)
            {
                // Taken: try another pair.
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnv(string name, string value, int overwrite);
}

/// <summary>A virtual card in a vpcd reader until disposed.</summary>
public sealed class PluggedCard : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _run;

    public PluggedCard(IVirtualCard card, int port) => _run = VpcdClient.RunAsync(card, port, null, _stop.Token);

    public string Reader { get; set; } = "";

    /// <summary>pcscd looks every 400 ms: until it noticed, a new card would be taken for the old one.</summary>
    private async Task RemovedAsync()
    {
        using var context = new PcscContext();
        for (var i = 0; i < 100; i++)
        {
            try
            {
                if (Reader.Length == 0 || context.GetStatus(Reader) is not { CardInserted: true })
                    return;
            }
            catch (CardException e) when (e.Fault == CardFault.NoService)
            {
                return;
            }
            await Task.Delay(50);
        }
        Assert.Fail("The reader did not notice that the card went.");
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        try
        {
            await _run;
        }
        catch (IOException)
        {
            // pcscd was stopped under it.
        }
        _stop.Dispose();
        await RemovedAsync();
    }
}
