using GatewaySecure.KdcCore;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace GatewaySecure.Storage;

/// <summary>
/// One SQLite file (mode 0600, WAL, synchronous=FULL) with principals, wrapped keys, issue records and the audit chain.
/// Several processes may open it at the same time; what is read is always what is stored now.
/// </summary>
public sealed class GatewayDatabase : IAsyncDisposable
{
    private readonly GroupWriter _writer;
    private readonly DirectoryVersion _version;
    private readonly SqliteConnection _anchor;

    private GatewayDatabase(string connectionString, SqliteConnection anchor)
    {
        _anchor = anchor;
        Options = new DbContextOptionsBuilder<GatewayDbContext>()
            .UseSqlite(connectionString)
            .AddInterceptors(new DurableConnections())
            .Options;
        _version = new DirectoryVersion(connectionString);
        _writer = new GroupWriter(connectionString, _version.Forget);
        Principals = new PrincipalStore(Options, _version);
        var keys = new MasterKeyStore(Options, _version);
        MasterKeys = keys;
        MasterKeyRows = keys;
        EscrowedKeys = new EscrowedKeyStore(Options);
        IssueRecords = new IssueRecordStore(Options);
        Certificates = new CertificateStore(Options);
        Cards = new CardStore(Options);
        Audit = new AuditChain(Options, _writer);
    }

    internal DbContextOptions<GatewayDbContext> Options { get; }

    public IPrincipalStore Principals { get; }

    public IMasterKeyStore MasterKeys { get; }

    public IMasterKeyRows MasterKeyRows { get; }

    public IEscrowedKeyStore EscrowedKeys { get; }

    public IIssueRecordStore IssueRecords { get; }

    public ICertificateStore Certificates { get; }

    public ICardStore Cards { get; }

    public AuditChain Audit { get; }

    /// <summary>Made with its tables where it does not exist; its directory must.</summary>
    public static async Task<GatewayDatabase> OpenAsync(string path, CancellationToken cancellationToken = default)
    {
        CreatePrivate(path);
        // The time-out is what a statement waits for another process's write transaction.
        var connectionString = new SqliteConnectionStringBuilder { DataSource = path, DefaultTimeout = 30, ForeignKeys = true }.ToString();
        // Kept open: while one connection stays, closing the others does not checkpoint and remove the WAL each time.
        var anchor = new SqliteConnection(connectionString);
        try
        {
            await anchor.OpenAsync(cancellationToken);
            await using (var command = anchor.CreateCommand())
            {
                command.CommandText = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL";
                await command.ExecuteNonQueryAsync(cancellationToken);
            }
            await Schema.MigrateAsync(anchor, cancellationToken);
            return new GatewayDatabase(connectionString, anchor);
        }
        catch
        {
            await anchor.DisposeAsync();
            throw;
        }
    }

    /// <summary>What a KDC needs, with the vault that wraps its keys.</summary>
    public KdcPorts PortsWith(IMasterKeyVault vault) => new(Principals, MasterKeys, IssueRecords, Audit, vault);

    public async ValueTask DisposeAsync()
    {
        await _writer.DisposeAsync();
        await _version.DisposeAsync();
        await _anchor.DisposeAsync();
        SqliteConnection.ClearPool(_anchor);
    }

    private static void CreatePrivate(string path)
    {
        if (File.Exists(path))
            return;
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite };
        // SQLite gives the WAL the same mode.
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        new FileStream(path, options).Dispose();
    }
}
