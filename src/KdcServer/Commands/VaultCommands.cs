using System.CommandLine;
using System.Security.Cryptography;
using System.Text.Json;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Hosting;
using GatewaySecure.Storage;

namespace GatewaySecure.KdcServer.Commands;

/// <summary><c>kdc vault</c>: what the security officer does with the HSM (docs/operations/hsm.md).</summary>
internal static class VaultCommands
{
    public static Command Create() => new("vault", "The vault in an HSM: its vault key, shares, receivers.")
    {
        CreateInit(), CreateStatus(), CreateVerify(), CreateRestore(), CreateRotate(), CreateTrust(), CreateDistrust(),
    };

    private static Command CreateInit()
    {
        var options = new VaultOptions();
        var (officers, threshold, folder) = CeremonyArguments();
        var command = options.AddTo(
            new Command("init", """
                Makes the vault key in an HSM that has none, and its backup: shares, of which each officer takes one away. The vault key never leaves
                the HSM again, so the backup is made now or never. Do this on a machine without network.

                Example:
                  kdc vault init --officer Anna --officer Boris --officer Clara --threshold 2 --out /media/ceremony
                """)
            { officers, threshold, folder },
            officer: true, passphrases: true);
        command.SetAction((parsed, _) => VaultOptions.DoAsync(() =>
        {
            if (Ceremony.HasVaultKey(options.HsmOf(parsed)))
                throw new InvalidOperationException("The HSM has a vault key already; 'kdc vault rotate' makes the next version.");
            Make(options, parsed, parsed.GetValue(officers)!, parsed.GetValue(threshold), parsed.GetValue(folder)!);
            // Commands that come before the first start find the HSM, and make no keys of software.
            KeyVaults.Settle(options.HsmOf(parsed), options.StateOf(parsed));
            return Task.CompletedTask;
        }));
        return command;
    }

