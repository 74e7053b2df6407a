using System.Collections.Immutable;
using System.Security.Cryptography;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>Reads principals; always what is stored now, also where another process changed it.</summary>
public interface IPrincipalStore
{
    ValueTask<Principal?> FindAsync(PrincipalId id, CancellationToken cancellationToken);

    /// <summary>The one principal that holds each address at that time, as all of them are at one moment.</summary>
    ValueTask<ImmutableArray<Principal?>> FindByAddressesAsync(ImmutableArray<MailAddress> addresses, DateTimeOffset at, CancellationToken cancellationToken);

    async ValueTask<Principal?> FindByAddressAsync(MailAddress address, DateTimeOffset at, CancellationToken cancellationToken) =>
        (await FindByAddressesAsync([address], at, cancellationToken))[0];

    /// <summary>The gateway, or operator, whose record holds this certificate; never a revoked one.</summary>
    /// <param name="certificate">SHA-256, 64 hexadecimal digits in upper case.</param>
    ValueTask<Principal?> FindByCertificateAsync(string certificate, PrincipalKind kind, CancellationToken cancellationToken);

    /// <summary>Whether some gateway, of whatever standing, sends for this domain: then nobody in it is outside.</summary>
    ValueTask<bool> IsSenderDomainAsync(DomainName domain, CancellationToken cancellationToken);

    /// <summary>The key under which the principal's addresses stand in the audit; null where it was thrown away.</summary>
    ValueTask<byte[]?> FindAuditKeyAsync(PrincipalId id, CancellationToken cancellationToken);

    /// <summary>All, by name, deleted ones too.</summary>
    ValueTask<ImmutableArray<Principal>> ListAsync(CancellationToken cancellationToken);
}

/// <summary>Reads wrapped master keys.</summary>
public interface IMasterKeyStore
{
    /// <summary>Each of them; null where there is none.</summary>
    ValueTask<ImmutableArray<MasterKeyRecord?>> FindAsync(ImmutableArray<MasterKeyName> names, CancellationToken cancellationToken);

    async ValueTask<WrappedMasterKey?> FindAsync(MasterKeyName name, CancellationToken cancellationToken) =>
        (await FindAsync([name], cancellationToken))[0]?.Wrapped;
}

/// <summary>A master key as the KDC has it.</summary>
/// <param name="Point">Null: the card of this version has an AES slot, or it is a gateway's key.</param>
public sealed record MasterKeyRecord(WrappedMasterKey Wrapped, CardPoint? Point);

/// <summary>Knows the tickets that were issued.</summary>
public interface IIssueRecordStore
{
    /// <summary>Whether the KDC issued a ticket with the very octets of this context.</summary>
    ValueTask<bool> HoldsAsync(IssueRecord record, CancellationToken cancellationToken);
}

/// <summary>
/// The KDC's one way to write: an event of the hash chain and what belongs to it become durable together, before the
/// call returns; else it throws and nothing was written.
/// </summary>
public interface IAuditChain
{
    /// <exception cref="StaleRecordException">The principal was changed by somebody else meanwhile, or an address is taken.</exception>
    ValueTask AppendAsync(AuditEntry entry, CancellationToken cancellationToken);
}

/// <summary>An event with the records that it speaks of.</summary>
/// <param name="Issued">New issue records.</param>
/// <param name="Saved">A new principal (revision 0) or a changed one (the revision that was read).</param>
/// <param name="Key">A new master key.</param>
public sealed record AuditEntry(
    AuditEvent Event,
    ImmutableArray<IssueRecord> Issued = default,
    Principal? Saved = null,
    WrappedMasterKey? Key = null)
{
    /// <summary>A new certificate, or the new standing of a known one.</summary>
    public CertificateRecord? Certificate { get; init; }

    /// <summary>Of the new principal, for its addresses in the audit.</summary>
    public ReadOnlyMemory<byte> AuditKey { get; init; }

    /// <summary>The changed principal's audit key is thrown away, and the addresses that it ever held with it.</summary>
    public bool Forgets { get; init; }

    /// <summary>The public key of a new card without an AES slot.</summary>
    public CardPoint? Point { get; init; }

    /// <summary>New cards (revision 0) or changed ones (the revision that was read).</summary>
    public ImmutableArray<CardRecord> Cards { get; init; } = [];

    /// <summary>A new CRL.</summary>
    public CrlRecord? Crl { get; init; }

    /// <summary>A new key in escrow.</summary>
    public EscrowedKey? Escrowed { get; init; }

    /// <summary>Keys that exist, wrapped anew.</summary>
    public ImmutableArray<WrappedMasterKey> Rewrapped { get; init; } = [];

    /// <summary>Keys in escrow, wrapped anew.</summary>
    public ImmutableArray<EscrowedKey> RewrappedEscrow { get; init; } = [];
}

