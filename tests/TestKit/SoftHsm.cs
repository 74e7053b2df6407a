using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace GatewaySecure.TestKit;

/// <summary>
/// SoftHSM's tokens of this test process: one store, as the library reads its configuration once per process; each test makes tokens
/// of its own in it. Programs that are to see them are started with <see cref="Environment"/>.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Lives as long as the process, at whose end the folder goes.")]
public sealed partial class SoftHsm
{
    private static readonly Lazy<SoftHsm> Shared = new(() => new SoftHsm());

    private readonly TempDirectory _directory = new();

    private SoftHsm()
    {
        Directory.CreateDirectory(Tokens);
        File.WriteAllText(_directory["softhsm2.conf"], $"directories.tokendir = {Tokens}\nobjectstore.backend = file\nlog.level = ERROR\n");
        // Native code reads the environment of the process, which Environment.SetEnvironmentVariable does not change.
        if (SetEnv("SOFTHSM2_CONF", _directory["softhsm2.conf"], 1) != 0)
            throw new InvalidOperationException("setenv failed.");
        AppDomain.CurrentDomain.ProcessExit += (_, _) => _directory.Dispose();
    }

    public static SoftHsm Instance => Shared.Value;

    /// <summary>Debian's softhsm2.</summary>
    public static string Module => "/usr/lib/softhsm/libsofthsm2.so";

    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string> { ["SOFTHSM2_CONF"] = _directory["softhsm2.conf"] };

    private string Tokens => _directory["tokens"];

    /// <summary>A fresh token with both PINs set.</summary>
    public async Task<SoftToken> CreateTokenAsync()
    {
        var before = Directory.GetDirectories(Tokens);
        var token = new SoftToken("t" + Guid.NewGuid().ToString("N")[..12], "123456", "87654321");
        (await Tool.RunAsync(
            "softhsm2-util",
            ["--init-token", "--free", "--label", token.Label, "--pin", token.Pin, "--so-pin", token.OfficerPin],
            environment: Environment)).Checked();
        token.Directory = Directory.GetDirectories(Tokens).Except(before).Single(d => File.ReadAllBytes(Path.Combine(d, "token.object")).AsSpan()
            .IndexOf(System.Text.Encoding.ASCII.GetBytes(token.Label)) >= 0);
        return token;
    }

    /// <summary>OpenSC's tool, logged in as the token's user: an independent witness.</summary>
    public async Task<string> WitnessAsync(SoftToken token, params string[] arguments) => (await Tool.RunAsync(
        "pkcs11-tool", ["--module", Module, "--token-label", token.Label, "--login", "--pin", token.Pin, .. arguments], environment: Environment)).Checked().All;

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnv(string name, string value, int overwrite);
}

/// <summary>One of SoftHSM's tokens; it can be taken away and put back.</summary>
public sealed record SoftToken(string Label, string Pin, string OfficerPin)
{
    public string Directory { get; internal set; } = "";

    private string Elsewhere => Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(Directory))!, "away-" + Path.GetFileName(Directory));

    /// <summary>As if unplugged.</summary>
    public void Remove() => System.IO.Directory.Move(Directory, Elsewhere);

    public void Return() => System.IO.Directory.Move(Elsewhere, Directory);

    /// <summary>Its user PIN in a file of mode 0600.</summary>
    public string WritePin(string path)
    {
        File.WriteAllText(path, Pin + "\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }
}
