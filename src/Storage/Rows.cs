namespace GatewaySecure.Storage;

/// <summary>A principal. Ids are 32 hexadecimal digits, times Unix seconds.</summary>
internal sealed class PrincipalRow
{
    public required string Id { get; init; }

    public int Kind { get; set; }

    public required string Name { get; set; }

    public int Status { get; set; }

    public string? StatusReason { get; set; }

    public string? CardHold { get; set; }

    public long StatusSince { get; set; }

    public long? ExpiresAt { get; set; }

    public int Kvno { get; set; }

    /// <summary>A-labels, separated by spaces.</summary>
    public required string SenderDomains { get; set; }

    public long Revision { get; set; }

    /// <summary>SHA-256 of TLS client certificates, separated by spaces.</summary>
    public required string Certificates { get; set; }

    public long? ActiveFrom { get; set; }

    public long? DeletedAt { get; set; }

    public byte[]? EnrolmentHash { get; set; }

    public long? EnrolmentUntil { get; set; }

    public List<AddressRow> Addresses { get; init; } = [];
}

/// <summary>The key under which a principal's addresses stand in the audit.</summary>
internal sealed class AuditKeyRow
{
    public required string PrincipalId { get; init; }

    public required byte[] Key { get; init; }
}

/// <summary>One interval of one address. At most one open interval for each <see cref="Key"/>.</summary>
internal sealed class AddressRow
{
    public long Id { get; init; }

    public required string PrincipalId { get; init; }

    /// <summary>How addresses compare: local part in upper case, '@', A-labels.</summary>
    public required string Key { get; init; }

    public required string Address { get; init; }

    public long ValidFrom { get; init; }

    public long? ValidUntil { get; set; }
}

/// <summary>A wrapped master key.</summary>
internal sealed class MasterKeyRow
{
    public required string PrincipalId { get; init; }

    public int Kvno { get; init; }

    public required byte[] Wrapped { get; set; }
}

/// <summary>The public key of a card without an AES slot, with the realm's signature.</summary>
internal sealed class CardPointRow
{
    public required string PrincipalId { get; init; }

    public int Kvno { get; init; }

    public required byte[] Point { get; init; }

    public required byte[] Binding { get; init; }
}

/// <summary>A key in escrow; its id is the SHA-256 of its public half.</summary>
internal sealed class EscrowedKeyRow
{
    public required byte[] Id { get; init; }

    public required string PrincipalId { get; init; }

    public int Algorithm { get; init; }

    public required byte[] PublicKey { get; init; }

    public required byte[] Wrapped { get; set; }
}

/// <summary>An issued ticket: when, in seconds, and the hash of its context's octets.</summary>
internal sealed class IssueRow
{
    public long IssuedAt { get; init; }

    public required byte[] ContextHash { get; init; }
}

/// <summary>A certificate that the CA issued. Use and reason are <see cref="KdcCore.CertificateUse"/> and <see cref="KdcCore.RevocationReason"/>.</summary>
internal sealed class CertificateRow
{
    public required string Serial { get; init; }

    public string? HolderId { get; set; }

    public int Use { get; set; }

    public required byte[] Der { get; set; }

    public long NotAfter { get; set; }

    public long? RevokedAt { get; set; }

    public int? Reason { get; set; }
}

/// <summary>The last CRL; one row at the most.</summary>
internal sealed class CrlRow
{
    public int One { get; init; } = 1;

    public long Number { get; set; }

    public required byte[] Der { get; set; }

    public long ThisUpdate { get; set; }

    public long NextUpdate { get; set; }
}

/// <summary>One link of the audit chain.</summary>
internal sealed class AuditRow
{
    public long Sequence { get; init; }

    public required byte[] Event { get; init; }

    public required byte[] Hash { get; init; }
}
