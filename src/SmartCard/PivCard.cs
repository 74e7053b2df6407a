using System.Buffers.Binary;
using System.Formats.Asn1;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.SmartCard;

/// <summary>
/// A PIV card (SP 800-73-4): keys 9A, 9C, 9D, 9E and the retired ones 82 to 95, RSA as the bare power with paddings done here.
/// Where a card has YubiKey's commands beside the standard (import, metadata, move, management key), they are used.
/// </summary>
public sealed partial class PivCard : IIssuableCard
{
    /// <summary>Beyond the standard's objects; cards that refuse it can't be issued for KDC mail.</summary>
    private const int Identity = 0x5FFE01;

    private const int UniqueIdentifier = 0x5FC102;
    private const byte UserPin = 0x80;
    private const byte UnblockingPin = 0x81;
    private const int PinField = 8;
    private const int MinPin = 6;

    private readonly ICardChannel _channel;
    private readonly PivApplication _application;
    private bool _administrator;

    private PivCard(ICardChannel channel)
    {
        _channel = channel;
        _application = new PivApplication(channel);
    }

    /// <exception cref="CardException">The card has no such application.</exception>
    public static PivCard Select(ICardChannel channel)
    {
        var card = new PivCard(channel);
        card._application.Select();
        return card;
    }

    public CardKind Kind => CardKind.Piv;

    public IDisposable BeginSession() => CardSession.Begin(_channel, _application.Select, Withdraw);

    public CardDescription Describe()
    {
        var unblocking = _application.Metadata(UnblockingPin) is { } data && Tlv.Find(data, 0x06) is { Length: 2 } tries ? tries.Span[1] : (int?)null;
        return new CardDescription(CardKind.Piv, "PIV card", Serial(), HasAesSlot: false,
        [
            new CardPinState(CardPin.User, UserTries()),
            new CardPinState(CardPin.Unblocking, unblocking),
            new CardPinState(CardPin.Administrator, null),
        ]);
    }

    public IReadOnlyList<CardHeldKey> ReadKeys()
    {
        var ticketSlot = ReadIdentity() is null ? null : Slot(CardUse.Ticket);
        var keys = new List<CardHeldKey>();
        // All retired slots, whatever the key history says: programs that fill them don't all keep it.
        foreach (var slot in Present.Concat(Retired).Select(s => s.Name == ticketSlot?.Name ? ticketSlot : s))
        {
            var certificate = _application.GetCertificate(CertificateTag(slot));
            if (PublicKey(slot, certificate) is { } key)
                keys.Add(new CardHeldKey(slot, key, certificate));
        }
        return keys;
    }

    public byte[]? ReadIdentity() => _application.GetObject(Identity)?.ToArray();

    public PinResult Verify(CardPin pin, ReadOnlySpan<char> code, CardUse use)
    {
        switch (pin)
        {
            case CardPin.User:
                if (code.IsEmpty)
                    throw new ArgumentException("A PIN is not empty.");
                // What can't be a PIN of this card is not sent, and costs no try.
                return (code.Length < MinPin ? null : PinOctets.UsePadded(PinField, code, default, octets => Outcome(new Apdu(0, 0x20, 0, UserPin, octets))))
                    ?? new PinResult.Wrong(UserTries());
            case CardPin.Administrator:
                var result = new PivManagementKey(_application).Authenticate(code);
                _administrator |= result is PinResult.Ok;
                return result;
            default:
                throw new CardException(CardFault.NotSupported, "A PIV card takes its PUK together with a new PIN only.");
        }
    }

    public PinResult ChangePin(CardPin pin, ReadOnlySpan<char> old, ReadOnlySpan<char> fresh)
    {
        if (pin != CardPin.Administrator)
            return Replace(0x24, pin == CardPin.User ? UserPin : UnblockingPin, old, fresh);
        if (Verify(CardPin.Administrator, old, CardUse.Authenticate) is not PinResult.Ok and var refused)
            return refused;
        new PivManagementKey(_application).Replace(fresh);
        return new PinResult.Ok();
    }

    public PinResult Unblock(CardPin by, ReadOnlySpan<char> code, ReadOnlySpan<char> fresh) => by == CardPin.Unblocking
        ? Replace(0x2C, UserPin, code, fresh)
        : throw new CardException(CardFault.NotSupported, "A PIV card's PIN is unblocked with its PUK only.");

    public byte[] SignHash(CardHeldKey key, ReadOnlySpan<byte> hash, HashAlgorithmName algorithm, RSASignaturePadding? padding)
    {
        var reference = Reference(key.Slot);
        if (key.Public.Rsa is null)
        {
            // A digest longer than the field is cut to its leftmost bits (FIPS 186-5 §6.4.1).
            var digest = hash[..Math.Min(hash.Length, key.Public.FieldLength)].ToArray();
            return Plain(_application.UseKey(key.Public.Algorithm, reference, 0x81, digest, "Signing"), key.Public.FieldLength);
        }
        var block = RsaPadding.ForSigning(hash, algorithm, padding ?? RSASignaturePadding.Pkcs1, key.Public.ModulusBits);
        return _application.UseKey(key.Public.Algorithm, reference, 0x81, block, "Signing");
    }

