using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.Pkcs11;
using GatewaySecure.TestKit;

namespace GatewaySecure.Bench.Kdc;

/// <summary>
/// Tickets per second, with the software vault and with SoftHSM2, against MIT's krb5kdc and against the vault's own rate for what a ticket
/// needs. bench/README.md says what the figures mean.
/// </summary>
internal static class KdcBench
{
    private const int Concurrency = 64;

    public static async Task RunAsync(Effort effort, Report report)
    {
        using var work = Tree.MakeWorkDirectory();
        Directory.CreateDirectory(work["software"]);
        using var software = SoftwareVault.OpenOrCreate(work["software"]);
        await using var ours = await OurKdc.CreateAsync(work["software.db"], software);
        await ours.RunAsync(effort.RunTime * 3, 1, Concurrency);

        await using (var rival = await KerberosKdc.StartAsync(work))
        {
            report.Begin(Title("software vault"), "ours", "krb5kdc");
            foreach (var recipients in (int[])[1, 10, 50])
            {
                var rates = await effort.TakeTurnsAsync(
                    () => ours.RunAsync(effort.RunTime, recipients, Concurrency), () => rival.RunAsync(effort.RunTime, Concurrency));
                report.Add(Result.MoreIsBetter($"kdc software, {Recipients(recipients)}", rates[0], rates[1], "tickets/s"));
            }
        }
        await AgainstVaultAsync(effort, report, "software vault", software, ours);

        using var hsm = await OpenHsmAsync(work);
        await using var onHsm = await OurKdc.CreateAsync(work["hsm.db"], hsm);
        await onHsm.RunAsync(effort.RunTime, 1, Concurrency);
        await AgainstVaultAsync(effort, report, "SoftHSM2", hsm, onHsm);
    }

    /// <summary>A request costs the vault three operations and one for each ticket; the client's own two are the vault's here too.</summary>
    private static async Task AgainstVaultAsync(Effort effort, Report report, string name, IMasterKeyVault vault, OurKdc kdc)
    {
        report.Begin(Title(name), "ours", "vault alone");
        foreach (var recipients in (int[])[1, 10, 50])
        {
            var operations = 4 + recipients;
            var rates = await effort.TakeTurnsAsync(
                () => kdc.RunAsync(effort.RunTime, recipients, Concurrency),
                async () => await OperationsAsync(vault, effort.RunTime) / operations * recipients);
            report.Add(Result.MoreIsBetter($"kdc {name}, {Recipients(recipients)}", rates[0], rates[1], "tickets/s"));
        }
    }

    /// <returns>Master key operations per second, under as many keys as there are askers.</returns>
    private static async Task<double> OperationsAsync(IMasterKeyVault vault, TimeSpan time)
    {
        var watch = Stopwatch.StartNew();
        var counts = await Task.WhenAll(Enumerable.Range(0, Concurrency).Select(_ => Task.Run(async () =>
        {
            var key = await vault.GenerateAsync(new MasterKeyName(PrincipalId.New(), 1), default);
            var input = RandomNumberGenerator.GetBytes(32);
            var count = 0;
            for (; watch.Elapsed < time; count++)
                await vault.DecryptBlocksAsync(key, input, default);
            return count;
        })));
        return counts.Sum() / watch.Elapsed.TotalSeconds;
    }

    private static async Task<HsmVault> OpenHsmAsync(WorkDirectory work)
    {
        var state = Directory.CreateDirectory(work["hsm"]).FullName;
        var token = await SoftHsm.Instance.CreateTokenAsync();
        var pin = work["hsm.pin"];
        await File.WriteAllTextAsync(pin, token.Pin + "\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(pin, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var officers = (ShareOfficer[])[new("one", "bench bench one"), new("two", "bench bench two")];
        new Ceremony(new HsmCeremonyOptions(SoftHsm.Module, new TokenSelector(token.Label), token.OfficerPin, token.Pin), state, TimeProvider.System)
            .MakeVaultKey(officers, 2, _ => { });
        return HsmVault.Open(new HsmOptions(SoftHsm.Module, new TokenSelector(token.Label), pin), state, TimeProvider.System);
    }

    private static string Title(string vault) => $"kdc: {vault}, durable audit, {Concurrency} requests at once, both sides of the exchange in one process";

    private static string Recipients(int count) => count == 1 ? "1 recipient" : string.Create(CultureInfo.InvariantCulture, $"{count} recipients");
}
