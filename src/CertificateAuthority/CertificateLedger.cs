using GatewaySecure.KdcCore;

namespace GatewaySecure.CertificateAuthority;

/// <summary>Says that certificates on record do not count any more, or count again.</summary>
public interface ICertificateStanding
{
    /// <summary>From now on it does not count; with <see cref="RevocationReason.CertificateHold"/> until <see cref="ReleaseAsync"/>.</summary>
    /// <exception cref="CertificateRefusedException">There is no such certificate, or it is revoked for ever.</exception>
    Task RevokeAsync(string serial, RevocationReason reason, string actor, CancellationToken cancellationToken);

    /// <summary>Takes a certificate off hold.</summary>
    /// <exception cref="CertificateRefusedException">It is not on hold.</exception>
    Task ReleaseAsync(string serial, string actor, CancellationToken cancellationToken);
}

/// <summary>The certificates on record and their standing; each change is durable, with its line in the audit chain, when it returns.</summary>
internal sealed class CertificateLedger(ICertificateStore store, IAuditChain audit, TimeProvider time) : ICertificateStanding
{
    public async Task RevokeAsync(string serial, RevocationReason reason, string actor, CancellationToken cancellationToken)
    {
        var record = await FindAsync(serial, cancellationToken);
        if (record.Reason is { } earlier and not RevocationReason.CertificateHold)
            throw new CertificateRefusedException($"Certificate {serial} is revoked since {record.RevokedAt:yyyy-MM-dd} ({earlier}), and that is for ever.");
        // Since it was put on hold: what was signed meanwhile does not count.
        var changed = record with { RevokedAt = record.RevokedAt ?? WholeSeconds(time.GetUtcNow()), Reason = reason };
        await WriteAsync("certificate.revoke", actor, $"serial={serial} reason={reason}", changed, cancellationToken);
    }

    public async Task ReleaseAsync(string serial, string actor, CancellationToken cancellationToken)
    {
        var record = await FindAsync(serial, cancellationToken);
        if (record.Reason != RevocationReason.CertificateHold)
            throw new CertificateRefusedException($"Certificate {serial} is not on hold.");
        await WriteAsync("certificate.release", actor, $"serial={serial}", record with { RevokedAt = null, Reason = null }, cancellationToken);
    }

    /// <summary>A new certificate, together with the card that it is for.</summary>
    public ValueTask EnterAsync(string action, CertificateOrder order, CertificateRecord record, CancellationToken cancellationToken) => WriteAsync(
        action, order.Actor, $"serial={record.Serial} use={order.Use} until={record.NotAfter:yyyy-MM-dd}", record, cancellationToken, order.Card?.Invoke(record.Serial));

    public static DateTimeOffset WholeSeconds(DateTimeOffset time) => DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds());

    private async Task<CertificateRecord> FindAsync(string serial, CancellationToken cancellationToken) =>
        await store.FindAsync(serial, cancellationToken) ?? throw new CertificateRefusedException($"There is no certificate {serial} on record.");

    private ValueTask WriteAsync(
        string action, string actor, string detail, CertificateRecord record, CancellationToken cancellationToken, CardRecord? card = null) =>
        audit.AppendAsync(
            new AuditEntry(new AuditEvent(WholeSeconds(time.GetUtcNow()), action, actor, record.Holder?.ToString() ?? "", detail))
            {
                Certificate = record,
                Cards = card is null ? [] : [card],
            },
            cancellationToken);
}
