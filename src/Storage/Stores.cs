using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using Microsoft.EntityFrameworkCore;

namespace GatewaySecure.Storage;

/// <summary>Principals out of the database; answers are kept while the directory's version stays.</summary>
internal sealed class PrincipalStore(DbContextOptions<GatewayDbContext> options, DirectoryVersion version) : IPrincipalStore
{
    private readonly VersionedCache<PrincipalId, Principal?> _byId = new(version);
    private readonly VersionedCache<string, ImmutableArray<Principal>> _byAddress = new(version);
    private readonly VersionedCache<(string, PrincipalKind), Principal?> _byCertificate = new(version);
    private readonly VersionedCache<DomainName, bool> _senderDomains = new(version);
    private readonly VersionedCache<PrincipalId, byte[]?> _auditKeys = new(version);

    public ValueTask<Principal?> FindAsync(PrincipalId id, CancellationToken cancellationToken) => _byId.GetAsync(id, async id =>
    {
        await using var db = new GatewayDbContext(options);
        var text = id.ToString();
        var row = await db.Principals.AsNoTracking().Include(p => p.Addresses).SingleOrDefaultAsync(p => p.Id == text, cancellationToken);
        return row?.ToPrincipal();
    });

    public async ValueTask<ImmutableArray<Principal?>> FindByAddressesAsync(
        ImmutableArray<MailAddress> addresses, DateTimeOffset at, CancellationToken cancellationToken)
    {
        var holders = await _byAddress.GetAsync([.. addresses.Select(RowMapping.AddressKey)], async key =>
        {
            await using var db = new GatewayDbContext(options);
            var rows = await db.Principals.AsNoTracking().Include(p => p.Addresses)
                .Where(p => p.Addresses.Any(a => a.Key == key)).ToListAsync(cancellationToken);
            return rows.Select(r => r.ToPrincipal()).ToImmutableArray();
        });
        return [.. holders.Zip(addresses, (h, address) => h.SingleOrDefault(p => p.Holds(address, at)))];
    }

    public ValueTask<Principal?> FindByCertificateAsync(string certificate, PrincipalKind kind, CancellationToken cancellationToken) =>
        _byCertificate.GetAsync((certificate, kind), async _ =>
        {
            await using var db = new GatewayDbContext(options);
            var rows = await db.Principals.AsNoTracking().Include(p => p.Addresses)
                .Where(p => p.Kind == (int)kind && p.Certificates.Contains(certificate)).ToListAsync(cancellationToken);
            return rows.Select(r => r.ToPrincipal())
                .SingleOrDefault(p => p.Status != PrincipalStatus.Revoked && p.Certificates.Contains(certificate));
        });

    public ValueTask<bool> IsSenderDomainAsync(DomainName domain, CancellationToken cancellationToken) => _senderDomains.GetAsync(domain, async domain =>
    {
        await using var db = new GatewayDbContext(options);
        var rows = await db.Principals.AsNoTracking().Where(p => p.Kind == (int)PrincipalKind.Gateway).Select(p => p.SenderDomains).ToListAsync(cancellationToken);
        return rows.Any(r => r.Split(' ').Contains(domain.Ascii));
    });

    public ValueTask<byte[]?> FindAuditKeyAsync(PrincipalId id, CancellationToken cancellationToken) => _auditKeys.GetAsync(id, async id =>
    {
        await using var db = new GatewayDbContext(options);
        var text = id.ToString();
        return (await db.AuditKeys.AsNoTracking().SingleOrDefaultAsync(k => k.PrincipalId == text, cancellationToken))?.Key;
    });

    public async ValueTask<ImmutableArray<Principal>> ListAsync(CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        var rows = await db.Principals.AsNoTracking().Include(p => p.Addresses).OrderBy(p => p.Name).ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToPrincipal())];
    }
}

/// <summary>Wrapped keys out of the database.</summary>
internal sealed class MasterKeyStore(DbContextOptions<GatewayDbContext> options, DirectoryVersion version) : IMasterKeyStore, IMasterKeyRows
{
    private readonly VersionedCache<MasterKeyName, MasterKeyRecord?> _keys = new(version);

    public ValueTask<ImmutableArray<MasterKeyRecord?>> FindAsync(ImmutableArray<MasterKeyName> names, CancellationToken cancellationToken) =>
        _keys.GetAsync(names, async name =>
        {
            await using var db = new GatewayDbContext(options);
            var principal = name.Principal.ToString();
            var key = await db.MasterKeys.AsNoTracking()
                .SingleOrDefaultAsync(k => k.PrincipalId == principal && k.Kvno == name.Kvno, cancellationToken);
            if (key is null)
                return null;
            var point = await db.CardPoints.AsNoTracking()
                .SingleOrDefaultAsync(k => k.PrincipalId == principal && k.Kvno == name.Kvno, cancellationToken);
            return new MasterKeyRecord(new WrappedMasterKey(name, key.Wrapped), point is null ? null : new CardPoint(name, point.Point, point.Binding));
        });

