using System.Collections.Immutable;
using System.Threading.Channels;
using GatewaySecure.KdcCore;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace GatewaySecure.Storage;

/// <summary>
/// Writes audit entries: those that wait at the same time share one transaction, thus one flush to disk. A caller goes on when its
/// entry is durable. Where a group can't be written, each of its entries is tried alone, so that one bad entry
/// fails only its own caller.
/// </summary>
internal sealed class GroupWriter : IAsyncDisposable
{
    private const int LargestGroup = 512;
    private const int SqliteConstraint = 19;

    private readonly Channel<Pending> _queue = Channel.CreateBounded<Pending>(
        new BoundedChannelOptions(4 * LargestGroup) { SingleReader = true });

    private readonly string _connectionString;
    private readonly Action _recordsChanged;
    private readonly Task _loop;

    // Of the loop alone; null before the first group, and after one that failed.
    private ChainConnection? _chain;

    /// <param name="recordsChanged">Called when other rows than lines and tickets were committed, before anybody is told.</param>
    public GroupWriter(string connectionString, Action recordsChanged)
    {
        (_connectionString, _recordsChanged) = (connectionString, recordsChanged);
        // A thread of its own: it waits for the disk most of the time, and the pool has as few threads as the machine has processors.
        _loop = Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public async ValueTask WriteAsync(AuditEntry entry, CancellationToken cancellationToken)
    {
        var pending = new Pending(entry);
        await _queue.Writer.WriteAsync(pending, cancellationToken);
        // From here on it is being written; a caller that gave up must not believe that it was not.
        await pending.Done.Task;
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _loop;
        _chain?.Dispose();
    }

    private void Run()
    {
        var group = new List<Pending>(LargestGroup);
        while (Await(_queue.Reader.WaitToReadAsync()))
        {
            group.Clear();
            while (group.Count < LargestGroup && _queue.Reader.TryRead(out var next))
                group.Add(next);
            if (Await(TryWriteAsync(group)) is not { } failure)
                continue;
            if (group.Count == 1)
            {
                group[0].Done.SetException(failure);
                continue;
            }
            foreach (var one in group)
            {
                if (Await(TryWriteAsync([one])) is { } own)
                    one.Done.SetException(own);
            }
        }
    }

    private static T Await<T>(ValueTask<T> task) => task.IsCompletedSuccessfully ? task.Result : task.AsTask().GetAwaiter().GetResult();

    /// <summary>Null where all is durable and the callers were told; else nothing was written.</summary>
    private async ValueTask<Exception?> TryWriteAsync(List<Pending> group)
    {
        try
        {
            _chain ??= new ChainConnection(_connectionString);
            await using var transaction = _chain.Begin();
            await using var records = new Records(_chain.Options, transaction);
            var (sequence, hash) = _chain.Last();
            foreach (var entry in group.Select(p => p.Entry))
            {
                var octets = entry.Event.Encode();
                hash = AuditEvent.Link(hash, ++sequence, octets);
                _chain.Audit(sequence, octets, hash);
                foreach (var issued in entry.Issued.IsDefault ? [] : entry.Issued)
                    _chain.Issue(issued);
                await PutAsync(records, entry);
            }
            await records.SaveAsync();
            await transaction.CommitAsync();
            if (records.AreUsed)
                _recordsChanged();
        }
#pragma warning disable CA1031 // Whatever it is, it is the waiting callers', not the loop's.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _chain?.Dispose();
            _chain = null;
            return e switch
            {
                DbUpdateException { InnerException: SqliteException { SqliteErrorCode: SqliteConstraint } } =>
                    new StaleRecordException("The record was changed meanwhile, or an address, name or key version is taken."),
                // A full disk is one for whoever waits, by the name that every disk's failure has.
                DbUpdateException or SqliteException => new IOException("The database could not be written.", e),
                _ => e,
            };
        }
        foreach (var one in group)
            one.Done.SetResult();
        return null;
    }

    /// <summary>All that belongs to a line besides issue records; most lines have nothing.</summary>
    private static async Task PutAsync(Records records, AuditEntry entry)
    {
        if (entry.Saved is { } principal)
            await SaveAsync(records.Db, principal, entry);
        if (entry.Point is { } point)
        {
            records.Db.CardPoints.Add(new CardPointRow
            {
                PrincipalId = point.Name.Principal.ToString(), Kvno = point.Name.Kvno, Point = point.Point.ToArray(), Binding = point.Binding.ToArray(),
            });
        }
        if (entry.Key is { } key)
        {
            records.Db.MasterKeys.Add(new MasterKeyRow
            {
                PrincipalId = key.Name.Principal.ToString(), Kvno = key.Name.Kvno, Wrapped = key.Wrapped.ToArray(),
            });
        }
        foreach (var card in entry.Cards)
            await CardRows.SaveAsync(records.Db, card);
        if (entry.Escrowed is { } escrowed)
            records.Db.EscrowedKeys.Add(escrowed.ToRow());
        if (!entry.Rewrapped.IsEmpty || !entry.RewrappedEscrow.IsEmpty)
            await RewrapAsync(records.Db, entry.Rewrapped, entry.RewrappedEscrow);
        if (entry.Certificate is { } certificate)
            await PutAsync(records.Db, certificate);
        if (entry.Crl is { } crl)
            await PutAsync(records.Db, crl);
    }

