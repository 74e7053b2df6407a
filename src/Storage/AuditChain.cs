using GatewaySecure.KdcCore;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace GatewaySecure.Storage;

/// <summary>
/// The hash-chained audit log: link n = SHA-256(link n−1 ‖ n ‖ event). An edited, inserted, reordered or removed line
/// breaks it; lines cut off at its end show against a head that was noted elsewhere before.
/// </summary>
public sealed class AuditChain : IAuditChain
{
    private readonly DbContextOptions<GatewayDbContext> _options;
    private readonly GroupWriter _writer;

    internal AuditChain(DbContextOptions<GatewayDbContext> options, GroupWriter writer)
    {
        _options = options;
        _writer = writer;
    }

    public ValueTask AppendAsync(AuditEntry entry, CancellationToken cancellationToken) => _writer.WriteAsync(entry, cancellationToken);

    /// <summary>The last line's number and link: note it outside, to prove later that nothing was cut off.</summary>
    public async Task<AuditHead> HeadAsync(CancellationToken cancellationToken = default)
    {
        await using var db = new GatewayDbContext(_options);
        var last = await db.Audit.AsNoTracking().OrderByDescending(a => a.Sequence).FirstOrDefaultAsync(cancellationToken);
        return last is null ? AuditHead.Empty : new AuditHead(last.Sequence, Convert.ToHexStringLower(last.Hash));
    }

    /// <param name="noted">A head that was noted before and must still be in the chain.</param>
    /// <returns>Null where the chain holds, else one sentence about the first line that does not.</returns>
    public async Task<string?> VerifyAsync(AuditHead? noted = null, CancellationToken cancellationToken = default) =>
        (await VerifyAsync(_options, noted is null ? [] : [noted], cancellationToken)).Fault;

    /// <summary>Checks the chain in a database file, also a copy, without changing anything and without a server.</summary>
    /// <param name="noted">Heads that were noted before and must still be in the chain.</param>
    /// <exception cref="IOException">It is no database of ours.</exception>
    public static async Task<AuditVerdict> VerifyFileAsync(string path, IReadOnlyCollection<AuditHead> noted, CancellationToken cancellationToken = default)
    {
        var connection = new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString();
        try
        {
            return await VerifyAsync(new DbContextOptionsBuilder<GatewayDbContext>().UseSqlite(connection).Options, noted, cancellationToken);
        }
        catch (SqliteException e)
        {
            throw new IOException($"{path} can't be read as a database with an audit chain: {e.Message}", e);
        }
    }

    private static async Task<AuditVerdict> VerifyAsync(
        DbContextOptions<GatewayDbContext> options, IReadOnlyCollection<AuditHead> noted, CancellationToken cancellationToken)
    {
        var heads = noted.ToLookup(n => n.Sequence, n => n.Hash);
        await using var db = new GatewayDbContext(options);
        long sequence = 0;
        var hash = new byte[AuditEvent.HashSize];
        await foreach (var row in db.Audit.AsNoTracking().OrderBy(a => a.Sequence).AsAsyncEnumerable().WithCancellation(cancellationToken))
        {
            if (row.Sequence != ++sequence)
                return new AuditVerdict($"Line {sequence} is missing.", AuditHead.Empty);
            hash = AuditEvent.Link(hash, sequence, row.Event);
            if (!hash.AsSpan().SequenceEqual(row.Hash) || AuditEvent.Decode(row.Event) is null)
                return new AuditVerdict($"Line {sequence} was changed, or lines were moved.", AuditHead.Empty);
            var text = Convert.ToHexStringLower(hash);
            if (heads[sequence].Any(h => h != text))
                return new AuditVerdict($"Line {sequence} is not the one that was noted; the chain was rewritten.", AuditHead.Empty);
        }
        var last = noted.Count == 0 ? 0 : noted.Max(n => n.Sequence);
        return last > sequence
            ? new AuditVerdict($"The chain ends at line {sequence}; line {last} was noted before.", AuditHead.Empty)
            : new AuditVerdict(null, new AuditHead(sequence, Convert.ToHexStringLower(hash)));
    }

    /// <summary>Events in their order, from the given number on.</summary>
    public async Task<IReadOnlyList<AuditEvent>> ReadAsync(long from, int count, CancellationToken cancellationToken = default)
    {
        await using var db = new GatewayDbContext(_options);
        var rows = await db.Audit.AsNoTracking().Where(a => a.Sequence >= from).OrderBy(a => a.Sequence).Take(count).ToListAsync(cancellationToken);
        return [.. rows.Select(r => AuditEvent.Decode(r.Event) ?? throw new InvalidDataException($"Audit line {r.Sequence} is damaged."))];
    }
}

/// <summary>The end of an audit chain at some moment.</summary>
/// <param name="Hash">Hexadecimal, lower case.</param>
public sealed record AuditHead(long Sequence, string Hash)
{
    public static AuditHead Empty { get; } = new(0, new string('0', 2 * AuditEvent.HashSize));
}

/// <summary>What a check of the chain found.</summary>
/// <param name="Fault">Null where the chain holds, else one sentence about the first line that does not.</param>
/// <param name="Head">Where it holds.</param>
public sealed record AuditVerdict(string? Fault, AuditHead Head);