    private static Command CreateStatus()
    {
        var options = new VaultOptions();
        var json = CommonOptions.AsJson();
        var command = options.AddTo(new Command("status", "The versions of the vault key, how many keys are under each, and the receivers to whom keys may leave.") { json });
        command.SetAction((parsed, ct) => VaultOptions.DoAsync(async () =>
        {
            using var vault = HsmVault.Open(options.HsmOf(parsed), options.StateOf(parsed), TimeProvider.System);
            await using var database = await GatewayDatabase.OpenAsync(KdcState.At(options.StateOf(parsed)).Database, ct);
            var keys = await database.MasterKeyRows.CountAsync(ct) + await database.EscrowedKeys.CountAsync(ct);
            var view = new StatusView(vault.Description, vault.IsForTrials, await vault.VersionsAsync(ct), await vault.ReceiversAsync(ct), keys);
            Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(view, CommonOptions.Json) : view.ToText());
            if (view.Versions.Any(v => v.Problem is not null))
                throw new InvalidDataException("The vault key is not kept as it must be; see above.");
        }));
        return command;
    }

    private static Command CreateVerify()
    {
        var options = new VaultOptions();
        var (backup, shares) = BackupArguments();
        var command = options.AddTo(
            new Command("verify", "Says whether these shares, with their officers' passphrases, would restore that backup. Touches no HSM.") { backup, shares }, passphrases: true);
        command.SetAction((parsed, _) => VaultOptions.DoAsync(() =>
        {
            Ceremony.Verify(CeremonyFiles.ReadBackup(parsed.GetValue(backup)!), options.SharesOf(parsed, parsed.GetValue(shares)!));
            Console.WriteLine("These shares open this backup.");
            return Task.CompletedTask;
        }));
        return command;
    }

    private static Command CreateRestore()
    {
        var options = new VaultOptions();
        var (backup, shares) = BackupArguments();
        var command = options.AddTo(
            new Command("restore", """
                Puts the vault key into an HSM that has lost it, or into a new one. Restore the state directory first. Receivers are registered anew
                afterwards ('kdc vault trust').

                Example:
                  kdc vault restore --backup vault-key-1.backup --share vault-key-1.share-1 --share vault-key-1.share-3
                """)
            { backup, shares },
            officer: true, passphrases: true);
        command.SetAction((parsed, _) => VaultOptions.DoAsync(() =>
        {
            options.CeremonyOf(parsed).Restore(CeremonyFiles.ReadBackup(parsed.GetValue(backup)!), options.SharesOf(parsed, parsed.GetValue(shares)!));
            return Task.CompletedTask;
        }));
        return command;
    }

    private static Command CreateRotate()
    {
        var options = new VaultOptions();
        var (officers, threshold, folder) = CeremonyArguments(required: false);
        var resume = new Option<bool>("--resume") { Description = "No new version: goes on with a rotation that was interrupted." };
        var command = options.AddTo(
            new Command("rotate", """
                Makes the next version of the vault key, with new shares, wraps every key anew under it while the server runs, and destroys the old
                version when nothing needs it. Interrupted, it goes on with --resume.

                Example:
                  kdc vault rotate --officer Anna --officer Dora --officer Clara --threshold 2 --out /media/ceremony
                """)
            { officers, threshold, folder, resume },
            officer: true, passphrases: true);
        command.SetAction((parsed, ct) => VaultOptions.DoAsync(async () =>
        {
            // It hangs under the vault key too, outside the database.
            var enrolment = Path.Combine(options.StateOf(parsed), "kdc-enrolment.json");
            if (File.Exists(enrolment))
                throw new InvalidOperationException($"This gateway has its key from a KDC elsewhere: remove {enrolment}, rotate, and enrol anew ('gateway kdc enroll').");
            if (!parsed.GetValue(resume))
            {
                if (parsed.GetValue(folder) is not { } target)
                    throw new ArgumentException("--out is missing: the folder for backup and shares.");
                Make(options, parsed, parsed.GetValue(officers) ?? [], parsed.GetValue(threshold), target);
            }
            using var vault = HsmVault.Open(options.HsmOf(parsed), options.StateOf(parsed), TimeProvider.System);
            await using var database = await GatewayDatabase.OpenAsync(KdcState.At(options.StateOf(parsed)).Database, ct);
            var stores = new RotationStores(database.MasterKeyRows, database.EscrowedKeys, database.Audit);
            var destroyed = await new VaultRotation(vault, stores, TimeProvider.System, OperatorWork.Actor).RunAsync(new ProgressLine(), ct);
            Console.WriteLine(destroyed == 0
                ? "Everything was under the newest version of the vault key already."
                : "Everything is under the newest version of the vault key; the older one is destroyed, and its shares are worthless.");
        }));
        return command;
    }

    private static Command CreateTrust()
    {
        var options = new VaultOptions();
        var key = new Argument<string>("KEY") { Description = "The receiver's RSA transport key, a public key in PEM, such as 'gateway kdc transport-key' prints." };
        var command = options.AddTo(new Command("trust", "Registers a receiver: a gateway's vault, or a station, to which keys may leave from now on.") { key }, officer: true);
        command.SetAction((parsed, _) => VaultOptions.DoAsync(() =>
        {
            using var rsa = RSA.Create();
            rsa.ImportFromPem(File.ReadAllText(parsed.GetRequiredValue(key)));
            using var checkedKey = TransportEncryption.ReadKey(rsa.ExportSubjectPublicKeyInfo())
                ?? throw new ArgumentException($"A transport key is an RSA key of at least {TransportEncryption.MinimumBits} bits.");
            options.CeremonyOf(parsed).Trust(checkedKey);
            Console.WriteLine($"Registered: {Convert.ToHexStringLower(SHA256.HashData(checkedKey.ExportSubjectPublicKeyInfo()))}");
            return Task.CompletedTask;
        }));
        return command;
    }

    private static Command CreateDistrust()
    {
        var options = new VaultOptions();
        var fingerprint = new Argument<string>("FINGERPRINT") { Description = "SHA-256 of the receiver's key, as 'kdc vault status' lists it." };
        var command = options.AddTo(new Command("distrust", "Nothing leaves for that receiver any more.") { fingerprint });
        command.SetAction((parsed, _) => VaultOptions.DoAsync(() =>
        {
            var hsm = options.HsmOf(parsed);
            if (!Ceremony.Distrust(hsm, Convert.FromHexString(parsed.GetRequiredValue(fingerprint))))
                throw new ArgumentException("The HSM has no such receiver.");
            return Task.CompletedTask;
        }));
        return command;
    }

    private static (Option<string[]> Officers, Option<int> Threshold, Option<string?> Folder) CeremonyArguments(bool required = true) => (
        new Option<string[]>("--officer") { Description = "Who keeps a share; once for each.", Required = required },
        new Option<int>("--threshold") { Description = "So many shares restore the vault key.", DefaultValueFactory = _ => 2 },
        new Option<string?>("--out") { Description = "The folder for backup and shares.", Required = required });

    private static (Option<string> Backup, Option<string[]> Shares) BackupArguments() => (
        new Option<string>("--backup") { Description = "The backup of the vault key (vault-key-N.backup).", Required = true },
        new Option<string[]>("--share") { Description = "A share's file; once for each.", Required = true });

    private static void Make(VaultOptions options, ParseResult parsed, string[] officers, int threshold, string folder)
    {
        var people = options.OfficersOf(parsed, officers);
        IReadOnlyList<string> files = [];
        options.CeremonyOf(parsed).MakeVaultKey(people, threshold, made => files = CeremonyFiles.Write(made, folder));
        Console.WriteLine($"The vault key is made. Keep {files[0]} with the backups of the state directory; each officer takes his share away:");
        foreach (var (file, officer) in files.Skip(1).Zip(people))
            Console.WriteLine($"  {officer.Name}: {file}");
    }

    /// <summary>How the vault stands.</summary>
    /// <param name="Keys">Master keys and keys in escrow, in the database.</param>
    private sealed record StatusView(string Vault, bool ForTrials, IReadOnlyList<VaultKeyState> Versions, IReadOnlyList<string> Receivers, int Keys)
    {
        public string ToText() => $"""
            vault      {Vault}
            vault key  {string.Join("; ", Versions.Select(v => $"version {v.Version}, {v.Problem ?? (v.Wraps ? "as it must be" : "being replaced")}"))}
            keys       {Keys} in the database
            receivers  {(Receivers.Count == 0 ? "none" : string.Join("\n           ", Receivers))}
            """;
    }

    /// <summary>One line that is written over and over.</summary>
    private sealed class ProgressLine : IProgress<RotationProgress>
    {
        public void Report(RotationProgress value)
        {
            Console.Error.Write($"\r{value.Done} of {value.Total} keys");
            if (value.Done >= value.Total)
                Console.Error.WriteLine();
        }
    }
}
