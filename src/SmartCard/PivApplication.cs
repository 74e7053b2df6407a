using System.IO.Compression;
using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>The commands of the PIV application (SP 800-73-4 part 2) and the vendor's beside it, where a card has them.</summary>
internal sealed class PivApplication(ICardChannel channel)
{
    private const int MaxCertificate = 1 << 16;

    /// <summary>What a card's certificate container holds at least (part 1 table 3); larger ones are compressed.</summary>
    private const int PlainCertificate = 1856;

    private static readonly byte[] Aid = [0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00];
    private readonly ApduSender _sender = new(channel);

    public void Select() => _sender.Send(new Apdu(0, 0xA4, 0x04, 0, Aid, 0)).Checked("Selecting the PIV application");

    public CardResponse Send(Apdu command) => _sender.Send(command);

    /// <summary>Content of the container 53; null where there is none, or it needs a PIN.</summary>
    public ReadOnlyMemory<byte>? GetObject(int tag)
    {
        var answer = _sender.Send(new Apdu(0, 0xCB, 0x3F, 0xFF, Tlv.Encode(0x5C, Octets(tag)), 65536));
        return answer.Status switch
        {
            CardResponse.Success => Tlv.Find(answer.Data, 0x53) is { Length: > 0 } content ? content : (ReadOnlyMemory<byte>?)null,
            0x6A82 or 0x6A88 or 0x6982 or 0x6A80 or 0x6D00 => (ReadOnlyMemory<byte>?)null,
            _ => throw StatusWord.Error("Reading an object of the card", answer.Status),
        };
    }

    public void PutObject(int tag, ReadOnlySpan<byte> content) =>
        _sender.Send(new Apdu(0, 0xDB, 0x3F, 0xFF, (byte[])[.. Tlv.Encode(0x5C, Octets(tag)), .. Tlv.Encode(0x53, content)]))
            .Checked("Writing an object of the card");

    /// <summary>DER; empty where there is none or it can't be read. Compressed ones come out as they were (part 1 appendix A).</summary>
    public byte[] GetCertificate(int tag)
    {
        if (GetObject(tag) is not { } content || Tlv.Find(content, 0x70) is not { } octets)
            return [];
        if (Tlv.Find(content, 0x71) is not { Length: 1 } information || (information.Span[0] & 0x03) == 0)
            return octets.ToArray();
        try
        {
            using var packed = new GZipStream(new MemoryStream(octets.ToArray()), CompressionMode.Decompress);
            var plain = new byte[MaxCertificate];
            var length = packed.ReadAtLeast(plain, plain.Length, throwOnEndOfStream: false);
            return length == plain.Length ? [] : plain[..length];
        }
        catch (InvalidDataException)
        {
            // Not what it says: as good as none.
            return [];
        }
    }

    public void PutCertificate(int tag, ReadOnlySpan<byte> der)
    {
        var compress = der.Length > PlainCertificate;
        var octets = compress ? Packed(der) : der.ToArray();
        PutObject(tag, [.. Tlv.Encode(0x70, octets), 0x71, 0x01, compress ? (byte)0x01 : (byte)0x00, 0xFE, 0x00]);
    }

    /// <summary>GENERAL AUTHENTICATE with a key: a block or digest (81), or a point (85). The caller clears the result.</summary>
    public byte[] UseKey(CardKeyAlgorithm algorithm, byte reference, int kind, byte[] input, string what)
    {
        var template = Tlv.Encode(0x7C, (byte[])[0x82, 0x00, .. Tlv.Encode(kind, input)]);
        var answer = _sender.Send(new Apdu(0, 0x87, Code(algorithm), reference, template, 65536));
        CryptographicOperations.ZeroMemory(template);
        var data = answer.Checked(what);
        var result = Tlv.Find(data, 0x82)?.ToArray() ?? throw new CardException(CardFault.Protocol, $"{what}: the card's answer has no result.");
        CryptographicOperations.ZeroMemory(data);
        return result;
    }

    public CardPublicKey Generate(byte reference, CardKeyAlgorithm algorithm)
    {
        var command = Tlv.Encode(0xAC, Tlv.Encode(0x80, [Code(algorithm)]));
        return CardPublicKey.Parse(algorithm, _sender.Send(new Apdu(0, 0x47, 0, reference, command, 65536)).Checked("Making a key on the card"));
    }

    /// <summary>The vendor's FE. <paramref name="parts"/> is cleared.</summary>
    public void Import(byte reference, CardKeyAlgorithm algorithm, byte[] parts)
    {
        var answer = _sender.Send(new Apdu(0, 0xFE, Code(algorithm), reference, parts));
        CryptographicOperations.ZeroMemory(parts);
        Demand(answer, "Bringing a key to the card");
    }

    /// <summary>The vendor's F6: the key of one slot goes to an empty one.</summary>
    public void Move(byte from, byte to) => Demand(_sender.Send(new Apdu(0, 0xF6, to, from)), "Moving a key on the card");

    /// <summary>The vendor's F7; null where the card does not know the command or has nothing there.</summary>
    public ReadOnlyMemory<byte>? Metadata(byte reference) =>
        _sender.Send(new Apdu(0, 0xF7, 0, reference, default, 0)) is { Ok: true } answer ? answer.Data : (ReadOnlyMemory<byte>?)null;

    /// <summary>The public half as metadata has it; null where there is none that is used here.</summary>
    public CardPublicKey? PublicKey(byte reference)
    {
        if (Metadata(reference) is not { } data || Tlv.Find(data, 0x01) is not { Length: 1 } code || Tlv.Find(data, 0x04) is not { } key)
            return null;
        return Algorithm(code.Span[0]) is { } algorithm ? CardPublicKey.Parse(algorithm, key) : null;
    }

    private static byte Code(CardKeyAlgorithm algorithm) => algorithm switch
    {
        CardKeyAlgorithm.Rsa2048 => 0x07,
        CardKeyAlgorithm.Rsa3072 => 0x05,
        CardKeyAlgorithm.Rsa4096 => 0x16,
        CardKeyAlgorithm.P256 => 0x11,
        CardKeyAlgorithm.P384 => 0x14,
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm)),
    };

    private static CardKeyAlgorithm? Algorithm(byte code) => code switch
    {
        0x07 => CardKeyAlgorithm.Rsa2048,
        0x05 => CardKeyAlgorithm.Rsa3072,
        0x16 => CardKeyAlgorithm.Rsa4096,
        0x11 => CardKeyAlgorithm.P256,
        0x14 => CardKeyAlgorithm.P384,
        _ => null,
    };

    private static void Demand(CardResponse answer, string what)
    {
        if (answer.Status is 0x6D00 or 0x6E00 or 0x6A81)
            throw new CardException(CardFault.NotSupported, $"{what}: this PIV card can't; it is not part of the standard.");
        answer.Checked(what);
    }

    private static byte[] Packed(ReadOnlySpan<byte> der)
    {
        using var packed = new MemoryStream();
        using (var stream = new GZipStream(packed, CompressionLevel.SmallestSize))
            stream.Write(der);
        return packed.ToArray();
    }

    private static byte[] Octets(int tag) => [(byte)(tag >> 16), (byte)(tag >> 8), (byte)tag];
}
