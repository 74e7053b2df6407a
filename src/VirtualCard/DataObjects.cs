using System.Buffers.Binary;
using System.Text;

namespace GatewaySecure.VirtualCard;

/// <summary>The data objects of §4.4: who may read and write each, and the templates built from them. Write-only objects answer 6A88.</summary>
internal sealed class DataObjects(CardFile<CardState> file, PinBook pins)
{
    public const int MaxChallenge = 1024;
    private const int MaxCertificate = 4096;
    private const int MaxSpecial = 2048;

    // Category 00; selection by full and partial name; C0: chaining, extended length, length information in 7F66; operational.
    private static readonly byte[] Historical = [0x00, 0x31, 0xF5, 0x73, 0xC0, 0x01, 0xE0, 0x05, 0x90, 0x00];

    public static ReadOnlyMemory<byte> Atr { get; } = BuildAtr();

    /// <summary>Chosen occurrence of 7F21.</summary>
    public int Occurrence { get; set; }

    private CardState State => file.State;

    public byte[] ApplicationId() => [0xD2, 0x76, 0x00, 0x01, 0x24, 0x01, 0x03, 0x04, 0xFF, 0xFE, .. State.Serial, 0x00, 0x00];

    public byte[] Get(ushort tag) => tag switch
    {
        0x004F => ApplicationId(),
        0x5F52 => Historical,
        0x006E => Tlv.Encode(0x6E, Tlv.Join(
            Tlv.Encode(0x4F, ApplicationId()),
            Tlv.Encode(0x5F52, Historical),
            LengthInformation(),
            Tlv.Encode(0x73, Discretionary()))),
        0x0065 => Tlv.Encode(0x65, Tlv.Join(
            Tlv.Encode(0x5B, Plain(0x005B)), Tlv.Encode(0x5F2D, Plain(0x5F2D)), Tlv.Encode(0x5F35, Plain(0x5F35)))),
        0x007A => Tlv.Encode(0x7A, Tlv.Encode(0x93, Counter())),
        0x0093 => Counter(),
        0x7F66 => LengthInformation(),
        0x7F74 => Tlv.Encode(0x7F74, Tlv.Encode(0x81, 0x00)),
        0x0073 => Tlv.Encode(0x73, Discretionary()),
        0x00C0 => Capabilities(),
        0x00C1 => State.Sign.Attributes,
        0x00C2 => State.Decipher.Attributes,
        0x00C3 => State.Authenticate.Attributes,
        0x00C4 => PinStatus(),
        0x00C5 => Tlv.Join(State.Sign.Fingerprint, State.Decipher.Fingerprint, State.Authenticate.Fingerprint),
        0x00C6 => Tlv.Join(State.Sign.CaFingerprint, State.Decipher.CaFingerprint, State.Authenticate.CaFingerprint),
        0x00C7 => State.Sign.Fingerprint,
        0x00C8 => State.Decipher.Fingerprint,
        0x00C9 => State.Authenticate.Fingerprint,
        0x00CA => State.Sign.CaFingerprint,
        0x00CB => State.Decipher.CaFingerprint,
        0x00CC => State.Authenticate.CaFingerprint,
        0x00CD => Tlv.Join(State.Sign.Created, State.Decipher.Created, State.Authenticate.Created),
        0x00CE => State.Sign.Created,
        0x00CF => State.Decipher.Created,
        0x00D0 => State.Authenticate.Created,
        0x00DE => [1, State.Sign.Origin, 2, State.Decipher.Origin, 3, State.Authenticate.Origin],
        0x00FA => Tlv.Encode(0xFA, KeyAlgorithm.Information()),
        0x7F21 => State.Certificates[Occurrence],
        0x0103 when !pins.UserVerified => throw new StatusException(StatusWords.SecurityNotSatisfied),
        0x0104 when !pins.AdminVerified => throw new StatusException(StatusWords.SecurityNotSatisfied),
        0x005B or 0x5F2D or 0x5F35 or 0x005E or 0x5F50 or (>= 0x0101 and <= 0x0104) => Plain(tag),
        _ => throw new StatusException(StatusWords.ReferencedDataNotFound),
    };