/// <summary>
/// That a ticket was issued, with the very octets of its context. Of those only the hash is kept: it names no address, and a table in the order
/// of time grows at one end.
/// </summary>
/// <param name="IssuedAt">T_S.</param>
/// <param name="ContextHash">SHA-256 of the context's DER.</param>
public sealed record IssueRecord(DateTimeOffset IssuedAt, ReadOnlyMemory<byte> ContextHash)
{
    public static IssueRecord Of(DateTimeOffset issuedAt, ReadOnlySpan<byte> context) => new(issuedAt, SHA256.HashData(context));
}

/// <summary>Whose master key, and which version.</summary>
public readonly record struct MasterKeyName(PrincipalId Principal, int Kvno);

/// <summary>A master key as the database keeps it: wrapped by the vault key and bound to its name.</summary>
public sealed record WrappedMasterKey(MasterKeyName Name, ReadOnlyMemory<byte> Wrapped);

/// <summary>The record to be written was based on an outdated one; read again and decide again.</summary>
public sealed class StaleRecordException(string message) : Exception(message);

/// <summary>
/// Where master keys are in clear, and nowhere else. A key that was wrapped under another name, or changed,
/// fails with <see cref="System.Security.Cryptography.CryptographicException"/>. Safe for concurrent use.
/// </summary>
public interface IMasterKeyVault
{
    /// <summary>For surfaces and the audit: what kind of vault this is, in plain words.</summary>
    string Description { get; }

    /// <summary>True where keys lie in software; every surface must say so.</summary>
    bool IsForTrials { get; }

    /// <summary>A new random master key; only its wrapped form comes out.</summary>
    ValueTask<WrappedMasterKey> GenerateAsync(MasterKeyName name, CancellationToken cancellationToken);

    /// <summary>The master key operation (<see cref="IMasterKey"/>) under a wrapped key; 32 octets each way.</summary>
    ValueTask<byte[]> DecryptBlocksAsync(WrappedMasterKey key, ReadOnlyMemory<byte> input, CancellationToken cancellationToken);

    /// <summary>Whether a key may leave for this transport key; a vault of the real kind knows those that its security officer registered.</summary>
    /// <param name="transportKey">SubjectPublicKeyInfo of the receiver's RSA key.</param>
    /// <returns>Null where it may, else why not, one plain sentence.</returns>
    ValueTask<string?> ObjectionToAsync(ReadOnlyMemory<byte> transportKey, CancellationToken cancellationToken);

    /// <summary>The move path: the key, encrypted to the receiver's transport key (<see cref="TransportEncryption"/>).</summary>
    /// <exception cref="System.Security.Cryptography.CryptographicException">The vault has an objection to the transport key.</exception>
    ValueTask<byte[]> SendAsync(WrappedMasterKey key, ReadOnlyMemory<byte> transportKey, CancellationToken cancellationToken);
}

/// <summary>A vault for trials, which gives a key in clear; an HSM does not.</summary>
public interface IClearMasterKeyVault : IMasterKeyVault
{
    /// <summary>
    /// For issuing a card beside the vault: the clear key exists for the time of <paramref name="use"/> and is zeroed after it.
    /// The callback must not keep it.
    /// </summary>
    ValueTask ReleaseAsync(
        WrappedMasterKey key, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> use, CancellationToken cancellationToken);
}

/// <summary>A vault that takes over a master key from another vault, without anybody seeing it on the way.</summary>
public interface IMasterKeyReceiver
{
    /// <summary>SubjectPublicKeyInfo of this vault's RSA transport key, made when first asked for.</summary>
    ValueTask<byte[]> TransportKeyAsync(CancellationToken cancellationToken);

    /// <summary>Takes a key that <see cref="TransportEncryption"/> encrypted to the transport key, and wraps it as its own.</summary>
    /// <exception cref="System.Security.Cryptography.CryptographicException">It was not encrypted to this vault.</exception>
    ValueTask<WrappedMasterKey> ReceiveAsync(MasterKeyName name, ReadOnlyMemory<byte> encrypted, CancellationToken cancellationToken);
}

