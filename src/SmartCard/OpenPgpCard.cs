using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>
/// The OpenPGP-card application (3.x) on a channel: PINs, keys, objects, the AES slot. A PIN's octets are cleared after
/// the command. A wrong PIN is a value; all else that fails is a <see cref="CardException"/>. Not thread-safe.
/// </summary>
public sealed partial class OpenPgpCard
{
    private static readonly byte[] Aid = [0xD2, 0x76, 0x00, 0x01, 0x24, 0x01];
    private readonly ICardChannel _channel;
    private readonly ApduSender _sender;

    private OpenPgpCard(ICardChannel channel)
    {
        _channel = channel;
        _sender = new ApduSender(channel);
    }

    /// <exception cref="CardException">The card has no such application.</exception>
    public static OpenPgpCard Select(ICardChannel channel)
    {
        var card = new OpenPgpCard(channel);
        card.SelectAgain();
        return card;
    }

    /// <summary>Needed after a reset by another program; nothing is verified after it.</summary>
    public void SelectAgain() => _sender.Send(new Apdu(0, 0xA4, 0x04, 0, Aid, 0)).Checked("Selecting the OpenPGP application");

    /// <summary>Sends any command, with chaining and GET RESPONSE.</summary>
    public CardResponse Send(Apdu command) => _sender.Send(command);

    /// <summary>Keeps other programs out, and withdraws every verification at the end.</summary>
    public IDisposable BeginSession() => CardSession.Begin(_channel, SelectAgain, WithdrawAll);

    public CardInformation ReadInformation()
    {
        ReadOnlyMemory<byte> data = GetData(0x006E);
        var aid = Required(data, 0x4F);
        var tries = Required(data, 0xC4);
        var prints = Required(data, 0xC5);
        if (aid.Length < 16 || tries.Length < 7 || prints.Length < 60)
            throw new CardException(CardFault.Protocol, "The card's description of itself is incomplete.");
        CardKeyInformation Key(int tag, int index) =>
            new(KeyAttributes.Decode(Required(data, tag).Span), prints.Slice(20 * index, 20));
        var id = aid.Span;
        return new CardInformation(
            $"{Convert.ToHexString(id[8..10])} {Convert.ToHexString(id[10..14])}",
            $"{id[6]}.{id[7]}",
            tries.Span[4], tries.Span[5], tries.Span[6],
            tries.Span[0] == 1,
            (Required(data, 0xC0).Span[0] & 0x02) != 0,
            Key(0xC1, 0), Key(0xC2, 1), Key(0xC3, 2));
    }

    public PinResult VerifyPin(PinMode mode, ReadOnlySpan<char> pin) => PinOctets.Use(pin, default, octets =>
        PinOutcome(mode, _sender.Send(new Apdu(0, 0x20, 0, (byte)mode, octets)).Status));

    /// <summary>Tries left, without using one.</summary>
    public int TriesLeft(PinMode mode)
    {
        var status = _sender.Send(new Apdu(0, 0x20, 0, (byte)mode)).Status;
        if (status >> 4 == 0x63C)
            return status & 0x0F;
        if (status == 0x6983)
            return 0;
        var tries = GetData(0x00C4);
        return tries.Length < 7 ? throw new CardException(CardFault.Protocol, "The card does not say how many tries are left.")
            : tries[mode == PinMode.Admin ? 6 : 4];
    }

    /// <summary>Withdraws a verification. False where the card knows no such command.</summary>
    public bool Logout(PinMode mode) => _sender.Send(new Apdu(0, 0x20, 0xFF, (byte)mode)).Ok;

    public PinResult ChangePin(bool admin, ReadOnlySpan<char> oldPin, ReadOnlySpan<char> newPin)
    {
        var mode = admin ? PinMode.Admin : PinMode.Sign;
        return PinOctets.Use(oldPin, newPin, octets => PinOutcome(mode, _sender.Send(new Apdu(0, 0x24, 0, (byte)mode, octets)).Status));
    }

    /// <summary>Unblocks the user's PIN and sets a new one; PW3 must be verified.</summary>
    public void ResetRetryCounter(ReadOnlySpan<char> newPin) => PinOctets.Use(newPin, default, octets =>
        _sender.Send(new Apdu(0, 0x2C, 0x02, 0x81, octets)).Checked("Setting the user's PIN"));

