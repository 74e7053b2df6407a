using System.Collections.Immutable;
using System.Security.Cryptography;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>
/// Changes to the realm's principals, each durable together with its line in the audit chain. Throws
/// <see cref="AdministrationException"/> with a plain sentence where a change makes no sense, and
/// <see cref="StaleRecordException"/> where somebody else was faster.
/// </summary>
/// <param name="actor">Who does it, for the audit: an operator's name, or the gateway's.</param>
public sealed partial class KdcAdministration(Realm realm, KdcPorts ports, TimeProvider time, string actor)
{
    private DateTimeOffset Now => Der.WholeSeconds(time.GetUtcNow());

    public Realm Realm { get; } = realm;

    /// <summary>A new principal without a key. Each address must be free from now on.</summary>
    public async ValueTask<Principal> CreateAsync(
        PrincipalKind kind,
        string name,
        IEnumerable<MailAddress> addresses,
        IEnumerable<DomainName> senderDomains,
        DateTimeOffset? expiresAt,
        CancellationToken cancellationToken)
    {
        var now = Now;
        var held = addresses.Select(a => new HeldAddress(a, now, null)).ToImmutableArray();
        var domains = senderDomains.Distinct().ToImmutableArray();
        if (kind != PrincipalKind.User && held.Length > 0)
            throw new AdministrationException("Only users hold mail addresses.");
        if (kind != PrincipalKind.Gateway && domains.Length > 0)
            throw new AdministrationException("Only gateways have sender domains.");
        if (held.DistinctBy(h => h.Address).Count() != held.Length)
            throw new AdministrationException("An address stands there twice.");
        foreach (var address in held)
            await DemandFreeAsync(address, cancellationToken);
        var principal = new Principal(
            PrincipalId.New(), kind, name, PrincipalStatus.Active, null, now, expiresAt, 0, held, domains, Revision: 0);
        var auditKey = SealedAddress.NewKey();
        var shown = held.Select(h => SealedAddress.Seal(principal.Id, auditKey, h.Address));
        var detail = $"kind={kind.ToString().ToLowerInvariant()} addresses={string.Join(',', shown)} domains={string.Join(',', domains)}";
        await ports.Audit.AppendAsync(
            new AuditEntry(new AuditEvent(now, "principal.create", actor, principal.Id.ToString(), detail), [], principal) { AuditKey = auditKey },
            cancellationToken);
        return principal with { Revision = 1 };
    }

    /// <summary>The gateway of that name, with these sender domains and a key; made or changed where needed.</summary>
    public async ValueTask<Principal> EnsureGatewayAsync(
        string name, IEnumerable<DomainName> senderDomains, CancellationToken cancellationToken)
    {
        var domains = senderDomains.Distinct().OrderBy(d => d.Ascii, StringComparer.Ordinal).ToImmutableArray();
        var all = await ports.Principals.ListAsync(cancellationToken);
        var gateway = all.FirstOrDefault(p => p.Kind == PrincipalKind.Gateway && p.Name == name && p.Status != PrincipalStatus.Revoked)
            ?? await CreateAsync(PrincipalKind.Gateway, name, [], domains, null, cancellationToken);
        if (!gateway.SenderDomains.ToHashSet().SetEquals(domains))
        {
            gateway = await SaveAsync(
                gateway with { SenderDomains = domains }, "principal.domains", string.Join(',', domains), null, cancellationToken);
        }
        return gateway.Kvno > 0 ? gateway : await RenewKeyAsync(gateway.Id, cancellationToken);
    }

    /// <summary>From now on. The former holder's interval, if it has ended, stays as it was.</summary>
    public async ValueTask<Principal> AddAddressAsync(PrincipalId id, MailAddress address, CancellationToken cancellationToken)
    {
        var principal = await GetAsync(id, cancellationToken);
        if (principal.Kind != PrincipalKind.User)
            throw new AdministrationException("Only users hold mail addresses.");
        var held = new HeldAddress(address, Now, null);
        await DemandFreeAsync(held, cancellationToken);
        return await SaveAsync(
            principal with { Addresses = principal.Addresses.Add(held) }, "address.add", await SealAsync(id, address, cancellationToken), null, cancellationToken);
    }