    public async ValueTask<ImmutableArray<WrappedMasterKey>> AfterAsync(MasterKeyName? last, int count, CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        var principal = last?.Principal.ToString() ?? "";
        var kvno = last?.Kvno ?? 0;
        var rows = await db.MasterKeys.AsNoTracking()
            .Where(k => k.PrincipalId.CompareTo(principal) > 0 || k.PrincipalId == principal && k.Kvno > kvno)
            .OrderBy(k => k.PrincipalId).ThenBy(k => k.Kvno).Take(count).ToListAsync(cancellationToken);
        return [.. rows.Select(r => new WrappedMasterKey(new MasterKeyName(RowMapping.ToId(r.PrincipalId), r.Kvno), r.Wrapped))];
    }

    public async ValueTask<int> CountAsync(CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        return await db.MasterKeys.CountAsync(cancellationToken);
    }
}

/// <summary>Keys in escrow out of the database.</summary>
internal sealed class EscrowedKeyStore(DbContextOptions<GatewayDbContext> options) : IEscrowedKeyStore
{
    public async ValueTask<EscrowedKey?> FindAsync(ReadOnlyMemory<byte> id, CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        var key = id.ToArray();
        return (await db.EscrowedKeys.AsNoTracking().SingleOrDefaultAsync(r => r.Id == key, cancellationToken))?.ToKey();
    }

    public async ValueTask<ImmutableArray<EscrowedKey>> OfAsync(PrincipalId principal, CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        var id = principal.ToString();
        var rows = await db.EscrowedKeys.AsNoTracking().Where(r => r.PrincipalId == id).ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToKey())];
    }

    public async ValueTask<ImmutableArray<EscrowedKey>> AfterAsync(ReadOnlyMemory<byte> last, int count, CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        var rows = await db.EscrowedKeys
            .FromSql($"SELECT * FROM escrowed_key WHERE id > {last.ToArray()} ORDER BY id LIMIT {count}")
            .AsNoTracking().ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToKey())];
    }

    public async ValueTask<int> CountAsync(CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        return await db.EscrowedKeys.CountAsync(cancellationToken);
    }
}

/// <summary>Issue records out of the database.</summary>
internal sealed class IssueRecordStore(DbContextOptions<GatewayDbContext> options) : IIssueRecordStore
{
    public async ValueTask<bool> HoldsAsync(IssueRecord record, CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        var (at, hash) = (record.IssuedAt.ToUnixTimeSeconds(), record.ContextHash.ToArray());
        return await db.Issues.AnyAsync(r => r.IssuedAt == at && r.ContextHash == hash, cancellationToken);
    }
}

/// <summary>What the CA issued, out of the database.</summary>
internal sealed class CertificateStore(DbContextOptions<GatewayDbContext> options) : ICertificateStore
{
    public async ValueTask<CertificateRecord?> FindAsync(string serial, CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        var row = await db.Certificates.AsNoTracking().SingleOrDefaultAsync(c => c.Serial == serial, cancellationToken);
        return row?.ToRecord();
    }

    public async ValueTask<ImmutableArray<CertificateRecord>> OfAsync(PrincipalId holder, CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        var id = holder.ToString();
        var rows = await db.Certificates.AsNoTracking().Where(c => c.HolderId == id).OrderBy(c => c.NotAfter).ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToRecord())];
    }

    public async ValueTask<ImmutableArray<CertificateRecord>> ListAsync(CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        var rows = await db.Certificates.AsNoTracking().OrderBy(c => c.NotAfter).ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToRecord())];
    }

    public async ValueTask<ImmutableArray<CertificateRecord>> RevokedAsync(CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        var rows = await db.Certificates.AsNoTracking().Where(c => c.RevokedAt != null).OrderBy(c => c.Serial).ToListAsync(cancellationToken);
        return [.. rows.Select(r => r.ToRecord())];
    }

    public async ValueTask<CrlRecord?> LastCrlAsync(CancellationToken cancellationToken)
    {
        await using var db = new GatewayDbContext(options);
        return (await db.Crls.AsNoTracking().SingleOrDefaultAsync(cancellationToken))?.ToRecord();
    }
}
