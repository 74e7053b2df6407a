using System.Collections.Immutable;
using GatewaySecure.Addresses;
using GatewaySecure.KdcCore;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Issuing;

/// <summary>What is to be issued, and on which card.</summary>
/// <param name="Serial">Of the card, as it tells.</param>
internal sealed record IssuingOrder(MailAddress Holder, string Serial, CardKind Kind, bool HasAesSlot, CardKeyAlgorithm Algorithm);

/// <summary>What the KDC has on record of one card.</summary>
/// <param name="Id">Of the record.</param>
/// <param name="EscrowedKey">SubjectPublicKeyInfo of the encryption key in escrow; empty where the card makes its own.</param>
/// <param name="Codes">What the card's codes shall be.</param>
/// <param name="EarlierCodes">What they were by an earlier issuing; null: the factory's.</param>
internal sealed record IssuingRecord(
    string Id,
    IssuingOrder Order,
    CardStep Step,
    PrincipalId Principal,
    string HolderName,
    ReadOnlyMemory<byte> EscrowedKey,
    CardCodes Codes,
    CardCodes? EarlierCodes)
{
    public ImmutableArray<MadeKey> Keys { get; init; } = [];

    public ImmutableArray<CardCertificate> Certificates { get; init; } = [];

    /// <summary>Keys whose certification still needs a request; <see cref="CardUse.Decipher"/> is the one in escrow, for a CA elsewhere.</summary>
    public ImmutableArray<CardUse> RequestsWanted { get; init; } = [];
}

/// <summary>A key of the card, by its public half (SubjectPublicKeyInfo).</summary>
internal sealed record MadeKey(CardUse Use, ReadOnlyMemory<byte> PublicKey);

/// <summary>PKCS #10 for a key of the card.</summary>
internal sealed record KeyRequest(CardUse Use, ReadOnlyMemory<byte> Pkcs10);

/// <summary>DER, for the key of that use.</summary>
internal sealed record CardCertificate(CardUse Use, ReadOnlyMemory<byte> Der);

/// <summary>The issuer's codes of a card, derived by the vault and stored nowhere.</summary>
/// <param name="Administrator">PW3, management key in hexadecimal, security officer's PIN.</param>
/// <param name="Unblocking">Resetting code or PUK; null where such cards have none.</param>
internal sealed record CardCodes(string Administrator, string? Unblocking);

/// <summary>What makes a card open KDC mail.</summary>
/// <param name="SealedKey">Under the transport key; empty for a card without an AES slot.</param>
/// <param name="Identity">To be written last.</param>
internal sealed record MasterKeyDelivery(ReadOnlyMemory<byte> SealedKey, EnrolledCard Identity);
