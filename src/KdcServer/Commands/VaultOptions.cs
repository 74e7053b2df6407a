using System.CommandLine;
using System.Security.Cryptography;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcServer.Hosting;

namespace GatewaySecure.KdcServer.Commands;

/// <summary>Which HSM and which state directory a vault command means: by the KDC's configuration, or, for another server's vault, told.</summary>
internal sealed class VaultOptions
{
    private readonly Option<string> _config = CommonOptions.Config();
    private readonly Option<string> _state = CommonOptions.State();
    private readonly Option<string?> _module = new("--module") { Description = "A PKCS#11 module, for a vault that --config does not describe, such as a gateway's; with --token and --pin-file." };
    private readonly Option<string?> _token = new("--token") { Description = "The token's label." };
    private readonly Option<string?> _pinFile = new("--pin-file") { Description = "The user's PIN, one line, mode 0600." };
    private readonly Option<string?> _officerPin = new("--so-pin-file") { Description = "The security officer's PIN; without it, it is asked for." };
    private readonly Option<string[]> _passphrases = new("--passphrase-file") { Description = "NAME=FILE: that officer's passphrase; without it, it is asked for." };

    public Command AddTo(Command command, bool officer = false, bool passphrases = false)
    {
        foreach (var option in new Option[] { _config, _state, _module, _token, _pinFile })
            command.Options.Add(option);
        if (officer)
            command.Options.Add(_officerPin);
        if (passphrases)
            command.Options.Add(_passphrases);
        return command;
    }

    /// <summary>Does the work, and turns what can go wrong into one sentence and a status.</summary>
    public static async Task<int> DoAsync(Func<Task> work)
    {
        try
        {
            await work();
            return ExitCode.Success;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or InvalidDataException
            or InvalidOperationException or ArgumentException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return ExitCode.Problem;
        }
    }

    public string StateOf(ParseResult parsed) => KdcState.Open(parsed.GetValue(_state)!).Root;

    /// <exception cref="ArgumentException">No HSM is told.</exception>
    public HsmOptions HsmOf(ParseResult parsed)
    {
        if (parsed.GetValue(_module) is { } module)
        {
            return parsed.GetValue(_token) is { } token && parsed.GetValue(_pinFile) is { } pinFile
                ? HsmOptions.For(Path.GetFullPath(module), token, null, Path.GetFullPath(pinFile))
                : throw new ArgumentException("--module wants --token and --pin-file beside it.");
        }
        var configuration = CommonOptions.Load(parsed.GetValue(_config)!, warnings: false) ?? throw new ArgumentException("No HSM is known.");
        return configuration.Vault.Hsm ?? throw new ArgumentException("The configuration names no HSM: its section 'vault' is missing or says 'software'.");
    }

    public Ceremony CeremonyOf(ParseResult parsed)
    {
        var hsm = HsmOf(parsed);
        return new Ceremony(
            hsm.ForCeremony(SecretEntry.Read(parsed.GetValue(_officerPin), "The security officer's PIN")), StateOf(parsed), TimeProvider.System, Console.Error.WriteLine);
    }

    public List<ShareOfficer> OfficersOf(ParseResult parsed, string[] names) =>
        [.. names.Select(n => new ShareOfficer(n, SecretEntry.ReadNew(PassphraseFile(parsed, n), $"A passphrase for {n}'s share")))];

    public List<(VaultShare Share, string Passphrase)> SharesOf(ParseResult parsed, string[] files) =>
        [.. files.Select(CeremonyFiles.ReadShare).Select(s => (s, SecretEntry.Read(PassphraseFile(parsed, s.Officer), $"The passphrase of {s.Officer}'s share")))];

    private string? PassphraseFile(ParseResult parsed, string officer) =>
        (parsed.GetValue(_passphrases) ?? []).FirstOrDefault(p => p.StartsWith(officer + "=", StringComparison.Ordinal))?[(officer.Length + 1)..];
}
