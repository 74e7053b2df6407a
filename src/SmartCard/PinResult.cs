namespace GatewaySecure.SmartCard;

/// <summary>How a PIN command ended.</summary>
public abstract record PinResult
{
    private PinResult() { }

    public sealed record Ok : PinResult;

    /// <param name="TriesLeft">Null where the card does not count, or does not tell.</param>
    public sealed record Wrong(int? TriesLeft) : PinResult;

    /// <summary>No tries are left: the unblocking code or the administrator gives them back.</summary>
    public sealed record Blocked : PinResult;
}

/// <summary>What an OpenPGP card's PIN is verified for (P2 of VERIFY).</summary>
public enum PinMode
{
    /// <summary>PW1 for one signature.</summary>
    Sign = 0x81,

    /// <summary>PW1 for deciphering and authentication.</summary>
    User = 0x82,

    /// <summary>PW3, the administrator's.</summary>
    Admin = 0x83,
}

/// <summary>Which of an OpenPGP card's three asymmetric keys.</summary>
public enum CardKey
{
    Sign = 0xB6,
    Decipher = 0xB8,
    Authenticate = 0xA4,
}

/// <summary>An algorithm for a key on the card.</summary>
public enum CardKeyAlgorithm
{
    Rsa2048,
    Rsa3072,
    Rsa4096,
    P256,
    P384,
}

/// <summary>What an OpenPGP card says of itself without a PIN.</summary>
/// <param name="Serial">Manufacturer and serial number in hexadecimal, e.g. <c>FFFE 1A2B3C4D</c>.</param>
/// <param name="SignPinStays">One verification serves several signatures.</param>
/// <param name="HasAesSlot">The card can decipher with AES (slot D5).</param>
public sealed record CardInformation(
    string Serial,
    string Version,
    int UserTriesLeft,
    int ResetTriesLeft,
    int AdminTriesLeft,
    bool SignPinStays,
    bool HasAesSlot,
    CardKeyInformation Sign,
    CardKeyInformation Decipher,
    CardKeyInformation Authenticate);

/// <summary>One of the card's keys, as the card tells of it.</summary>
/// <param name="Algorithm">Null where it is none that this program uses.</param>
/// <param name="Fingerprint">20 octets; zeros where none is set.</param>
public sealed record CardKeyInformation(CardKeyAlgorithm? Algorithm, ReadOnlyMemory<byte> Fingerprint)
{
    public bool HasFingerprint => Fingerprint.Span.ContainsAnyExcept((byte)0);
}
