using GatewaySecure.KdcCore;

namespace GatewaySecure.KdcServer.Operators;

/// <summary>An operator with his card at a station.</summary>
/// <param name="TransportKey">SubjectPublicKeyInfo of the station's: what leaves the vault in this session leaves under it.</param>
/// <param name="Certificate">SHA-256 of the card's certificate, as it stands on the operator's record.</param>
internal sealed record OperatorSession(Principal Operator, string Certificate, ReadOnlyMemory<byte> PublicKey, ReadOnlyMemory<byte> TransportKey)
{
    /// <summary>For the audit.</summary>
    public string Actor => Operator.Id.ToString();

    /// <summary>By the clock's ticks, of the last word that the card is there.</summary>
    public long HeardAt { get; set; }

    /// <summary>By the clock's ticks, of the last command.</summary>
    public long WorkedAt { get; set; }
}
