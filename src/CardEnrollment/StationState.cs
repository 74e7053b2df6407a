using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.Storage;

namespace GatewaySecure.CardEnrollment;

/// <summary>The gateway's database and vault, below its state directory. The gateway may run at the same time.</summary>
internal sealed class StationState : IAsyncDisposable
{
    private readonly GatewayDatabase _database;
    private readonly IKeyVault _vault;
    private readonly RealmKey _realm;

    private StationState(GatewayDatabase database, IKeyVault vault)
    {
        _database = database;
        _vault = vault;
        _realm = new RealmKey(vault.OrganisationEcdsaKey("realm"));
    }

    /// <summary>What cards without an AES slot have to know of their realm.</summary>
    public ReadOnlyMemory<byte> RealmPublicKey => _realm.PublicKey;

    public string VaultDescription => _vault.Description;

    /// <exception cref="IOException">It is not a gateway's state directory.</exception>
    public static async Task<StationState> OpenAsync(string directory, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(directory))
            throw new DirectoryNotFoundException($"There is no state directory {directory}; give the gateway's.");
        var vault = KeyVaults.Open(null, directory, TimeProvider.System);
        try
        {
            return new StationState(await GatewayDatabase.OpenAsync(Path.Combine(directory, "gatewaysecure.db"), cancellationToken), vault);
        }
        catch
        {
            vault.Dispose();
            throw;
        }
    }

    public KdcAdministration Administration(Realm realm, TimeProvider time) =>
        new(realm, _database.PortsWith(_vault) with { Realm = _realm }, time, "cardstation:" + Environment.UserName);

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _realm.Dispose();
        _vault.Dispose();
    }
}
