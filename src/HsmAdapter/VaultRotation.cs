using System.Security.Cryptography;
using GatewaySecure.KdcCore;

namespace GatewaySecure.HsmAdapter;

/// <summary>What a rotation goes through.</summary>
public sealed record RotationStores(IMasterKeyRows MasterKeys, IEscrowedKeyStore Escrow, IAuditChain Audit);

/// <summary>How far a rotation is, in keys.</summary>
public sealed record RotationProgress(int Done, int Total);

/// <summary>
/// Brings everything under the newest version of the vault key, while servers go on, and destroys the older versions when nothing needs them.
/// Interrupted at any point, it is simply run again: what is done is skipped. Each step stands in the audit chain together with its rows.
/// </summary>
/// <param name="actor">Who rotates, for the audit.</param>
public sealed class VaultRotation(HsmVault vault, RotationStores stores, TimeProvider time, string actor)
{
    private const int Page = 100;

    // A server that read the newest version just before there was a newer one stores its row a moment later.
    private const int Rounds = 5;

    /// <returns>How many old versions were destroyed; 0 where all was current already.</returns>
    /// <exception cref="IOException">The HSM or the database failed; run it again.</exception>
    public async Task<int> RunAsync(IProgress<RotationProgress>? progress, CancellationToken cancellationToken)
    {
        var newest = await vault.ReadNewestAsync(cancellationToken);
        var total = await stores.MasterKeys.CountAsync(cancellationToken) + await stores.Escrow.CountAsync(cancellationToken);
        for (var round = 1; ; round++)
        {
            var done = 0;
            var changed = await MasterKeysAsync(newest, n => progress?.Report(new RotationProgress(done += n, total)), cancellationToken)
                + await EscrowAsync(newest, n => progress?.Report(new RotationProgress(done += n, total)), cancellationToken);
            await vault.RewrapFilesAsync(cancellationToken);
            if (changed == 0 && vault.FilesAreCurrent())
                break;
            if (round == Rounds)
                throw new IOException("Keys under an older version of the vault key keep coming; is a server running that does not see the newer one? Restart it, then run the rotation again.");
        }
        var destroyed = await vault.DestroyOldVersionsAsync(cancellationToken);
        if (destroyed > 0)
            await AuditAsync(new AuditEntry(Event("vault.rotated", $"version={newest} destroyed={destroyed}")), cancellationToken);
        return destroyed;
    }

    private async Task<int> MasterKeysAsync(int newest, Action<int> progress, CancellationToken cancellationToken)
    {
        var changed = 0;
        for (MasterKeyName? last = null; ;)
        {
            var page = await stores.MasterKeys.AfterAsync(last, Page, cancellationToken);
            if (page.IsEmpty)
                return changed;
            last = page[^1].Name;
            var rewrapped = new List<WrappedMasterKey>();
            foreach (var key in page.Where(k => !vault.IsCurrent(k)))
                rewrapped.Add(await NamingAsync($"key version {key.Name.Kvno} of principal {key.Name.Principal}", vault.RewrapAsync(key, cancellationToken)));
            if (rewrapped.Count > 0)
            {
                await AuditAsync(
                    new AuditEntry(Event("vault.rewrap", $"version={newest} master-keys={rewrapped.Count}")) { Rewrapped = [.. rewrapped] }, cancellationToken);
            }
            changed += rewrapped.Count;
            progress(page.Length);
        }
    }

    private async Task<int> EscrowAsync(int newest, Action<int> progress, CancellationToken cancellationToken)
    {
        var changed = 0;
        for (ReadOnlyMemory<byte> last = default; ;)
        {
            var page = await stores.Escrow.AfterAsync(last, Page, cancellationToken);
            if (page.IsEmpty)
                return changed;
            last = page[^1].Id;
            var rewrapped = new List<EscrowedKey>();
            foreach (var key in page.Where(k => !vault.IsCurrent(k)))
                rewrapped.Add(await NamingAsync($"the key in escrow {Convert.ToHexStringLower(key.Id)}", vault.RewrapAsync(key, cancellationToken)));
            if (rewrapped.Count > 0)
            {
                await AuditAsync(
                    new AuditEntry(Event("vault.rewrap", $"version={newest} escrowed-keys={rewrapped.Count}")) { RewrappedEscrow = [.. rewrapped] }, cancellationToken);
            }
            changed += rewrapped.Count;
            progress(page.Length);
        }
    }

    /// <summary>A row that was changed by hand stops a rotation, which must say which.</summary>
    private static async ValueTask<T> NamingAsync<T>(string what, ValueTask<T> rewrap)
    {
        try
        {
            return await rewrap;
        }
        catch (CryptographicException e)
        {
            throw new CryptographicException($"At {what}: {e.Message}", e);
        }
    }

    private AuditEvent Event(string action, string detail) =>
        new(DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds()), action, actor, "", detail);

    private ValueTask AuditAsync(AuditEntry entry, CancellationToken cancellationToken) => stores.Audit.AppendAsync(entry, cancellationToken);
}