    /// <summary>Ends the interval now; mail to the principal stays readable, and the address is free for another one.</summary>
    public async ValueTask<Principal> RemoveAddressAsync(PrincipalId id, MailAddress address, CancellationToken cancellationToken)
    {
        var principal = await GetAsync(id, cancellationToken);
        var now = Now;
        var held = principal.Addresses.FirstOrDefault(a => a.Address.Equals(address) && a.IsHeldAt(now))
            ?? throw new AdministrationException($"{address} does not belong to {principal.Name}.");
        return await SaveAsync(
            principal with { Addresses = principal.Addresses.Replace(held, held with { Until = now }) },
            "address.remove", await SealAsync(id, address, cancellationToken), null, cancellationToken);
    }

    /// <summary>A new master key under the next version, wrapped and durable. Nothing leaves the vault.</summary>
    public async ValueTask<Principal> RenewKeyAsync(PrincipalId id, CancellationToken cancellationToken)
    {
        var principal = await GetAsync(id, cancellationToken);
        DemandGoodStanding(principal);
        var key = await ports.Vault.GenerateAsync(new MasterKeyName(id, principal.Kvno + 1), cancellationToken);
        return await SaveAsync(
            principal with { Kvno = principal.Kvno + 1 }, "key.renew",
            $"kvno={principal.Kvno + 1} vault={ports.Vault.Description}", key, cancellationToken);
    }

    /// <summary>
    /// A card for a user: renews the key, releases it once into <paramref name="write"/>, and records whether the card took it.
    /// The callback gets what the card stores; it must not keep the key, which is zeroed after it. Where the card fails, the new version
    /// has no card: issue another one, and what was sealed meanwhile is exchanged.
    /// </summary>
    /// <param name="card">What to call the card in the audit, such as its serial number.</param>
    /// <param name="overSecureChannel">False where the key crosses to the card in clear; the audit says so.</param>
    public async ValueTask<Principal> IssueCardAsync(
        PrincipalId id,
        string card,
        bool overSecureChannel,
        Func<CardIdentity, ReadOnlyMemory<byte>, CancellationToken, ValueTask> write,
        CancellationToken cancellationToken)
    {
        if (ports.Vault is not IClearMasterKeyVault vault)
            throw new AdministrationException($"The {ports.Vault.Description} gives no key in clear; cards are issued at a station whose transport key it trusts.");
        var before = await GetAsync(id, cancellationToken);
        var now = Now;
        if (before.Kind != PrincipalKind.User || before.Addresses.FirstOrDefault(a => a.IsHeldAt(now)) is not { } held)
            throw new AdministrationException("A card is for a user with a mail address.");
        var principal = await RenewKeyAsync(id, cancellationToken);
        var name = new MasterKeyName(id, principal.Kvno);
        var key = await ports.Keys.FindAsync(name, cancellationToken)
            ?? throw new InvalidOperationException("The key that was just stored is not there.");
        var identity = new CardIdentity(Realm, id, principal.Kvno, held.Address);
        var channel = overSecureChannel ? "secure messaging" : "in clear to the card";
        // Before the key leaves: a release that nobody recorded must not exist.
        await AuditAsync("key.release", id, $"kvno={name.Kvno} card={card} channel={channel} vault={ports.Vault.Description}", cancellationToken);
        try
        {
            await vault.ReleaseAsync(key, (clear, ct) => write(identity, clear, ct), cancellationToken);
        }
        catch (Exception e)
        {
            await AuditAsync("card.failed", id, $"kvno={name.Kvno} card={card} error={e.GetType().Name}", CancellationToken.None);
            throw;
        }
        await AuditAsync("card.issue", id, $"kvno={name.Kvno} card={card}", cancellationToken);
        return principal;
    }

