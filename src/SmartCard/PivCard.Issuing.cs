using System.Globalization;
using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <content>Slots, and what the issuer does with them.</content>
public sealed partial class PivCard
{
    private const byte FirstRetired = 0x82;
    private const byte LastRetired = 0x95;
    private const int FirstRetiredTag = 0x5FC10D;
    private const int KeyHistory = 0x5FC10C;

    private static readonly CardSlot[] Present =
    [
        new("9D", CardUse.Decipher), new("9C", CardUse.Sign), new("9A", CardUse.Authenticate), new("9E", CardUse.Authenticate),
    ];

    private static readonly CardSlot[] Retired =
    [
        .. Enumerable.Range(FirstRetired, LastRetired - FirstRetired + 1)
            .Select(n => new CardSlot(n.ToString("X2", CultureInfo.InvariantCulture), CardUse.Decipher, Retired: true)),
    ];

    /// <summary>The last is not among them: it serves for tickets.</summary>
    public IReadOnlyList<CardSlot> RetiredSlots => Retired[..^1];

    public CardSlot? Slot(CardUse use) => use switch
    {
        CardUse.Ticket => new CardSlot(Retired[^1].Name, CardUse.Ticket),
        _ => Present.First(s => s.Use == use),
    };

    public CardPublicKey GenerateKey(CardSlot slot, CardKeyAlgorithm algorithm, DateTimeOffset now)
    {
        ClearCertificate(slot);
        return _application.Generate(Reference(slot), algorithm);
    }

    public void ImportKey(CardSlot slot, AsymmetricAlgorithm privateKey, DateTimeOffset now)
    {
        ClearCertificate(slot);
        var (key, parts) = privateKey switch
        {
            RSA rsa => (CardPublicKey.Of(rsa), Parts(rsa)),
            ECAlgorithm curve => (CardPublicKey.Of(curve), Parts(curve)),
            _ => (null, []),
        };
        if (key is null)
            throw new CardException(CardFault.NotSupported, "The card takes RSA keys of 2048, 3072, 4096 bits and keys on P-256 and P-384.");
        _application.Import(Reference(slot), key.Algorithm, parts);
    }

    public void PutCertificate(CardSlot slot, ReadOnlyMemory<byte> der)
    {
        _application.PutCertificate(CertificateTag(slot), der.Span);
        if (slot.Retired)
            CountRetired(Reference(slot));
    }

    public CardSlot RetireKey(CardSlot slot)
    {
        var free = RetiredSlots.FirstOrDefault(s => _application.GetObject(CertificateTag(s)) is null && _application.PublicKey(Reference(s)) is null)
            ?? throw new CardException(CardFault.Protocol, "The card has no slot left for old keys.");
        var certificate = _application.GetCertificate(CertificateTag(slot));
        _application.Move(Reference(slot), Reference(free));
        // The certificate last: interrupted before it, the moved key is found by its metadata.
        if (certificate.Length > 0)
        {
            PutCertificate(free, certificate);
            _application.PutObject(CertificateTag(slot), []);
        }
        return free;
    }

    public void PutMasterKey(Span<byte> key)
    {
        CryptographicOperations.ZeroMemory(key);
        throw new CardException(CardFault.NotSupported, "A PIV card has no AES slot.");
    }

    public void PutIdentity(ReadOnlyMemory<byte> identity) => _application.PutObject(Identity, identity.Span);

    /// <summary>A PIV card shows no name that could be written here.</summary>
    public void PutHolderName(string name)
    {
    }

    /// <summary>Before the key changes: a certificate beside another key would be taken for that one's.</summary>
    private void ClearCertificate(CardSlot slot)
    {
        if (_application.GetObject(CertificateTag(slot)) is not null)
            _application.PutObject(CertificateTag(slot), []);
    }

    /// <summary>The key history (part 1 §3.3.3) counts the retired keys with certificates, for programs that go by it.</summary>
    private void CountRetired(byte reference)
    {
        var count = (byte)(reference - FirstRetired + 1);
        var history = _application.GetObject(KeyHistory);
        if (history is { } known && Tlv.Find(known, 0xC1) is { Length: 1 } old && old.Span[0] >= count)
            return;
        var offCard = history is { } kept && Tlv.Find(kept, 0xC2) is { Length: 1 } others ? others.Span[0] : (byte)0;
        var address = history is { } also && Tlv.Find(also, 0xF3) is { Length: > 0 } text ? text : default;
        _application.PutObject(KeyHistory, [0xC1, 0x01, count, 0xC2, 0x01, offCard, .. Tlv.Encode(0xF3, address.Span), 0xFE, 0x00]);
    }

    private static byte[] Parts(RSA key)
    {
        var p = key.ExportParameters(true);
        try
        {
            if (!p.Exponent.AsSpan().SequenceEqual<byte>([1, 0, 1]))
                throw new CardException(CardFault.NotSupported, "The card takes RSA keys with the exponent 65537 only.");
            byte[][] parts =
            [
                Tlv.Encode(0x01, p.P), Tlv.Encode(0x02, p.Q), Tlv.Encode(0x03, p.DP), Tlv.Encode(0x04, p.DQ), Tlv.Encode(0x05, p.InverseQ),
            ];
            byte[] whole = [.. parts.SelectMany(part => part)];
            foreach (var part in parts)
                CryptographicOperations.ZeroMemory(part);
            return whole;
        }
        finally
        {
            foreach (var part in new[] { p.D, p.P, p.Q, p.DP, p.DQ, p.InverseQ })
                CryptographicOperations.ZeroMemory(part);
        }
    }

    private static byte[] Parts(ECAlgorithm key)
    {
        var p = key.ExportParameters(true);
        try
        {
            return Tlv.Encode(0x06, p.D);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(p.D);
        }
    }

    private static byte Reference(CardSlot slot) => byte.Parse(slot.Name, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static int CertificateTag(CardSlot slot) => Reference(slot) switch
    {
        0x9A => 0x5FC105,
        0x9C => 0x5FC10A,
        0x9D => 0x5FC10B,
        0x9E => 0x5FC101,
        var retired => FirstRetiredTag + retired - FirstRetired,
    };
}
