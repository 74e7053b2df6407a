using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>An operator with his card at a station.</summary>
/// <param name="TransportKey">SubjectPublicKeyInfo of the station's: what leaves the vault in this session leaves under it.</param>
/// <param name="Certificate">The card's, in DER.</param>
/// <param name="CertificateHash">SHA-256 of it, as it stands on the operator's record.</param>
internal sealed record OperatorSession(
    Principal Operator, ReadOnlyMemory<byte> Certificate, string CertificateHash, ReadOnlyMemory<byte> PublicKey, ReadOnlyMemory<byte> TransportKey)
{
    /// <summary>For the audit.</summary>
    public string Actor => Operator.Id.ToString();

    /// <summary>By the clock's ticks, of the last word that the card is there.</summary>
    public long HeardAt { get; set; }

    /// <summary>By the clock's ticks, of the last command.</summary>
    public long WorkedAt { get; set; }
}
