using System.Collections.Immutable;
using GatewaySecure.Addresses;

namespace GatewaySecure.KdcCore;

/// <summary>The three kinds of cards; by the same names as the station has them.</summary>
public enum CardModel
{
    OpenPgp = 1,
    Piv = 2,
    Token = 3,
}

/// <summary>What a key of a card is for.</summary>
public enum CardKeyUse
{
    /// <summary>Signatures under mail.</summary>
    Sign = 1,

    /// <summary>Opening mail.</summary>
    Decipher = 2,

    /// <summary>Log-on.</summary>
    Authenticate = 3,

    /// <summary>KDC tickets on a card without an AES slot.</summary>
    Ticket = 4,
}

/// <summary>Kinds of keys that cards make.</summary>
public enum CardAlgorithm
{
    Rsa2048 = 1,
    Rsa3072 = 2,
    Rsa4096 = 3,
    P256 = 4,
    P384 = 5,
}

/// <summary>How far the issuing of a card is. Each is reached once and in this order.</summary>
public enum CardStep
{
    Ordered = 0,

    /// <summary>The keys that the card makes itself are there.</summary>
    KeysMade = 1,

    /// <summary>The encryption key from escrow is on the card, or there is none.</summary>
    KeyImported = 2,
    Certified = 3,

    /// <summary>The card may have its old codes or its new ones.</summary>
    CodesBegun = 4,
    CodesSet = 5,
    MasterKeyWritten = 6,

    /// <summary>The receipt is signed.</summary>
    Done = 7,
}

/// <summary>How a card stands. The last three are for ever.</summary>
public enum CardStanding
{
    Issuing = 1,
    Active = 2,
    Suspended = 3,

    /// <summary>Another one took its place.</summary>
    Replaced = 4,

    /// <summary>Lost, stolen or taken back; or its issuing was given up.</summary>
    Revoked = 5,

    /// <summary>A temporary card after its end.</summary>
    Expired = 6,
}

/// <summary>What is to be put on which card.</summary>
/// <param name="Serial">As the card tells; unique among cards of its kind.</param>
/// <param name="HasAesSlot">It takes a master key; else tickets go to it by ECDH.</param>
/// <param name="Until">A temporary card's end; null: without end.</param>
public sealed record CardOrder(
    MailAddress Address, CardModel Model, string Serial, bool HasAesSlot, CardAlgorithm Algorithm, DateTimeOffset? Until = null);

/// <summary>A key of the card.</summary>
/// <param name="PublicKey">SubjectPublicKeyInfo.</param>
/// <param name="Certificate">Its serial number in hexadecimal; null before it is certified, and for tickets.</param>
public sealed record CardKeyRecord(CardKeyUse Use, ReadOnlyMemory<byte> PublicKey, string? Certificate = null)
{
    /// <summary>PKCS #10 for a CA elsewhere; empty where none was needed.</summary>
    public ReadOnlyMemory<byte> Request { get; init; }
}

/// <summary>What the card's own key signed at its end.</summary>
public sealed record CardReceipt(string Text, ReadOnlyMemory<byte> Signature);

/// <summary>One issuing of one card, and how it stands since. A value; it is stored with its line in the audit.</summary>
/// <param name="Generation">Counts issuings of the same card; its codes are derived with it.</param>
/// <param name="EscrowId"><see cref="EscrowedKey.Id"/> of the encryption key; empty where the card makes its own.</param>
/// <param name="Kvno">Of the master key that is meant for it; 0 before there is one.</param>
/// <param name="Reason">Of its standing, one plain sentence.</param>
/// <param name="Revision">Of the stored record; a change based on an outdated one is refused.</param>
public sealed record CardRecord(
    CardId Id,
    PrincipalId Holder,
    CardOrder Order,
    int Generation,
    CardStep Step,
    CardStanding Standing,
    DateTimeOffset Since,
    ReadOnlyMemory<byte> EscrowId,
    int Kvno,
    string? Reason,
    long Revision)
{
    public ImmutableArray<CardKeyRecord> Keys { get; init; } = [];

    public CardReceipt? Receipt { get; init; }

    /// <summary>It could be used once more.</summary>
    public bool IsLiving => Standing is CardStanding.Issuing or CardStanding.Active or CardStanding.Suspended;
}

/// <summary>Names one issuing of a card, 128 random bits.</summary>
public readonly record struct CardId(UInt128 Value)
{
    public static CardId New() => new(Id128.Random());

    public static bool TryParse(string? text, out CardId id)
    {
        var ok = Id128.TryParse(text, out var value);
        id = new CardId(value);
        return ok;
    }

    /// <summary>32 hexadecimal digits in lower case.</summary>
    public override string ToString() => Id128.Format(Value);
}

/// <summary>Reads cards; always what is stored now.</summary>
public interface ICardStore
{
    ValueTask<CardRecord?> FindAsync(CardId id, CancellationToken cancellationToken);

    /// <summary>Every issuing of one card, oldest first.</summary>
    ValueTask<ImmutableArray<CardRecord>> OfCardAsync(CardModel model, string serial, CancellationToken cancellationToken);

    /// <summary>Every card that a principal ever had, oldest first.</summary>
    ValueTask<ImmutableArray<CardRecord>> OfHolderAsync(PrincipalId holder, CancellationToken cancellationToken);

    /// <summary>Those of that standing, by their serial numbers.</summary>
    ValueTask<ImmutableArray<CardRecord>> InStandingAsync(CardStanding standing, CancellationToken cancellationToken);
}
