using System.Security.Cryptography;

namespace GatewaySecure.VirtualCard;

/// <summary>The commands that use or make a key: signature, decipher, internal authenticate, key pair (§7.2.10–7.2.14).</summary>
internal sealed class SecurityOperations(CardFile<CardState> file, PinBook pins)
{
    public byte[] Perform(CommandApdu command) => command.Tag switch
    {
        0x9E9A => Sign(command.Data),
        0x8086 => Decipher(command.Data),
        0x8680 => Encipher(command.Data),
        _ => throw new StatusException(StatusWords.WrongParameters),
    };

    public byte[] Authenticate(CommandApdu command)
    {
        if (command.Tag != 0)
            throw new StatusException(StatusWords.WrongParameters);
        RequireUser();
        return KeyRing.Sign(file.State.Authenticate, command.Data);
    }

    public byte[] KeyPair(CommandApdu command)
    {
        if (command.P2 != 0 || command.P1 is not (0x80 or 0x81) || command.Data.Length < 2)
            throw new StatusException(StatusWords.WrongParameters);
        var state = file.State;
        var slot = command.Data[0] switch
        {
            0xB6 => state.Sign,
            0xB8 => state.Decipher,
            0xA4 => state.Authenticate,
            _ => throw new StatusException(StatusWords.WrongData),
        };
        var decipher = slot == state.Decipher;
        if (command.P1 == 0x80)
        {
            if (!pins.AdminVerified)
                throw new StatusException(StatusWords.SecurityNotSatisfied);
            KeyRing.Generate(slot, decipher);
            if (slot == state.Sign)
                state.SignatureCount = 0;
            file.Save();
        }
        return KeyRing.PublicTemplate(slot, decipher);
    }

    private byte[] Sign(byte[] input)
    {
        if (!pins.SignVerified)
            throw new StatusException(StatusWords.SecurityNotSatisfied);
        var state = file.State;
        var signature = KeyRing.Sign(state.Sign, input);
        state.SignatureCount = Math.Min(state.SignatureCount + 1, 0xFFFFFF);
        if (!state.SignaturePinStays)
            pins.SignVerified = false;
        file.Save();
        return signature;
    }

    private byte[] Decipher(byte[] input)
    {
        RequireUser();
        if (input.Length < 2)
            throw new StatusException(StatusWords.WrongLength);
        switch (input[0])
        {
            case 0x00:
                return KeyRing.DecipherRsa(file.State.Decipher, input.AsSpan(1));
            case 0x02:
                return Aes(input, encrypt: false);
            case 0xA6:
                return KeyRing.Agree(file.State.Decipher, PointOf(input));
            default:
                throw new StatusException(StatusWords.WrongData);
        }
    }

    private byte[] Encipher(byte[] input)
    {
        RequireUser();
        return [0x02, .. Aes([0x02, .. input], encrypt: true)];
    }

    /// <summary>AES-CBC over whole blocks, IV zero, no padding; the first octet is the padding indicator.</summary>
    private byte[] Aes(byte[] input, bool encrypt)
    {
        if (file.State.AesKey.Length == 0)
            throw new StatusException(StatusWords.ReferencedDataNotFound);
        if (input.Length < 17 || (input.Length - 1) % 16 != 0)
            throw new StatusException(StatusWords.WrongLength);
        using var aes = System.Security.Cryptography.Aes.Create();
        aes.SetKey(file.State.AesKey);
        Span<byte> iv = stackalloc byte[16];
        iv.Clear();
        var data = input.AsSpan(1);
        return encrypt ? aes.EncryptCbc(data, iv, PaddingMode.None) : aes.DecryptCbc(data, iv, PaddingMode.None);
    }

    /// <summary>A6 { 7F49 { 86 point } } (§7.2.11).</summary>
    private static byte[] PointOf(byte[] input) => Child(Child(Child(input, 0xA6), 0x7F49), 0x86);

    private static byte[] Child(byte[] data, int tag)
    {
        foreach (var (found, value) in Tlv.ReadAll(data))
        {
            if (found == tag)
                return value;
        }
        throw new StatusException(StatusWords.WrongData);
    }

    private void RequireUser()
    {
        if (!pins.UserVerified)
            throw new StatusException(StatusWords.SecurityNotSatisfied);
    }
}
