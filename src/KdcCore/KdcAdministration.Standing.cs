using System.Collections.Immutable;

namespace GatewaySecure.KdcCore;

// How a principal stands, and what its record says beside keys and addresses.
public sealed partial class KdcAdministration
{
    public ValueTask<Principal> SuspendAsync(PrincipalId id, string reason, CancellationToken cancellationToken) =>
        ChangeStatusAsync(id, PrincipalStatus.Suspended, reason, "principal.suspend", cancellationToken);

    /// <summary>A suspended principal is in good standing again.</summary>
    public ValueTask<Principal> ResumeAsync(PrincipalId id, CancellationToken cancellationToken) =>
        ChangeStatusAsync(id, PrincipalStatus.Active, null, "principal.resume", cancellationToken);

    /// <summary>For ever.</summary>
    public ValueTask<Principal> RevokeAsync(PrincipalId id, string reason, CancellationToken cancellationToken) =>
        ChangeStatusAsync(id, PrincipalStatus.Revoked, reason, "principal.revoke", cancellationToken);

    /// <summary>From when and until when the principal is in good standing; both may lie in the future.</summary>
    /// <param name="activeFrom">Null: from the beginning.</param>
    /// <param name="expiresAt">Null: without end.</param>
    public async ValueTask<Principal> SetValidityAsync(
        PrincipalId id, DateTimeOffset? activeFrom, DateTimeOffset? expiresAt, CancellationToken cancellationToken)
    {
        var principal = await GetLivingAsync(id, cancellationToken);
        if (activeFrom >= expiresAt)
            throw new AdministrationException("The end lies before the beginning.");
        DateTimeOffset? from = activeFrom is { } f ? Der.WholeSeconds(f) : null;
        DateTimeOffset? end = expiresAt is { } e ? Der.WholeSeconds(e) : null;
        return await SaveAsync(
            principal with { ActiveFrom = from, ExpiresAt = end }, "principal.validity", $"from={from:u} until={end:u}", null, cancellationToken);
    }

    public async ValueTask<Principal> RenameAsync(PrincipalId id, string name, CancellationToken cancellationToken)
    {
        var principal = await GetLivingAsync(id, cancellationToken);
        return await SaveAsync(principal with { Name = name }, "principal.rename", "", null, cancellationToken);
    }

    /// <summary>For ever: revoked, hidden, its addresses free for others. The record, its keys and its history stay.</summary>
    /// <param name="forget">
    /// Its name and addresses go, and the key under which they stand in the audit: nobody reads them there any more, and the chain still holds. Also of
    /// one that was deleted before. Contexts of issued tickets keep them, because recipients' old mail is opened by them.
    /// </param>
    public async ValueTask<Principal> DeleteAsync(PrincipalId id, string reason, CancellationToken cancellationToken, bool forget = false)
    {
        var principal = await GetAsync(id, cancellationToken);
        if (principal.DeletedAt is not null && (!forget || principal.Addresses.IsEmpty))
            throw new AdministrationException($"{principal.Name} is deleted already.");
        if (string.IsNullOrWhiteSpace(reason))
            throw new AdministrationException("A reason is needed.");
        var now = Now;
        var deleted = principal with
        {
            Status = PrincipalStatus.Revoked,
            StatusReason = principal.Status == PrincipalStatus.Revoked ? principal.StatusReason : reason,
            StatusSince = principal.Status == PrincipalStatus.Revoked ? principal.StatusSince : now,
            DeletedAt = principal.DeletedAt ?? now,
            Enrolment = null,
            Name = forget ? "(forgotten)" : principal.Name,
            Addresses = forget ? [] : [.. principal.Addresses.Select(a => a.IsHeldAt(now) ? a with { Until = now } : a)],
        };
        await ports.Audit.AppendAsync(
            new AuditEntry(new AuditEvent(now, forget ? "principal.forget" : "principal.delete", actor, id.ToString(), reason), [], deleted)
            {
                Forgets = forget,
            },
            cancellationToken);
        return deleted with { Revision = deleted.Revision + 1 };
    }

    /// <summary>The TLS client certificates with which a gateway may come, or those of an operator's cards, in place of those before.</summary>
    /// <param name="certificates">SHA-256 of each, hexadecimal; two while one is exchanged.</param>
    public async ValueTask<Principal> SetCertificatesAsync(
        PrincipalId id, IEnumerable<string> certificates, CancellationToken cancellationToken)
    {
        var principal = await GetLivingAsync(id, cancellationToken);
        var hashes = certificates.Select(c => c.Replace(":", "", StringComparison.Ordinal).ToUpperInvariant()).Distinct().ToImmutableArray();
        if (principal.Kind == PrincipalKind.User)
            throw new AdministrationException("Only a gateway comes with a TLS client certificate, and an operator with the one of his card.");
        if (hashes.Any(h => h.Length != 2 * AuditEvent.HashSize || !h.All(char.IsAsciiHexDigit)))
            throw new AdministrationException("A certificate is named by its SHA-256: 64 hexadecimal digits.");
        foreach (var hash in hashes)
        {
            if (await ports.Principals.FindByCertificateAsync(hash, principal.Kind, cancellationToken) is { } other && other.Id != id)
                throw new AdministrationException($"That certificate is the one of {other.Name}.");
        }
        return await SaveAsync(
            principal with { Certificates = hashes }, "principal.certificates", string.Join(',', hashes), null, cancellationToken);
    }

    private async ValueTask<Principal> ChangeStatusAsync(
        PrincipalId id, PrincipalStatus status, string? reason, string action, CancellationToken cancellationToken)
    {
        var principal = await GetLivingAsync(id, cancellationToken);
        if (status != PrincipalStatus.Active && string.IsNullOrWhiteSpace(reason))
            throw new AdministrationException("A reason is needed.");
        return await SaveAsync(
            principal with { Status = status, StatusReason = reason, StatusSince = Now }, action, reason ?? "", null, cancellationToken);
    }

    /// <summary>What is revoked or deleted changes no more.</summary>
    private async ValueTask<Principal> GetLivingAsync(PrincipalId id, CancellationToken cancellationToken)
    {
        var principal = await GetAsync(id, cancellationToken);
        return principal.Status != PrincipalStatus.Revoked
            ? principal
            : throw new AdministrationException($"{principal.Name} is revoked, and that is for ever.");
    }
}
