using System.Security.Cryptography;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcServer.Configuration;
using GatewaySecure.Storage;

namespace GatewaySecure.KdcServer.Hosting;

/// <summary>The KDC's vault and database, opened together; what the server and its commands both stand on.</summary>
internal sealed class KdcKeys : IAsyncDisposable
{
    private readonly IKeyVault _vault;

    private KdcKeys(IKeyVault vault, GatewayDatabase database, RealmKey realm) => (_vault, Database, Realm) = (vault, database, realm);

    public GatewayDatabase Database { get; }

    public IKeyVault Vault => _vault;

    /// <summary>Signs what goes to cards without an AES slot.</summary>
    public RealmKey Realm { get; }

    public KdcPorts Ports => Database.PortsWith(_vault) with { Realm = Realm };

    /// <param name="settings">Of the configuration; null: as the state directory says.</param>
    /// <exception cref="IOException">The database or the vault can't be opened.</exception>
    public static async Task<KdcKeys> OpenAsync(KdcState state, VaultSettings? settings, CancellationToken cancellationToken)
    {
        var vault = KeyVaults.Open(settings, state.Root, TimeProvider.System);
        try
        {
            var realm = new RealmKey(vault.OrganisationEcdsaKey("realm"));
            return new KdcKeys(vault, await GatewayDatabase.OpenAsync(state.Database, cancellationToken), realm);
        }
        catch
        {
            vault.Dispose();
            throw;
        }
    }

    /// <summary>ECDSA, for anchors of the audit chain. The caller disposes it.</summary>
    public ECDsa OpenAuditKey() => _vault.OrganisationEcdsaKey("audit");

    /// <summary>ECDSA, of the issuing CA. The caller disposes it.</summary>
    public ECDsa OpenCaKey() => _vault.OrganisationEcdsaKey("ca");

    /// <summary>ECDSA, of its OCSP responder. The caller disposes it.</summary>
    public ECDsa OpenOcspKey() => _vault.OrganisationEcdsaKey("ocsp");

    /// <param name="actor">Who changes things, for the audit.</param>
    public KdcAdministration Administration(KdcServerConfiguration configuration, string actor, TimeProvider time) =>
        new(configuration.Realm, Ports, time, actor);

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        Realm.Dispose();
        _vault.Dispose();
    }
}
