using GatewaySecure.KdcCore;
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
    public async Task<string?> VerifyAsync(AuditHead? noted = null, CancellationToken cancellationToken = default)
    {
        await using var db = new GatewayDbContext(_options);
        long sequence = 0;
        var hash = new byte[AuditEvent.HashSize];
        await foreach (var row in db.Audit.AsNoTracking().OrderBy(a => a.Sequence).AsAsyncEnumerable().WithCancellation(cancellationToken))
        {
            if (row.Sequence != ++sequence)
                return $"Line {sequence} is missing.";
            hash = AuditEvent.Link(hash, sequence, row.Event);
            if (!hash.AsSpan().SequenceEqual(row.Hash) || AuditEvent.Decode(row.Event) is null)
                return $"Line {sequence} was changed, or lines were moved.";
            if (noted?.Sequence == sequence && noted.Hash != Convert.ToHexStringLower(hash))
                return $"Line {sequence} is not the one that was noted; the chain was rewritten.";
        }
        return noted?.Sequence > sequence ? $"The chain ends at line {sequence}; line {noted.Sequence} was noted before." : null;
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
