using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.SmartCard;

/// <content>The application as one of the three kinds of card.</content>
public sealed partial class OpenPgpCard : IIssuableCard
{
    private const ushort Identity = 0x0102;
    private const int MaxName = 39;
    private static readonly CardSlot SignSlot = new("B6", CardUse.Sign);
    private static readonly CardSlot DecipherSlot = new("B8", CardUse.Decipher);
    private static readonly CardSlot AuthenticateSlot = new("A4", CardUse.Authenticate);

    public CardKind Kind => CardKind.OpenPgp;

    public IReadOnlyList<CardSlot> RetiredSlots => [];

    public CardDescription Describe()
    {
        var information = ReadInformation();
        return new CardDescription(CardKind.OpenPgp, $"OpenPGP card {information.Version}", information.Serial, information.HasAesSlot,
        [
            new CardPinState(CardPin.User, information.UserTriesLeft),
            // A card without a resetting code counts zero tries for it, as one whose code is blocked does.
            new CardPinState(CardPin.Unblocking, information.ResetTriesLeft, information.ResetTriesLeft > 0),
            new CardPinState(CardPin.Administrator, information.AdminTriesLeft),
        ]);
    }

    public IReadOnlyList<CardHeldKey> ReadKeys()
    {
        var keys = new List<CardHeldKey>();
        foreach (var slot in new[] { SignSlot, DecipherSlot, AuthenticateSlot })
        {
            try
            {
                keys.Add(new CardHeldKey(slot, ReadPublicKey(KeyOf(slot)), CertificateOrNone(KeyOf(slot))));
            }
            catch (CardException e) when (e.Fault is CardFault.NotFound or CardFault.Protocol)
            {
                // No key there, or one of a kind that this program does not use.
            }
        }
        return keys;
    }

    public byte[]? ReadIdentity()
    {
        try
        {
            return GetData(Identity) is { Length: > 0 } identity ? identity : null;
        }
        catch (CardException e) when (e.Fault is CardFault.NotFound or CardFault.PinNeeded)
        {
            return null;
        }
    }

    public PinResult Verify(CardPin pin, ReadOnlySpan<char> code, CardUse use) => pin switch
    {
        CardPin.User => VerifyPin(use == CardUse.Sign ? PinMode.Sign : PinMode.User, code),
        CardPin.Administrator => VerifyPin(PinMode.Admin, code),
        _ => throw new CardException(CardFault.NotSupported, "An OpenPGP card takes the resetting code together with a new PIN only."),
    };

    public PinResult ChangePin(CardPin pin, ReadOnlySpan<char> old, ReadOnlySpan<char> fresh) => pin == CardPin.Unblocking
        ? PinOctets.Use(fresh, default, octets =>
        {
            PutData(0x00D3, octets);
            return (PinResult)new PinResult.Ok();
        })
        : ChangePin(pin == CardPin.Administrator, old, fresh);

    public PinResult Unblock(CardPin by, ReadOnlySpan<char> code, ReadOnlySpan<char> fresh)
    {
        switch (by)
        {
            case CardPin.Unblocking:
                return PinOctets.Use(code, fresh, octets => ResettingOutcome(_sender.Send(new Apdu(0, 0x2C, 0x00, 0x81, octets)).Status));
            case CardPin.Administrator:
                if (VerifyPin(PinMode.Admin, code) is not PinResult.Ok and var refused)
                    return refused;
                ResetRetryCounter(fresh);
                return new PinResult.Ok();
            default:
                throw new CardException(CardFault.NotSupported, "The user's PIN does not unblock itself.");
        }
    }

    public byte[] SignHash(CardHeldKey key, ReadOnlySpan<byte> hash, HashAlgorithmName algorithm, RSASignaturePadding? padding)
    {
        if (key.Public.Rsa is null)
        {
            // A digest longer than the field is cut to its leftmost bits (FIPS 186-5 §6.4.1), which the card leaves to us.
            return Sign(KeyOf(key.Slot), hash[..Math.Min(hash.Length, key.Public.FieldLength)]);
        }
        if (padding != RSASignaturePadding.Pkcs1)
            throw new CardException(CardFault.NotSupported, "An OpenPGP card signs with PKCS #1 v1.5 only.");
        return Sign(KeyOf(key.Slot), RsaPadding.DigestInfo(hash, algorithm));
    }

