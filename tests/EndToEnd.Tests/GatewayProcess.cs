using System.Globalization;
using System.Text;
using System.Text.Json;
using GatewaySecure.TestKit;

namespace GatewaySecure.EndToEnd.Tests;

/// <summary>
/// One <c>gateway run</c> on a state directory of its own, started, killed and started again with the same configuration; and the
/// gateway's tool on the same state. Disposing stops it and removes its state.
/// </summary>
internal sealed class GatewayProcess : IAsyncDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly ChildServer _child;

    public GatewayProcess(GatewaySetup setup)
    {
        RelayPort = setup.RelayPort ?? Loopback.FreePort();
        SubmissionPort = Loopback.FreePort();
        Directory.CreateDirectory(State);
        File.WriteAllText(ConfigurationFile, setup.Yaml(RelayPort, SubmissionPort));
        string[] run = [Programs.Gateway, "run", "--config", ConfigurationFile, "--state", State];
        _child = setup.RunAs is { } user
            ? new ChildServer("setpriv", [.. As(user), .. run], SubmissionPort, setup.Environment)
            : new ChildServer(run[0], run[1..], SubmissionPort, setup.Environment);
        if (setup.RunAs is { } owner)
            GiveTo(owner);
    }

    /// <summary>For <c>setpriv</c>: what follows runs as that user.</summary>
    public static string[] As(int user) => [$"--reuid={user}", $"--regid={user}", "--clear-groups"];

    /// <summary>Without AUTH, for the relay network.</summary>
    public int RelayPort { get; }

    /// <summary>With STARTTLS and AUTH.</summary>
    public int SubmissionPort { get; }

    public string State => _directory["state"];

    public string ConfigurationFile => _directory["gateway.yaml"];

    public string RecipientsFolder => Made("certificates", "recipients");

    public string TrustFolder => Made("certificates", "trust");

    public string SpoolFolder => Path.Combine(State, "spool");

    public string OrganisationCertificate => Path.Combine(State, "certificates", "organisation.pem");

    public ChildServer Child => _child;

    public string LogText => string.Join('\n', _child.Log);

    /// <summary>A file for the test's own use, beside the state.</summary>
    public string this[string name] => _directory[name];

    public async Task StartAsync(TimeSpan? timeout = null)
    {
        await _child.StartAsync(timeout);
        await Loopback.WaitForListenerAsync(RelayPort, TimeSpan.FromSeconds(10));
    }

    /// <summary>The gateway's tool, with this gateway's state.</summary>
    public Task<ToolResult> ToolAsync(params string[] arguments) => Tool.RunAsync(Programs.Gateway, [.. arguments, "--state", State]);

    /// <summary>The same, as another user of the machine.</summary>
    public Task<ToolResult> ToolAsAsync(int user, params string[] arguments) =>
        Tool.RunAsync("setpriv", [.. As(user), Programs.Gateway, .. arguments, "--state", State]);

    /// <summary>Sends one mail as alice with swaks: STARTTLS, AUTH.</summary>
    public async Task<ToolResult> SwaksAsync(string recipient, string text)
    {
        var file = this["swaks-" + Guid.NewGuid().ToString("N")];
        // swaks adds a line end of its own.
        await File.WriteAllTextAsync(file, text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text);
        return await Tool.RunAsync("swaks",
        [
            "--server", "127.0.0.1", "--port", $"{SubmissionPort}", "--tls", "--auth", "PLAIN", "--auth-user", "alice",
            "--auth-password", GatewaySetup.Password, "--from", "alice@example.org", "--to", recipient, "--data", "@" + file,
        ]);
    }

    /// <summary><c>queue list --json</c>.</summary>
    public async Task<JsonElement> QueueAsync()
    {
        var listed = (await ToolAsync("queue", "list", "--json")).Checked();
        return JsonDocument.Parse(listed.Output).RootElement.Clone();
    }

    /// <summary>Everything on disk that holds mail or speaks of it, and the log.</summary>
    public IEnumerable<(string Name, byte[] Content)> Traces()
    {
        foreach (var file in Directory.EnumerateFiles(State, "*", SearchOption.AllDirectories))
        {
            byte[] content;
            try
            {
                using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                using var copy = new MemoryStream();
                stream.CopyTo(copy);
                content = copy.ToArray();
            }
            catch (IOException)
            {
                // Delivered in between, or held under an exclusive lock (which then holds no mail).
                continue;
            }
            yield return (file, content);
        }
        yield return ("the log", Encoding.UTF8.GetBytes(LogText));
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _child.DisposeAsync();
        }
        finally
        {
            _directory.Dispose();
        }
    }

    private void GiveTo(int user)
    {
        using var chown = System.Diagnostics.Process.Start("chown", ["-R", $"{user}:{user}", _directory.Path]);
        chown.WaitForExit();
    }

    private string Made(params string[] path) => Directory.CreateDirectory(Path.Combine([State, .. path])).FullName;

    public static string At(int port) => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}");
}