    /// <summary>GET NEXT DATA: the following certificate (§7.2.7).</summary>
    public byte[] GetNext(ushort tag)
    {
        if (tag != 0x7F21 || Occurrence + 1 >= State.Certificates.Length)
            throw new StatusException(StatusWords.ReferencedDataNotFound);
        Occurrence++;
        return State.Certificates[Occurrence];
    }

    /// <summary>SELECT DATA: 60 { 5C { 7F21 } }, P1 is the occurrence (§7.2.5).</summary>
    public byte[] SelectData(CommandApdu command)
    {
        if (command.P2 != 0x04 || !command.Data.AsSpan().SequenceEqual<byte>([0x60, 0x04, 0x5C, 0x02, 0x7F, 0x21]))
            throw new StatusException(StatusWords.WrongData);
        if (command.P1 >= State.Certificates.Length)
            throw new StatusException(StatusWords.ReferencedDataNotFound);
        Occurrence = command.P1;
        return [];
    }

    public byte[] Put(ushort tag, byte[] value)
    {
        var allowed = tag is 0x0101 or 0x0103 ? pins.UserVerified : pins.AdminVerified;
        if (!allowed)
            throw new StatusException(StatusWords.SecurityNotSatisfied);
        Store(tag, value);
        file.Save();
        return [];
    }

    /// <summary>PUT DATA with odd instruction: an extended header list imports a private key (§4.4.3.12).</summary>
    public byte[] PutOdd(CommandApdu command)
    {
        if (command.Tag != 0x3FFF)
            throw new StatusException(StatusWords.WrongParameters);
        if (!pins.AdminVerified)
            throw new StatusException(StatusWords.SecurityNotSatisfied);
        if (Tlv.ReadAll(command.Data) is not [(0x4D, var list)])
            throw new StatusException(StatusWords.WrongData);
        var objects = Tlv.ReadAll(list);
        if (objects is not [var reference, (0x7F48, var template), (0x5F48, var values)])
            throw new StatusException(StatusWords.WrongData);
        var slot = reference.Tag switch
        {
            0xB6 => State.Sign,
            0xB8 => State.Decipher,
            0xA4 => State.Authenticate,
            _ => throw new StatusException(StatusWords.WrongData),
        };
        KeyRing.Import(slot, slot == State.Decipher, Parts(template, values));
        if (slot == State.Sign)
            State.SignatureCount = 0;
        file.Save();
        return [];
    }

    private void Store(ushort tag, byte[] value)
    {
        switch (tag)
        {
            case 0x00C1:
                SetAttributes(State.Sign, value, false);
                break;
            case 0x00C2:
                SetAttributes(State.Decipher, value, true);
                break;
            case 0x00C3:
                SetAttributes(State.Authenticate, value, false);
                break;
            case 0x00C4:
                State.SignaturePinStays = Sized(value, 1)[0] switch
                {
                    0 => false,
                    1 => true,
                    _ => throw new StatusException(StatusWords.WrongData),
                };
                break;
            case 0x00C7:
                State.Sign.Fingerprint = Sized(value, 20);
                break;
            case 0x00C8:
                State.Decipher.Fingerprint = Sized(value, 20);
                break;
            case 0x00C9:
                State.Authenticate.Fingerprint = Sized(value, 20);
                break;
            case 0x00CA:
                State.Sign.CaFingerprint = Sized(value, 20);
                break;
            case 0x00CB:
                State.Decipher.CaFingerprint = Sized(value, 20);
                break;
            case 0x00CC:
                State.Authenticate.CaFingerprint = Sized(value, 20);
                break;
            case 0x00CE:
                State.Sign.Created = Sized(value, 4);
                break;
            case 0x00CF:
                State.Decipher.Created = Sized(value, 4);
                break;
            case 0x00D0:
                State.Authenticate.Created = Sized(value, 4);
                break;
            case 0x00D3:
                SetResettingCode(value);
                break;
            case 0x00D5:
                State.AesKey = value.Length is 16 or 32 ? [.. value] : throw new StatusException(StatusWords.WrongLength);
                break;
            case 0x7F21:
                State.Certificates[Occurrence] = Limited(value, MaxCertificate);
                break;
            case 0x005B:
                State.Objects["005B"] = Limited(value, 39);
                break;
            case 0x5F2D:
                State.Objects["5F2D"] = Limited(value, 8);
                break;
            case 0x5F35:
                State.Objects["5F35"] = Sized(value, 1);
                break;
            case 0x005E or 0x5F50 or (>= 0x0101 and <= 0x0104):
                State.Objects[Name(tag)] = Limited(value, MaxSpecial);
                break;
            default:
                throw new StatusException(StatusWords.ReferencedDataNotFound);
        }
    }