/// <summary>Which kind of key is made for escrow.</summary>
public enum EscrowAlgorithm
{
    Rsa2048,
    Rsa3072,
    Rsa4096,
    EcP256,
    EcP384,
}

/// <summary>A user's encryption key as the database keeps it: the private half wrapped by the vault key and bound to all the rest.</summary>
/// <param name="PublicKey">SubjectPublicKeyInfo.</param>
public sealed record EscrowedKey(
    PrincipalId Principal, EscrowAlgorithm Algorithm, ReadOnlyMemory<byte> PublicKey, ReadOnlyMemory<byte> Wrapped)
{
    /// <summary>SHA-256 of the public half.</summary>
    public byte[] Id => SHA256.HashData(PublicKey.Span);
}

/// <summary>Reads keys in escrow.</summary>
public interface IEscrowedKeyStore
{
    /// <param name="id"><see cref="EscrowedKey.Id"/>.</param>
    ValueTask<EscrowedKey?> FindAsync(ReadOnlyMemory<byte> id, CancellationToken cancellationToken);

    ValueTask<ImmutableArray<EscrowedKey>> OfAsync(PrincipalId principal, CancellationToken cancellationToken);

    /// <summary>In a fixed order, those behind the one of that id; empty: from the first.</summary>
    ValueTask<ImmutableArray<EscrowedKey>> AfterAsync(ReadOnlyMemory<byte> last, int count, CancellationToken cancellationToken);

    ValueTask<int> CountAsync(CancellationToken cancellationToken);
}

/// <summary>
/// Where users' encryption keys are made that the organisation must be able to recover; never signing keys. A key that was changed, or put
/// beside another principal or public half, fails with <see cref="System.Security.Cryptography.CryptographicException"/>. Safe for concurrent use.
/// </summary>
public interface IEscrowVault
{
    /// <summary>A new pair; the private half comes out wrapped only.</summary>
    ValueTask<EscrowedKey> GenerateEscrowedAsync(PrincipalId principal, EscrowAlgorithm algorithm, CancellationToken cancellationToken);

    /// <summary>The private half as PKCS #8, encrypted to a transport key; <see cref="TransportEncryption.OpenPrivateKey"/> opens it.</summary>
    /// <exception cref="System.Security.Cryptography.CryptographicException">The vault has an objection to the transport key.</exception>
    ValueTask<byte[]> SendEscrowedAsync(EscrowedKey key, ReadOnlyMemory<byte> transportKey, CancellationToken cancellationToken);
}

/// <summary>A vault whose vault key has versions: what is under an older one is wrapped again under the present one.</summary>
public interface IRewrappingVault : IMasterKeyVault
{
    /// <summary>Under the present version of the vault key.</summary>
    bool IsCurrent(WrappedMasterKey key);

    ValueTask<WrappedMasterKey> RewrapAsync(WrappedMasterKey key, CancellationToken cancellationToken);

    /// <summary>Under the present version of the vault key.</summary>
    bool IsCurrent(EscrowedKey key);

    ValueTask<EscrowedKey> RewrapAsync(EscrowedKey key, CancellationToken cancellationToken);
}

/// <summary>Goes through all wrapped master keys, for <see cref="IRewrappingVault"/>.</summary>
public interface IMasterKeyRows
{
    /// <summary>In a fixed order, those behind the given one.</summary>
    ValueTask<ImmutableArray<WrappedMasterKey>> AfterAsync(MasterKeyName? last, int count, CancellationToken cancellationToken);

    ValueTask<int> CountAsync(CancellationToken cancellationToken);
}

/// <summary>A stored master key, read at each use: a new version of the vault key wraps it anew meanwhile.</summary>
public sealed class StoredMasterKey(IMasterKeyVault vault, IMasterKeyStore keys, MasterKeyName name) : IMasterKey
{
    public async ValueTask<byte[]> DecryptBlocksAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        var key = await keys.FindAsync(name, cancellationToken)
            ?? throw new InvalidOperationException($"The store has no key version {name.Kvno} of principal {name.Principal}.");
        return await vault.DecryptBlocksAsync(key, input, cancellationToken);
    }
}

/// <summary>A master key that stays in the vault, as a gateway's own does.</summary>
public sealed class VaultMasterKey(IMasterKeyVault vault, WrappedMasterKey key) : IMasterKey
{
    public ValueTask<byte[]> DecryptBlocksAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken) =>
        vault.DecryptBlocksAsync(key, input, cancellationToken);
}