    public byte[] DecipherRsa(CardHeldKey key, ReadOnlySpan<byte> cryptogram, RSAEncryptionPadding padding)
    {
        byte[] block;
        try
        {
            block = _application.UseKey(key.Public.Algorithm, Reference(key.Slot), 0x81, cryptogram.ToArray(), "Deciphering");
        }
        catch (CardException e) when (e.Fault == CardFault.Protocol)
        {
            throw new CryptographicException("The card can't decipher this.", e);
        }
        try
        {
            return RsaPadding.TakeOff(block, padding);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(block);
        }
    }

    public byte[] Agree(CardHeldKey key, ECPoint other)
    {
        try
        {
            return _application.UseKey(
                key.Public.Algorithm, Reference(key.Slot), 0x85, [0x04, .. other.X!, .. other.Y!], "Key agreement on the card");
        }
        catch (CardException e) when (e.Fault == CardFault.Protocol)
        {
            throw new CryptographicException("The card can't agree on a key with this.", e);
        }
    }

    public byte[] DecipherAes(ReadOnlySpan<byte> blocks) => throw new CardException(CardFault.NotSupported, "A PIV card has no AES slot.");

    /// <summary>False where the administrator was authenticated: that ends with a reset only.</summary>
    private bool Withdraw()
    {
        var withdrawn = _application.Send(new Apdu(0, 0x20, 0xFF, UserPin)).Ok && !_administrator;
        _administrator = false;
        return withdrawn;
    }

    private PinResult Replace(byte instruction, byte reference, ReadOnlySpan<char> old, ReadOnlySpan<char> fresh)
    {
        if (fresh.Length is < MinPin or > PinField)
            throw new CardException(CardFault.Protocol, $"A code of a PIV card has {MinPin} to {PinField} characters.");
        return PinOctets.UsePadded(PinField, old, fresh, octets => Outcome(new Apdu(0, instruction, 0, reference, octets)))
            ?? new PinResult.Wrong(null);
    }

    private PinResult Outcome(Apdu command)
    {
        var status = _application.Send(command).Status;
        return status switch
        {
            CardResponse.Success => new PinResult.Ok(),
            0x6983 or 0x63C0 => new PinResult.Blocked(),
            _ when status >> 4 == 0x63C => new PinResult.Wrong(status & 0x0F),
            _ => throw StatusWord.Error("The PIN command", status),
        };
    }

    /// <summary>Null while it is verified: then the card does not tell.</summary>
    private int? UserTries()
    {
        var status = _application.Send(new Apdu(0, 0x20, 0, UserPin)).Status;
        if (status >> 4 == 0x63C)
            return status & 0x0F;
        if (status == 0x6983)
            return 0;
        return _application.Metadata(UserPin) is { } data && Tlv.Find(data, 0x06) is { Length: 2 } tries ? tries.Span[1] : null;
    }

    private string Serial()
    {
        if (_application.Send(new Apdu(0, 0xF8, 0, 0, default, 0)) is { Ok: true, Data.Length: 4 } vendor)
            return BinaryPrimitives.ReadUInt32BigEndian(vendor.Data).ToString(CultureInfo.InvariantCulture);
        return _application.GetObject(UniqueIdentifier) is { } unique && Tlv.Find(unique, 0x34) is { Length: 16 } guid
            ? Convert.ToHexString(guid.Span)
            : "";
    }

    /// <summary>By the certificate, else by the card's metadata; null where neither tells.</summary>
    private CardPublicKey? PublicKey(CardSlot slot, byte[] certificate)
    {
        if (certificate.Length == 0)
            return _application.PublicKey(Reference(slot));
        try
        {
            using var parsed = X509CertificateLoader.LoadCertificate(certificate);
            return CardPublicKey.Of(parsed);
        }
        catch (CryptographicException)
        {
            // Not a certificate; other slots may hold what is looked for.
            return null;
        }
    }

    /// <summary>SEQUENCE of r and s to r‖s.</summary>
    private static byte[] Plain(byte[] signature, int field)
    {
        try
        {
            var sequence = new AsnReader(signature, AsnEncodingRules.DER).ReadSequence();
            var result = new byte[2 * field];
            for (var half = 0; half < 2; half++)
            {
                var number = sequence.ReadIntegerBytes().Span.TrimStart((byte)0);
                if (number.Length > field)
                    throw new CardException(CardFault.Protocol, "The card's signature is not one of its curve.");
                number.CopyTo(result.AsSpan((half + 1) * field - number.Length));
            }
            return result;
        }
        catch (AsnContentException e)
        {
            throw new CardException("The card's signature is not one.", e);
        }
    }
}