    private static async Task SaveAsync(GatewayDbContext db, Principal principal, AuditEntry entry)
    {
        var id = principal.Id.ToString();
        var row = await db.Principals.Include(p => p.Addresses).SingleOrDefaultAsync(p => p.Id == id);
        // The transaction holds the write lock, so this comparison can't be overtaken.
        if ((row?.Revision ?? 0) != principal.Revision)
            throw new StaleRecordException($"{principal.Name} was changed meanwhile.");
        if (row is null)
        {
            row = new PrincipalRow { Id = id, Name = principal.Name, SenderDomains = "", Certificates = "" };
            db.Principals.Add(row);
        }
        principal.CopyTo(row);
        if (!entry.AuditKey.IsEmpty)
            db.AuditKeys.Add(new AuditKeyRow { PrincipalId = id, Key = entry.AuditKey.ToArray() });
        if (entry.Forgets)
        {
            db.Addresses.RemoveRange(row.Addresses);
            await db.Cards.Where(c => c.HolderId == id).ForEachAsync(c => c.Address = CardRow.Forgotten);
            db.AuditKeys.RemoveRange(await db.AuditKeys.Where(k => k.PrincipalId == id).ToListAsync());
        }
        foreach (var held in principal.Addresses)
        {
            var key = RowMapping.AddressKey(held.Address);
            var from = held.From.ToUnixTimeSeconds();
            var until = held.Until?.ToUnixTimeSeconds();
            if (row.Addresses.FirstOrDefault(a => a.Key == key && a.ValidFrom == from) is { } known)
                known.ValidUntil = until;
            else
                row.Addresses.Add(new AddressRow
                {
                    PrincipalId = id, Key = key, Address = held.Address.ToString(), ValidFrom = from, ValidUntil = until,
                });
        }
    }

    private static async Task RewrapAsync(GatewayDbContext db, ImmutableArray<WrappedMasterKey> keys, ImmutableArray<EscrowedKey> escrowed)
    {
        foreach (var key in keys)
        {
            var row = await db.MasterKeys.FindAsync(key.Name.Principal.ToString(), key.Name.Kvno)
                ?? throw new StaleRecordException($"Key version {key.Name.Kvno} of principal {key.Name.Principal} is gone.");
            row.Wrapped = key.Wrapped.ToArray();
        }
        foreach (var key in escrowed)
        {
            var row = await db.EscrowedKeys.FindAsync(key.Id) ?? throw new StaleRecordException("A key in escrow is gone.");
            row.Wrapped = key.Wrapped.ToArray();
        }
        // Readers that run keep what they read as long as this number stays.
        await db.Database.ExecuteSqlAsync($"UPDATE directory_version SET version = version + 1");
    }

    private static async Task PutAsync(GatewayDbContext db, CertificateRecord certificate)
    {
        var row = certificate.ToRow();
        if (await db.Certificates.FindAsync(row.Serial) is not { } known)
        {
            db.Certificates.Add(row);
            return;
        }
        // For ever is for ever, also where two decide at the same time.
        if (known.Reason is { } reason && reason != (int)RevocationReason.CertificateHold)
            throw new StaleRecordException($"Certificate {row.Serial} was revoked meanwhile.");
        (known.RevokedAt, known.Reason) = (row.RevokedAt, row.Reason);
    }

    private static async Task PutAsync(GatewayDbContext db, CrlRecord crl)
    {
        var row = crl.ToRow();
        if (await db.Crls.FindAsync(row.One) is not { } last)
        {
            db.Crls.Add(row);
            return;
        }
        if (last.Number >= row.Number)
            throw new StaleRecordException($"CRL {row.Number} was made meanwhile.");
        (last.Number, last.Der, last.ThisUpdate, last.NextUpdate) = (row.Number, row.Der, row.ThisUpdate, row.NextUpdate);
    }

    private sealed record Pending(AuditEntry Entry)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>The tables within a transaction, made when a line first needs them.</summary>
    private sealed class Records(DbContextOptions<GatewayDbContext> options, SqliteTransaction transaction) : IAsyncDisposable
    {
        private GatewayDbContext? _db;

        public bool AreUsed => _db is not null;

        public GatewayDbContext Db
        {
            get
            {
                if (_db is null)
                {
                    _db = new GatewayDbContext(options);
                    _db.Database.UseTransaction(transaction);
                    _db.ChangeTracker.AutoDetectChangesEnabled = false;
                }
                return _db;
            }
        }

        public async Task SaveAsync()
        {
            if (_db is null)
                return;
            _db.ChangeTracker.DetectChanges();
            await _db.SaveChangesAsync();
        }

        public ValueTask DisposeAsync() => _db?.DisposeAsync() ?? default;
    }
}
