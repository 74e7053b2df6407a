using System.Collections.Immutable;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore.Tests;

/// <summary>The KDC's ports in memory, all or nothing like the real ones; can be told to fail.</summary>
internal sealed class MemoryStores : IPrincipalStore, IMasterKeyStore, IIssueRecordStore, IAuditChain
{
    private readonly Lock _lock = new();

    public Dictionary<PrincipalId, Principal> Principals { get; } = [];

    public Dictionary<MasterKeyName, WrappedMasterKey> Keys { get; } = [];

    public Dictionary<PrincipalId, byte[]> AuditKeys { get; } = [];

    public Dictionary<MasterKeyName, CardPoint> Points { get; } = [];

    /// <summary>By <see cref="Key"/>.</summary>
    public HashSet<string> Issued { get; } = [];

    public List<AuditEvent> Events { get; } = [];

    public Exception? FailWith { get; set; }

    public ValueTask<Principal?> FindAsync(PrincipalId id, CancellationToken cancellationToken) => new(Principals.GetValueOrDefault(id));

    public ValueTask<ImmutableArray<Principal?>> FindByAddressesAsync(
        ImmutableArray<MailAddress> addresses, DateTimeOffset at, CancellationToken cancellationToken) =>
        new([.. addresses.Select(a => Principals.Values.SingleOrDefault(p => p.Holds(a, at)))]);

    public ValueTask<Principal?> FindByCertificateAsync(string certificate, PrincipalKind kind, CancellationToken cancellationToken) =>
        new(Principals.Values.SingleOrDefault(p => p.Kind == kind && p.Certificates.Contains(certificate) && p.Status != PrincipalStatus.Revoked));

    public ValueTask<bool> IsSenderDomainAsync(DomainName domain, CancellationToken cancellationToken) =>
        new(Principals.Values.Any(p => p.SenderDomains.Contains(domain)));

    public ValueTask<byte[]?> FindAuditKeyAsync(PrincipalId id, CancellationToken cancellationToken) => new(AuditKeys.GetValueOrDefault(id));

    public ValueTask<ImmutableArray<Principal>> ListAsync(CancellationToken cancellationToken) => new([.. Principals.Values]);

    public ValueTask<ImmutableArray<MasterKeyRecord?>> FindAsync(ImmutableArray<MasterKeyName> names, CancellationToken cancellationToken) =>
        new([.. names.Select(n => Keys.GetValueOrDefault(n) is { } key ? new MasterKeyRecord(key, Points.GetValueOrDefault(n)) : null)]);

    public ValueTask<bool> HoldsAsync(IssueRecord record, CancellationToken cancellationToken) => new(Issued.Contains(Key(record)));

    public static string Key(IssueRecord record) => $"{record.IssuedAt:O} {Convert.ToHexString(record.ContextHash.Span)}";

    public ValueTask AppendAsync(AuditEntry entry, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (FailWith is { } failure)
                throw failure;
            if (entry.Saved is { } saved)
            {
                if ((Principals.GetValueOrDefault(saved.Id)?.Revision ?? 0) != saved.Revision)
                    throw new StaleRecordException("changed meanwhile");
                Principals[saved.Id] = saved with { Revision = saved.Revision + 1 };
                if (!entry.AuditKey.IsEmpty)
                    AuditKeys.Add(saved.Id, entry.AuditKey.ToArray());
                if (entry.Forgets)
                    AuditKeys.Remove(saved.Id);
            }
            if (entry.Key is { } key)
                Keys.Add(key.Name, key);
            if (entry.Point is { } point)
                Points.Add(point.Name, point);
            foreach (var record in entry.Issued.IsDefault ? [] : entry.Issued)
                Issued.Add(Key(record));
            Events.Add(entry.Event);
        }
        return default;
    }
}

/// <summary>A card in a test: keeps the clear key that was written to it.</summary>
internal sealed class TestCard : IMasterKey
{
    public byte[] Key { get; private set; } = [];

    public CardIdentity? Identity { get; private set; }

    public int Operations { get; private set; }

    public ValueTask Write(CardIdentity identity, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        Identity = identity;
        Key = key.ToArray();
        return default;
    }

    public ValueTask<byte[]> DecryptBlocksAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        Operations++;
        return new(Decrypt(Key, input.Span));
    }

    public static byte[] Decrypt(byte[] key, ReadOnlySpan<byte> input)
    {
        using var aes = System.Security.Cryptography.Aes.Create();
        aes.Key = key;
        return aes.DecryptCbc(input, new byte[16], System.Security.Cryptography.PaddingMode.None);
    }
}