    public byte[] DecipherRsa(CardHeldKey key, ReadOnlySpan<byte> cryptogram, RSAEncryptionPadding padding)
    {
        if (padding != RSAEncryptionPadding.Pkcs1)
        {
            throw new CardException(CardFault.NotSupported,
                "An OpenPGP card takes PKCS #1 v1.5 off by itself and can't open OAEP. Ask the sender for AES-CBC with PKCS #1 v1.5, or use a PIV card.");
        }
        try
        {
            return DecipherRsa(cryptogram);
        }
        catch (CardException e) when (e.Fault == CardFault.Protocol)
        {
            // The card is there and verified, and does not like the cryptogram: what the platform's type calls it.
            throw new CryptographicException("The card can't decipher this.", e);
        }
    }

    public byte[] Agree(CardHeldKey key, ECPoint other)
    {
        try
        {
            return Agree(other);
        }
        catch (CardException e) when (e.Fault == CardFault.Protocol)
        {
            throw new CryptographicException("The card can't agree on a key with this.", e);
        }
    }

    public CardSlot? Slot(CardUse use) => use switch
    {
        CardUse.Sign => SignSlot,
        CardUse.Authenticate => AuthenticateSlot,
        // One key deciphers; where it is on P-256 and the card has no AES slot, it serves for tickets too.
        _ => DecipherSlot,
    };

    public CardPublicKey GenerateKey(CardSlot slot, CardKeyAlgorithm algorithm, DateTimeOffset now)
    {
        var made = GenerateKey(KeyOf(slot), algorithm);
        Label(KeyOf(slot), made, now);
        return made;
    }

    public void ImportKey(CardSlot slot, AsymmetricAlgorithm privateKey, DateTimeOffset now)
    {
        var key = KeyOf(slot);
        switch (privateKey)
        {
            case RSA rsa:
                ImportKey(key, rsa);
                Label(key, CardPublicKey.Of(rsa)!, now);
                break;
            case ECAlgorithm curve:
                ImportKey(key, curve);
                Label(key, CardPublicKey.Of(curve)!, now);
                break;
            default:
                throw new CardException(CardFault.NotSupported, "The card takes RSA keys and keys on P-256 and P-384.");
        }
    }

    public CardSlot RetireKey(CardSlot slot) =>
        throw new CardException(CardFault.NotSupported, "An OpenPGP card has one key for mail: a new one replaces the old.");

    public void PutCertificate(CardSlot slot, ReadOnlyMemory<byte> der) => PutCertificate(KeyOf(slot), der);

    public void PutMasterKey(Span<byte> key) => PutAesKey(key);

    public void PutIdentity(ReadOnlyMemory<byte> identity) => PutData(Identity, identity);

    public void PutHolderName(string name) => PutData(0x005B, Encoding.UTF8.GetBytes(Shortened(name)));

    private static CardKey KeyOf(CardSlot slot) => slot.Use switch
    {
        CardUse.Sign => CardKey.Sign,
        CardUse.Authenticate => CardKey.Authenticate,
        _ => CardKey.Decipher,
    };

    /// <summary>Older cards can't choose among certificates, or hold none: their keys serve all the same.</summary>
    private byte[] CertificateOrNone(CardKey key)
    {
        try
        {
            return ReadCertificate(key);
        }
        catch (CardException e) when (e.Fault is CardFault.NotFound or CardFault.Protocol)
        {
            // As said.
            return [];
        }
    }

    /// <summary>Writes fingerprint and date (C7–C9, CE–D0), without which other programs don't show the key.</summary>
    private void Label(CardKey key, CardPublicKey made, DateTimeOffset now)
    {
        var (fingerprint, date) = OpenPgpFingerprint.Of(made, key, now);
        var place = AttributesTag(key) - 0xC1;
        PutData((ushort)(0xC7 + place), fingerprint);
        PutData((ushort)(0xCE + place), date);
    }

    /// <summary>As for PINs, but the counter is the resetting code's: 6982 or 6983 where none is set or left.</summary>
    private PinResult ResettingOutcome(ushort status)
    {
        if (status == CardResponse.Success)
            return new PinResult.Ok();
        if (status == 0x6983)
            return new PinResult.Blocked();
        if (status is not 0x6982 && status >> 4 is not 0x63C)
            throw StatusWord.Error("Unblocking the PIN", status);
        var left = ReadInformation().ResetTriesLeft;
        return left == 0 ? new PinResult.Blocked() : new PinResult.Wrong(left);
    }

    /// <summary>Cut to the octets that fit, never within a character.</summary>
    private static string Shortened(string text)
    {
        while (Encoding.UTF8.GetByteCount(text) > MaxName)
            text = text[..^(text.Length > 1 && char.IsSurrogatePair(text, text.Length - 2) ? 2 : 1)];
        return text;
    }
}
