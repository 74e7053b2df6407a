using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>
/// A card in the hands of its holder, whatever it is: OpenPGP card, PIV card or PKCS #11 token. What a card can't do is a
/// <see cref="CardException"/> with <see cref="CardFault.NotSupported"/>; a wrong code is a value. Not thread-safe.
/// Everything is asked within <see cref="BeginSession"/>: outside it another program may have chosen another application of the
/// card, or reset it. Keys answer only after <see cref="Verify"/>.
/// </summary>
public interface ICard
{
    CardKind Kind { get; }

    /// <summary>What the card tells of itself without a PIN. Asks the card anew at each call: tries change.</summary>
    CardDescription Describe();

    /// <summary>The keys whose public half is known, the present ones first, then those kept for old mail. Needs no PIN.</summary>
    IReadOnlyList<CardHeldKey> ReadKeys();

    /// <summary>Whose card this is, as it was written at issuance; null where it was not issued. Needs no PIN.</summary>
    byte[]? ReadIdentity();

    /// <summary>Keeps other programs out until disposed, and leaves nothing verified. Not to be nested.</summary>
    IDisposable BeginSession();

    /// <summary>
    /// Proves that the caller knows a code. A PIN for <see cref="CardUse.Sign"/> may serve one signature only.
    /// The administrator's code of a PIV card is its management key in hexadecimal.
    /// </summary>
    PinResult Verify(CardPin pin, ReadOnlySpan<char> code, CardUse use);

    /// <summary>Changes a code by one who knows it. An OpenPGP card's unblocking code is set by the verified administrator, and <paramref name="old"/> not looked at.</summary>
    PinResult ChangePin(CardPin pin, ReadOnlySpan<char> old, ReadOnlySpan<char> fresh);

    /// <summary>Sets a new user's PIN and gives back its tries. <paramref name="by"/>: whose code it is.</summary>
    PinResult Unblock(CardPin by, ReadOnlySpan<char> code, ReadOnlySpan<char> fresh);

    /// <param name="padding">For RSA keys; null for those on a curve.</param>
    /// <returns>The signature; ECDSA as r‖s.</returns>
    byte[] SignHash(CardHeldKey key, ReadOnlySpan<byte> hash, HashAlgorithmName algorithm, RSASignaturePadding? padding);

    /// <summary>The caller clears the result.</summary>
    /// <exception cref="CryptographicException">The card answered, and the cryptogram is not one for this key.</exception>
    byte[] DecipherRsa(CardHeldKey key, ReadOnlySpan<byte> cryptogram, RSAEncryptionPadding padding);

    /// <summary>ECDH: the shared point's X coordinate. The caller clears it.</summary>
    byte[] Agree(CardHeldKey key, ECPoint other);

    /// <summary>AES-CBC decryption with IV zero of whole blocks under the master key. The caller clears the result.</summary>
    byte[] DecipherAes(ReadOnlySpan<byte> blocks);
}

/// <summary>
/// A card in the hands of who issues it. The administrator must be verified for every one of these; on a token, whose security
/// officer can't have keys made, its user.
/// </summary>
public interface IIssuableCard : ICard
{
    /// <summary>The slot that a use has on this card; null where it has none apart.</summary>
    CardSlot? Slot(CardUse use);

    /// <summary>Slots for keys of old mail, in the order in which to fill them; none on cards that keep only present keys.</summary>
    IReadOnlyList<CardSlot> RetiredSlots { get; }

    /// <summary>Makes a key on the card. One that was there is lost.</summary>
    /// <param name="now">For cards that keep the date of a key.</param>
    CardPublicKey GenerateKey(CardSlot slot, CardKeyAlgorithm algorithm, DateTimeOffset now);

    /// <summary>Brings a private key (<see cref="RSA"/>, or <see cref="ECAlgorithm"/> on P-256 or P-384) to the card. One that was there is lost.</summary>
    void ImportKey(CardSlot slot, AsymmetricAlgorithm privateKey, DateTimeOffset now);

    /// <summary>Moves a present key with its certificate to a free slot for old mail, on the card. The present slot is empty then.</summary>
    /// <returns>Where it is now.</returns>
    /// <exception cref="CardException">Cards of this kind can't (<see cref="CardFault.NotSupported"/>), or no slot is left.</exception>
    CardSlot RetireKey(CardSlot slot);

    /// <summary>DER; the card answers it to anybody.</summary>
    void PutCertificate(CardSlot slot, ReadOnlyMemory<byte> der);

    /// <summary>Sets the master key, 32 octets. Clears <paramref name="key"/>, whatever happens.</summary>
    void PutMasterKey(Span<byte> key);

    /// <summary>See <see cref="ICard.ReadIdentity"/>.</summary>
    void PutIdentity(ReadOnlyMemory<byte> identity);

    /// <summary>The name a card shows, cut to what it holds; nothing where it shows none.</summary>
    void PutHolderName(string name);
}

/// <summary>The three ways to a card.</summary>
public enum CardKind
{
    OpenPgp,
    Piv,
    Token,
}

/// <summary>Whose code it is.</summary>
public enum CardPin
{
    /// <summary>The holder's PIN: PW1, the PIV application PIN, a token's user PIN.</summary>
    User,

    /// <summary>What gives a blocked PIN back its tries: resetting code, PUK. A token has none.</summary>
    Unblocking,

    /// <summary>The issuer's: PW3, a PIV management key, a token's security officer.</summary>
    Administrator,
}

/// <summary>What a key is for.</summary>
public enum CardUse
{
    /// <summary>Signatures under a document or mail.</summary>
    Sign,

    /// <summary>Opening mail.</summary>
    Decipher,

    /// <summary>Proving to a server who one is.</summary>
    Authenticate,

    /// <summary>KDC tickets on cards without an AES slot: ECDH on P-256.</summary>
    Ticket,
}

/// <summary>A place for one key.</summary>
/// <param name="Name">As the card's specification writes it: <c>9D</c>, <c>B8</c>; a token's key id in hexadecimal.</param>
/// <param name="Retired">For a key that only opens old mail.</param>
public sealed record CardSlot(string Name, CardUse Use, bool Retired = false);

/// <summary>A key on a card, with its certificate where there is one (DER, else empty).</summary>
public sealed record CardHeldKey(CardSlot Slot, CardPublicKey Public, ReadOnlyMemory<byte> Certificate = default);

/// <summary>How it stands with one code.</summary>
/// <param name="TriesLeft">Zero: blocked. Null: the card does not tell.</param>
/// <param name="IsSet">False: nobody has set this code.</param>
public sealed record CardPinState(CardPin Pin, int? TriesLeft, bool IsSet = true)
{
    public bool IsBlocked => IsSet && TriesLeft == 0;
}

/// <summary>What a card tells of itself.</summary>
/// <param name="Application">In words, e.g. <c>OpenPGP card 3.4</c>.</param>
/// <param name="Serial">Unique among cards of its kind; empty where the card has none.</param>
/// <param name="HasAesSlot">It takes a master key of the kind <c>aes</c>.</param>
/// <param name="Pins">The codes it has, the user's first.</param>
public sealed record CardDescription(
    CardKind Kind, string Application, string Serial, bool HasAesSlot, IReadOnlyList<CardPinState> Pins)
{
    public CardPinState? Pin(CardPin pin) => Pins.FirstOrDefault(p => p.Pin == pin);
}