    /// <summary>CBC decryption with IV zero of whole blocks under the key in slot D5; PW1 mode User must be verified. The caller clears the result.</summary>
    public byte[] DecipherAes(ReadOnlySpan<byte> blocks) => Decipher([0x02, .. blocks], "Deciphering with the card's AES key");

    /// <summary>Takes off PKCS #1 v1.5; the caller clears the result.</summary>
    public byte[] DecipherRsa(ReadOnlySpan<byte> cryptogram) => Decipher([0x00, .. cryptogram], "Deciphering with the card's RSA key");

    /// <summary>The shared point's X coordinate; the caller clears it.</summary>
    public byte[] Agree(ECPoint other)
    {
        byte[] point = [0x04, .. other.X!, .. other.Y!];
        return Decipher(Tlv.Encode(0xA6, Tlv.Encode(0x7F49, Tlv.Encode(0x86, point))), "Key agreement on the card");
    }

    /// <summary>RSA: a DigestInfo; ECDSA: the digest. Key Sign needs mode Sign, key Authenticate mode User.</summary>
    public byte[] Sign(CardKey key, ReadOnlySpan<byte> input) => key switch
    {
        CardKey.Sign => _sender.Send(new Apdu(0, 0x2A, 0x9E, 0x9A, input.ToArray(), 0)).Checked("Signing"),
        CardKey.Authenticate => _sender.Send(new Apdu(0, 0x88, 0, 0, input.ToArray(), 0)).Checked("Authenticating"),
        _ => throw new ArgumentOutOfRangeException(nameof(key), "The decipher key does not sign."),
    };

    /// <summary>Makes a key on the card; PW3 must be verified. A key that was there is lost.</summary>
    public CardPublicKey GenerateKey(CardKey key, CardKeyAlgorithm algorithm)
    {
        PutData(AttributesTag(key), KeyAttributes.Encode(algorithm, key));
        return PublicKey(key, algorithm, 0x80);
    }

    /// <exception cref="CardException">There is none (<see cref="CardFault.NotFound"/>).</exception>
    public CardPublicKey ReadPublicKey(CardKey key)
    {
        var algorithm = KeyAttributes.Decode(GetData(AttributesTag(key)))
            ?? throw new CardException(CardFault.Protocol, "The card's key is of a kind that this program does not use.");
        return PublicKey(key, algorithm, 0x81);
    }

    /// <summary>Brings a private key to the card; PW3 must be verified.</summary>
    public void ImportKey(CardKey key, RSA privateKey)
    {
        var algorithm = privateKey.KeySize switch
        {
            2048 => CardKeyAlgorithm.Rsa2048,
            3072 => CardKeyAlgorithm.Rsa3072,
            4096 => CardKeyAlgorithm.Rsa4096,
            _ => throw new ArgumentException("The card takes RSA keys of 2048, 3072 or 4096 bits.", nameof(privateKey)),
        };
        var p = privateKey.ExportParameters(true);
        try
        {
            byte[] exponent = [.. new byte[4 - p.Exponent!.Length], .. p.Exponent];
            Import(key, algorithm, [(0x91, exponent), (0x92, p.P!), (0x93, p.Q!)]);
        }
        finally
        {
            foreach (var part in new[] { p.D, p.P, p.Q, p.DP, p.DQ, p.InverseQ })
                CryptographicOperations.ZeroMemory(part);
        }
    }

    /// <summary>Brings a private key on P-256 or P-384 to the card; PW3 must be verified.</summary>
    public void ImportKey(CardKey key, ECAlgorithm privateKey)
    {
        var algorithm = privateKey.KeySize switch
        {
            256 => CardKeyAlgorithm.P256,
            384 => CardKeyAlgorithm.P384,
            _ => throw new ArgumentException("The card takes keys on P-256 and P-384.", nameof(privateKey)),
        };
        var p = privateKey.ExportParameters(true);
        try
        {
            Import(key, algorithm, [(0x92, p.D!)]);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(p.D);
        }
    }

    /// <summary>Sets slot D5 (16 or 32 octets); PW3 must be verified. Clears <paramref name="key"/>, whatever happens.</summary>
    public void PutAesKey(Span<byte> key)
    {
        var copy = key.ToArray();
        try
        {
            PutData(0x00D5, copy);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(copy);
            CryptographicOperations.ZeroMemory(key);
        }
    }

