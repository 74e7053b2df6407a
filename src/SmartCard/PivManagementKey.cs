using System.Security.Cryptography;

namespace GatewaySecure.SmartCard;

/// <summary>
/// Mutual authentication by the management key 9B (SP 800-73-4 part 2 §3.2.4, appendix A.1): the card proves that it has the key,
/// then the terminal does. The key never crosses.
/// </summary>
internal sealed class PivManagementKey(PivApplication application)
{
    private const byte Reference = 0x9B;
    private const byte TripleDesCode = 0x03;

    /// <param name="key">In hexadecimal.</param>
    public PinResult Authenticate(ReadOnlySpan<char> key)
    {
        if (!TryDecode(key, out var octets))
            return new PinResult.Wrong(null);
        try
        {
            foreach (var algorithm in Algorithms(octets.Length))
            {
                var begun = Send(algorithm, [0x80, 0x00]);
                if (!begun.Ok)
                    continue;
                return Finish(algorithm, octets, begun);
            }
            return new PinResult.Wrong(null);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(octets);
        }
    }

    /// <summary>The vendor's command; the old key must be authenticated. AES with 16, 24 or 32 octets.</summary>
    /// <exception cref="CardException">The card has no such command.</exception>
    public void Replace(ReadOnlySpan<char> key)
    {
        if (!TryDecode(key, out var octets))
            throw new CardException(CardFault.Protocol, "A management key has 16, 24 or 32 octets, in hexadecimal.");
        byte[] data = [AesCode(octets.Length), Reference, (byte)octets.Length, .. octets];
        var answer = application.Send(new Apdu(0, 0xFF, 0xFF, 0xFF, data));
        CryptographicOperations.ZeroMemory(data);
        CryptographicOperations.ZeroMemory(octets);
        if (answer.Status is 0x6D00 or 0x6E00)
            throw new CardException(CardFault.NotSupported, "This PIV card's management key can't be changed this way; use its vendor's program.");
        answer.Checked("Setting the management key");
    }

    private PinResult Finish(byte algorithm, byte[] key, CardResponse begun)
    {
        using var cipher = Cipher(algorithm, key);
        var size = cipher.BlockSize / 8;
        if (Tlv.Find(begun.Data, 0x80) is not { } secret || secret.Length != size)
            throw new CardException(CardFault.Protocol, "The card does not authenticate as a PIV card does.");
        var witness = cipher.DecryptEcb(secret.Span, PaddingMode.None);
        var challenge = RandomNumberGenerator.GetBytes(size);
        var answer = Send(algorithm, [.. Tlv.Encode(0x80, witness), .. Tlv.Encode(0x81, challenge), 0x82, 0x00]);
        if (!answer.Ok)
        {
            return answer.Status is 0x6982 or 0x6300 or 0x6A80 || answer.Status >> 4 == 0x63C ? new PinResult.Wrong(null)
                : throw StatusWord.Error("Authenticating with the management key", answer.Status);
        }
        var expected = cipher.EncryptEcb(challenge, PaddingMode.None);
        return Tlv.Find(answer.Data, 0x82) is { } proof && CryptographicOperations.FixedTimeEquals(proof.Span, expected) ? new PinResult.Ok()
            : throw new CardException(CardFault.Protocol, "This is not the card that it says it is: it does not know its management key.");
    }

    private CardResponse Send(byte algorithm, byte[] parts) =>
        application.Send(new Apdu(0, 0x87, algorithm, Reference, Tlv.Encode(0x7C, parts), 0));

    /// <summary>What the card says, where it says; else what fits the length.</summary>
    private byte[] Algorithms(int length)
    {
        if (application.Metadata(Reference) is { } data && Tlv.Find(data, 0x01) is { Length: 1 } told)
            return Fits(told.Span[0], length) ? [told.Span[0]] : [];
        return length == 24 ? [TripleDesCode, AesCode(24)] : [AesCode(length)];
    }

    private static bool Fits(byte algorithm, int length) => algorithm == TripleDesCode ? length == 24 : algorithm == AesCode(length);

    private static byte AesCode(int length) => length switch { 16 => 0x08, 24 => 0x0A, _ => 0x0C };

    private static bool TryDecode(ReadOnlySpan<char> text, out byte[] octets)
    {
        octets = new byte[text.Length / 2];
        return octets.Length is 16 or 24 or 32
            && Convert.FromHexString(text, octets, out var read, out _) == System.Buffers.OperationStatus.Done
            && read == text.Length;
    }

    private static SymmetricAlgorithm Cipher(byte algorithm, byte[] key)
    {
        if (algorithm != TripleDesCode)
        {
            var aes = Aes.Create();
            aes.SetKey(key);
            return aes;
        }
#pragma warning disable CA5350, CA5351 // A card's factory key; stations replace it by AES. Its three parts are one, which the platform refuses as 3DES.
        SymmetricAlgorithm des = key.AsSpan(0, 8).SequenceEqual(key.AsSpan(8, 8)) ? DES.Create() : TripleDES.Create();
#pragma warning restore CA5350, CA5351
        des.Key = des is DES ? key[16..] : key;
        return des;
    }
}