    /// <summary>
    /// A card without an AES slot, by the public key that it made: the user's next key version. The vault's master key of this version never leaves
    /// it; what is derived from it goes to the card under this public key.
    /// </summary>
    /// <param name="point">On P-256, uncompressed, 65 octets.</param>
    /// <exception cref="CryptographicException">Not a point of P-256.</exception>
    public async ValueTask<Principal> RegisterCardAsync(PrincipalId id, string card, ReadOnlyMemory<byte> point, CancellationToken cancellationToken)
    {
        var principal = await GetAsync(id, cancellationToken);
        DemandGoodStanding(principal);
        if (principal.Kind != PrincipalKind.User)
            throw new AdministrationException("A card is for a user.");
        var realmKey = ports.Realm ?? throw new AdministrationException("The KDC has no realm key for cards without an AES slot.");
        var name = new MasterKeyName(id, principal.Kvno + 1);
        var bound = CardPoint.Bind(name, point, realmKey);
        var key = await ports.Vault.GenerateAsync(name, cancellationToken);
        return await SaveAsync(
            principal with { Kvno = name.Kvno }, "card.register",
            $"kvno={name.Kvno} kind=ecdh card={card} key={Convert.ToHexStringLower(SHA256.HashData(point.Span))} vault={ports.Vault.Description}",
            key, cancellationToken, bound);
    }

    /// <summary>The current key of a gateway, for use inside the vault.</summary>
    public async ValueTask<IMasterKey> UseKeyAsync(PrincipalId gateway, CancellationToken cancellationToken)
    {
        var principal = await GetAsync(gateway, cancellationToken);
        if (principal.Kind != PrincipalKind.Gateway)
            throw new AdministrationException("Only a gateway's key is used inside the vault; a user's is on the card.");
        var name = new MasterKeyName(gateway, principal.Kvno);
        if (await ports.Keys.FindAsync(name, cancellationToken) is null)
            throw new AdministrationException($"{principal.Name} has no key.");
        return new StoredMasterKey(ports.Vault, ports.Keys, name);
    }

    public ValueTask<ImmutableArray<Principal>> ListAsync(CancellationToken cancellationToken) => ports.Principals.ListAsync(cancellationToken);

    /// <summary>Who holds the address now.</summary>
    public ValueTask<Principal?> FindAsync(MailAddress address, CancellationToken cancellationToken) =>
        ports.Principals.FindByAddressAsync(address, time.GetUtcNow(), cancellationToken);

    private async ValueTask<string> SealAsync(PrincipalId owner, MailAddress address, CancellationToken cancellationToken) =>
        await ports.Principals.FindAuditKeyAsync(owner, cancellationToken) is { } key ? SealedAddress.Seal(owner, key, address) : "(forgotten)";

    private void DemandGoodStanding(Principal principal)
    {
        if (principal.Objection(time.GetUtcNow()) is { } objection)
            throw new AdministrationException($"{principal.Name} {objection}.");
    }

    private async ValueTask DemandFreeAsync(HeldAddress wanted, CancellationToken cancellationToken)
    {
        var holder = await ports.Principals.FindByAddressAsync(wanted.Address, wanted.From, cancellationToken);
        if (holder is not null)
            throw new AdministrationException($"{wanted.Address} belongs to {holder.Name}.");
    }

    private async ValueTask<Principal> GetAsync(PrincipalId id, CancellationToken cancellationToken) =>
        await ports.Principals.FindAsync(id, cancellationToken) ?? throw new AdministrationException($"There is no principal {id}.");

    private async ValueTask<Principal> SaveAsync(
        Principal principal, string action, string detail, WrappedMasterKey? key, CancellationToken cancellationToken, CardPoint? point = null)
    {
        await ports.Audit.AppendAsync(
            new AuditEntry(new AuditEvent(Now, action, actor, principal.Id.ToString(), detail), [], principal, key) { Point = point }, cancellationToken);
        return principal with { Revision = principal.Revision + 1 };
    }

    private ValueTask AuditAsync(string action, PrincipalId subject, string detail, CancellationToken cancellationToken) =>
        ports.Audit.AppendAsync(new AuditEntry(new AuditEvent(Now, action, actor, subject.ToString(), detail), []), cancellationToken);
}

/// <summary>A change that can't be made; the message is one plain sentence for the operator.</summary>
public sealed class AdministrationException(string message) : Exception(message);