    public byte[] GetData(ushort tag) =>
        _sender.Send(new Apdu(0, 0xCA, (byte)(tag >> 8), (byte)tag, default, 0)).Checked($"Reading object {tag:X4}");

    public void PutData(ushort tag, ReadOnlyMemory<byte> value) =>
        _sender.Send(new Apdu(0, 0xDA, (byte)(tag >> 8), (byte)tag, value)).Checked($"Writing object {tag:X4}");

    /// <summary>DER of the certificate that belongs to the key; empty where there is none.</summary>
    public byte[] ReadCertificate(CardKey key)
    {
        SelectCertificate(key);
        return GetData(0x7F21);
    }

    /// <summary>PW3 must be verified.</summary>
    public void PutCertificate(CardKey key, ReadOnlyMemory<byte> der)
    {
        SelectCertificate(key);
        PutData(0x7F21, der);
    }

    private byte[] Decipher(byte[] input, string what)
    {
        try
        {
            return _sender.Send(new Apdu(0, 0x2A, 0x80, 0x86, input, 0)).Checked(what);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(input);
        }
    }

    private void Import(CardKey key, CardKeyAlgorithm algorithm, (int Tag, byte[] Value)[] parts)
    {
        PutData(AttributesTag(key), KeyAttributes.Encode(algorithm, key));
        byte[] template = [.. parts.SelectMany(p => HeadOf(p.Tag, p.Value.Length))];
        byte[] values = [.. parts.SelectMany(p => p.Value)];
        byte[] list = [(byte)key, 0x00, .. Tlv.Encode(0x7F48, template), .. Tlv.Encode(0x5F48, values)];
        var whole = Tlv.Encode(0x4D, list);
        try
        {
            _sender.Send(new Apdu(0, 0xDB, 0x3F, 0xFF, whole)).Checked("Bringing the key to the card");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(values);
            CryptographicOperations.ZeroMemory(list);
            CryptographicOperations.ZeroMemory(whole);
        }
    }

    private CardPublicKey PublicKey(CardKey key, CardKeyAlgorithm algorithm, byte action)
    {
        ReadOnlyMemory<byte> answer = _sender.Send(new Apdu(0, 0x47, action, 0, new byte[] { (byte)key, 0 }, 65536))
            .Checked(action == 0x80 ? "Making a key on the card" : "Reading a public key");
        return CardPublicKey.Parse(algorithm, answer);
    }

    private void SelectCertificate(CardKey key)
    {
        byte occurrence = key switch
        {
            CardKey.Authenticate => 0,
            CardKey.Decipher => 1,
            _ => 2,
        };
        _sender.Send(new Apdu(0, 0xA5, occurrence, 0x04, new byte[] { 0x60, 0x04, 0x5C, 0x02, 0x7F, 0x21 })).Checked("Choosing a certificate");
    }

    private static ushort AttributesTag(CardKey key) => key switch
    {
        CardKey.Sign => 0x00C1,
        CardKey.Decipher => 0x00C2,
        _ => 0x00C3,
    };

    private static byte[] HeadOf(int tag, int length) => length switch
    {
        < 0x80 => [(byte)tag, (byte)length],
        <= 0xFF => [(byte)tag, 0x81, (byte)length],
        _ => [(byte)tag, 0x82, (byte)(length >> 8), (byte)length],
    };

    private static ReadOnlyMemory<byte> Required(ReadOnlyMemory<byte> data, int tag) =>
        Tlv.Find(data, tag) ?? throw new CardException(CardFault.Protocol, $"The card's description of itself lacks object {tag:X}.");

    /// <summary>A blocked PIN may answer 6982 as well: the counter decides.</summary>
    private PinResult PinOutcome(PinMode mode, ushort status)
    {
        if (status == CardResponse.Success)
            return new PinResult.Ok();
        if (status == 0x6983)
            return new PinResult.Blocked();
        if (status is not 0x6982 && status >> 4 is not 0x63C)
            throw StatusWord.Error("The PIN command", status);
        var left = TriesLeft(mode);
        return left == 0 ? new PinResult.Blocked() : new PinResult.Wrong(left);
    }

    /// <summary>All three, always: "&amp;" without short circuit.</summary>
    private bool WithdrawAll() => Logout(PinMode.Sign) & Logout(PinMode.User) & Logout(PinMode.Admin);
}
