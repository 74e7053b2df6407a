using System.Collections.Immutable;

namespace GatewaySecure.KdcCore;

/// <summary>What an issued certificate is for.</summary>
public enum CertificateUse
{
    MailSigning = 1,
    MailEncryption = 2,

    /// <summary>A card's authentication key: log-on of its holder.</summary>
    CardLogOn = 3,

    /// <summary>A gateway's mutual TLS.</summary>
    Gateway = 4,

    /// <summary>A server's TLS.</summary>
    Server = 5,

    /// <summary>An OCSP responder's.</summary>
    Ocsp = 6,
}

/// <summary>Why a certificate does not count (RFC 5280 §5.3.1, the ones that are used here).</summary>
public enum RevocationReason
{
    Unspecified = 0,
    KeyCompromise = 1,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,

    /// <summary>On hold: the one reason that can be taken back.</summary>
    CertificateHold = 6,
}

/// <summary>A certificate that the CA issued, and its standing.</summary>
/// <param name="Serial">Hexadecimal, upper case, as X.509 tools print it.</param>
/// <param name="Holder">Whose it is; null for a responder's or server's.</param>
/// <param name="RevokedAt">Null in good standing.</param>
public sealed record CertificateRecord(
    string Serial,
    PrincipalId? Holder,
    CertificateUse Use,
    ReadOnlyMemory<byte> Der,
    DateTimeOffset NotAfter,
    DateTimeOffset? RevokedAt = null,
    RevocationReason? Reason = null);

/// <summary>A CRL as it was signed.</summary>
/// <param name="Number">Greater than every earlier one's.</param>
public sealed record CrlRecord(long Number, ReadOnlyMemory<byte> Der, DateTimeOffset ThisUpdate, DateTimeOffset NextUpdate);

/// <summary>Reads what the CA issued; always what is stored now.</summary>
public interface ICertificateStore
{
    ValueTask<CertificateRecord?> FindAsync(string serial, CancellationToken cancellationToken);

    /// <summary>All of a holder, oldest first.</summary>
    ValueTask<ImmutableArray<CertificateRecord>> OfAsync(PrincipalId holder, CancellationToken cancellationToken);

    /// <summary>All, by their end.</summary>
    ValueTask<ImmutableArray<CertificateRecord>> ListAsync(CancellationToken cancellationToken);

    /// <summary>All that do not count, by serial number.</summary>
    ValueTask<ImmutableArray<CertificateRecord>> RevokedAsync(CancellationToken cancellationToken);

    /// <summary>Null before the first.</summary>
    ValueTask<CrlRecord?> LastCrlAsync(CancellationToken cancellationToken);
}
