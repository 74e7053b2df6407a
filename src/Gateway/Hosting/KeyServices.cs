using GatewaySecure.Gateway.Configuration;
using GatewaySecure.Gateway.Protection;
using GatewaySecure.Gateway.Spool;
using GatewaySecure.HsmAdapter;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport;
using GatewaySecure.MailProtection;
using GatewaySecure.Storage;

namespace GatewaySecure.Gateway.Hosting;

/// <summary>
/// What holds and uses keys: the vault, the database, and the way to the KDC, which runs inside the gateway or, behind the same interface,
/// elsewhere.
/// </summary>
internal sealed class KeyServices : IAsyncDisposable
{
    private readonly IKeyVault _vault;
    private readonly GatewayDatabase _database;
    private readonly HttpKdc? _server;

    private KeyServices(IKeyVault vault, GatewayDatabase database, HttpKdc? server) => (_vault, _database, _server) = (vault, database, server);

    public string VaultDescription => _vault.Description;

    /// <summary>See <see cref="IKeyVault.ProblemChanged"/>.</summary>
    public event Action<string?>? VaultProblemChanged
    {
        add => _vault.ProblemChanged += value;
        remove => _vault.ProblemChanged -= value;
    }

    /// <summary>Null where the KDC runs elsewhere.</summary>
    public KdcAdministration? Administration { get; private init; }

    private RealmKey? Realm { get; init; }

    /// <summary>The gateway's own way to the KDC.</summary>
    public required KdcClient Tickets { get; init; }

    /// <summary>Null where S/MIME mail is not to be signed.</summary>
    public required SmimeSigner? Signer { get; init; }

    /// <summary>For protected mail from outside.</summary>
    public required IReadOnlyList<SmimeKey> Opening { get; init; }

    public ISpoolKey Spool => new VaultSpoolKey(_vault.Spool);

    public MarkKey Marks => _vault.Marks;

    public AuditChain Audit => _database.Audit;

    public static async Task<KeyServices> OpenAsync(
        GatewayConfiguration configuration, StateDirectory state, TimeProvider time, CancellationToken cancellationToken)
    {
        var vault = KeyVaults.Open(configuration.Vault, state.Root, time);
        GatewayDatabase? database = null;
        HttpKdc? server = null;
        RealmKey? realm = null;
        try
        {
            database = await GatewayDatabase.OpenAsync(state.Database, cancellationToken);
            var signer = configuration.OpenSigner(vault, state, time.GetUtcNow());
            var opening = OpeningKeyFiles.Load(configuration.Opening?.Keys ?? [], vault);
            if (configuration.Kdc.Server is { } elsewhere)
            {
                var key = KdcAccess.ReadKey(configuration.Kdc.Realm, state);
                server = KdcAccess.Connect(elsewhere, time);
                return new KeyServices(vault, database, server)
                {
                    Tickets = new KdcClient(
                        configuration.Kdc.Realm, key.Name.Principal, new VaultMasterKey(vault, key), server, server, time, key.Name.Kvno),
                    Signer = signer,
                    Opening = opening,
                };
            }
            var ports = database.PortsWith(vault) with { Realm = realm = new RealmKey(vault.OrganisationEcdsaKey("realm")) };
            var administration = new KdcAdministration(configuration.Kdc.Realm, ports, time, "gateway");
            var gateway = await administration.EnsureGatewayAsync(
                configuration.HostName.Ascii, configuration.OrganisationDomains, cancellationToken);
            var kdc = new KdcService(
                KdcOptions.For(configuration.Kdc.Realm) with { TicketLifetime = configuration.Kdc.TicketLifetime }, ports, time);
            return new KeyServices(vault, database, null)
            {
                Realm = realm,
                Administration = administration,
                Tickets = new KdcClient(
                    configuration.Kdc.Realm, gateway.Id, await administration.UseKeyAsync(gateway.Id, cancellationToken), kdc, kdc, time),
                Signer = signer,
                Opening = opening,
            };
        }
        catch
        {
            server?.Dispose();
            realm?.Dispose();
            if (database is not null)
                await database.DisposeAsync();
            vault.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _server?.Dispose();
        Realm?.Dispose();
        await _database.DisposeAsync();
        _vault.Dispose();
    }
}

/// <summary>The spool's key as the vault keeps it.</summary>
internal sealed class VaultSpoolKey(SpoolKey key) : ISpoolKey
{
    public byte[] Wrap(ReadOnlySpan<byte> dataKey, ReadOnlySpan<byte> context) => key.Wrap(dataKey, context);

    public byte[] Unwrap(ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> context) => key.Unwrap(wrapped, context);
}
