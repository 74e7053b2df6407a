using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;

namespace GatewaySecure.Storage;

/// <summary>Between rows and KdcCore's values.</summary>
internal static class RowMapping
{
    public static PrincipalId ToId(string text) =>
        PrincipalId.TryParse(text, out var id) ? id : throw new InvalidDataException("A stored principal id is damaged.");

    public static EscrowedKeyRow ToRow(this EscrowedKey key) => new()
    {
        Id = key.Id,
        PrincipalId = key.Principal.ToString(),
        Algorithm = (int)key.Algorithm,
        PublicKey = key.PublicKey.ToArray(),
        Wrapped = key.Wrapped.ToArray(),
    };

    public static EscrowedKey ToKey(this EscrowedKeyRow row) => new(ToId(row.PrincipalId), (EscrowAlgorithm)row.Algorithm, row.PublicKey, row.Wrapped);

    /// <summary>Equal exactly where <see cref="MailAddress"/> says that two addresses are equal.</summary>
    public static string AddressKey(MailAddress address) => $"{address.LocalPart.ToUpperInvariant()}@{address.Domain.Ascii}";

    public static Principal ToPrincipal(this PrincipalRow row) => new(
        ToId(row.Id),
        (PrincipalKind)row.Kind,
        row.Name,
        (PrincipalStatus)row.Status,
        row.StatusReason,
        Time(row.StatusSince),
        row.ExpiresAt is { } expires ? Time(expires) : null,
        row.Kvno,
        [.. row.Addresses.OrderBy(a => a.Id).Select(a =>
            new HeldAddress(MailAddress.Parse(a.Address), Time(a.ValidFrom), a.ValidUntil is { } until ? Time(until) : null))],
        [.. row.SenderDomains.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(DomainName.Parse)],
        row.Revision)
    {
        Certificates = [.. row.Certificates.Split(' ', StringSplitOptions.RemoveEmptyEntries)],
        CardHold = row.CardHold,
        ActiveFrom = row.ActiveFrom is { } from ? Time(from) : null,
        DeletedAt = row.DeletedAt is { } deleted ? Time(deleted) : null,
        Enrolment = row.EnrolmentHash is { } hash ? new PendingEnrolment(hash, Time(row.EnrolmentUntil ?? 0)) : null,
    };

    /// <summary>All but the addresses, which <see cref="GroupWriter"/> merges.</summary>
    public static void CopyTo(this Principal principal, PrincipalRow row)
    {
        row.Kind = (int)principal.Kind;
        row.Name = principal.Name;
        row.Status = (int)principal.Status;
        row.StatusReason = principal.StatusReason;
        row.StatusSince = principal.StatusSince.ToUnixTimeSeconds();
        row.ExpiresAt = principal.ExpiresAt?.ToUnixTimeSeconds();
        row.Kvno = principal.Kvno;
        row.SenderDomains = string.Join(' ', principal.SenderDomains.Select(d => d.Ascii));
        row.Revision = principal.Revision + 1;
        row.Certificates = string.Join(' ', principal.Certificates);
        row.CardHold = principal.CardHold;
        row.ActiveFrom = principal.ActiveFrom?.ToUnixTimeSeconds();
        row.DeletedAt = principal.DeletedAt?.ToUnixTimeSeconds();
        row.EnrolmentHash = principal.Enrolment?.TokenHash.ToArray();
        row.EnrolmentUntil = principal.Enrolment?.Until.ToUnixTimeSeconds();
    }

    public static CertificateRecord ToRecord(this CertificateRow row) => new(
        row.Serial,
        PrincipalId.TryParse(row.HolderId, out var holder) ? holder : null,
        (CertificateUse)row.Use,
        row.Der,
        Time(row.NotAfter),
        row.RevokedAt is { } revoked ? Time(revoked) : null,
        (RevocationReason?)row.Reason);

    public static CertificateRow ToRow(this CertificateRecord record) => new()
    {
        Serial = record.Serial,
        HolderId = record.Holder?.ToString(),
        Use = (int)record.Use,
        Der = record.Der.ToArray(),
        NotAfter = record.NotAfter.ToUnixTimeSeconds(),
        RevokedAt = record.RevokedAt?.ToUnixTimeSeconds(),
        Reason = (int?)record.Reason,
    };

    public static CrlRecord ToRecord(this CrlRow row) => new(row.Number, row.Der, Time(row.ThisUpdate), Time(row.NextUpdate));

    public static CrlRow ToRow(this CrlRecord record) => new()
    {
        Number = record.Number,
        Der = record.Der.ToArray(),
        ThisUpdate = record.ThisUpdate.ToUnixTimeSeconds(),
        NextUpdate = record.NextUpdate.ToUnixTimeSeconds(),
    };

    public static DateTimeOffset Time(long seconds) => DateTimeOffset.FromUnixTimeSeconds(seconds);
}