    /// <summary>A new algorithm deletes the key: it could not be used any more.</summary>
    private static void SetAttributes(KeySlot slot, byte[] value, bool decipher)
    {
        if (KeyAlgorithm.Parse(value, decipher) is null)
            throw new StatusException(StatusWords.WrongData);
        if (slot.Attributes.AsSpan().SequenceEqual(value))
            return;
        slot.Attributes = [.. value];
        slot.PrivateKey = [];
        slot.Origin = 0;
        slot.Fingerprint = new byte[20];
        slot.Created = new byte[4];
    }

    private void SetResettingCode(byte[] value)
    {
        if (value.Length == 0)
            PinRecord.Clear(State.ResettingCode);
        else if (value.Length is >= PinBook.MinAdmin and <= PinRecord.MaxLength)
            PinRecord.Set(State.ResettingCode, value);
        else
            throw new StatusException(StatusWords.WrongData);
    }

    private static Dictionary<int, byte[]> Parts(ReadOnlySpan<byte> template, ReadOnlySpan<byte> values)
    {
        var parts = new Dictionary<int, byte[]>();
        while (!template.IsEmpty)
        {
            var (tag, length) = Tlv.ReadHead(ref template);
            if (length > values.Length)
                throw new StatusException(StatusWords.WrongData);
            parts[tag] = values[..length].ToArray();
            values = values[length..];
        }
        return parts;
    }

    private byte[] Discretionary() => Tlv.Join(
        [.. new ushort[] { 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xCD, 0xDE }.Select(tag => Tlv.Encode(tag, Get(tag)))]);

    // Challenge, key import, PW status, private objects, attributes changeable, AES; no secure messaging, no KDF.
    private static byte[] Capabilities() =>
    [
        0x7E, 0x00,
        MaxChallenge >> 8, MaxChallenge & 0xFF,
        MaxCertificate >> 8, MaxCertificate & 0xFF,
        MaxSpecial >> 8, MaxSpecial & 0xFF,
        0x00, 0x00,
    ];

    private static byte[] LengthInformation() => Tlv.Encode(0x7F66, Tlv.Join(
        Tlv.Encode(0x02, ApduFrame.MaxCommandData >> 8, ApduFrame.MaxCommandData & 0xFF),
        Tlv.Encode(0x02, ApduFrame.MaxCommandData >> 8, ApduFrame.MaxCommandData & 0xFF)));

    private byte[] PinStatus() =>
    [
        State.SignaturePinStays ? (byte)1 : (byte)0,
        PinRecord.MaxLength, PinRecord.MaxLength, PinRecord.MaxLength,
        (byte)State.UserPin.TriesLeft, (byte)State.ResettingCode.TriesLeft, (byte)State.AdminPin.TriesLeft,
    ];

    private byte[] Counter()
    {
        Span<byte> count = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(count, State.SignatureCount);
        return count[1..].ToArray();
    }

    private byte[] Plain(ushort tag)
    {
        if (State.Objects.TryGetValue(Name(tag), out var value))
            return value;
        return tag == 0x5F35 ? Encoding.ASCII.GetBytes("9") : [];
    }

    private static string Name(ushort tag) => tag.ToString("X4", System.Globalization.CultureInfo.InvariantCulture);

    private static byte[] Sized(byte[] value, int length) =>
        value.Length == length ? [.. value] : throw new StatusException(StatusWords.WrongLength);

    private static byte[] Limited(byte[] value, int length) =>
        value.Length <= length ? [.. value] : throw new StatusException(StatusWords.NotEnoughMemory);

    private static byte[] BuildAtr()
    {
        // TS, T0 (TA1, TC... as T=1), then the historical octets and the check octet.
        byte[] head = [0x3B, (byte)(0xD0 | Historical.Length), 0x18, 0xFF, 0x81, 0xB1, 0xFE, 0x75, 0x1F, 0x03];
        byte[] atr = [.. head, .. Historical, 0];
        atr[^1] = atr.Skip(1).Aggregate((byte)0, (sum, b) => (byte)(sum ^ b));
        return atr;
    }
}
