using System.Security.Cryptography;

namespace GatewaySecure.VirtualCard;

/// <summary>Authentication by the management key 9B: mutual, or of the terminal alone (SP 800-73-4 part 2 §3.2.4, appendix A.1, A.2).</summary>
internal sealed class PivAuthentication(CardFile<PivState> file)
{
    private byte[] _witness = [];
    private byte[] _challenge = [];

    public bool Verified { get; private set; }

    public void Forget()
    {
        Verified = false;
        _witness = [];
        _challenge = [];
    }

    public byte[] Answer(CommandApdu command)
    {
        if (command.P1 != file.State.ManagementAlgorithm && !(command.P1 == 0 && file.State.ManagementAlgorithm == 0x03))
            throw new StatusException(StatusWords.IncorrectParameters);
        if (Tlv.ReadAll(command.Data) is not [(0x7C, var template)])
            throw new StatusException(StatusWords.WrongData);
        var parts = Tlv.ReadAll(template);
        byte[]? Part(int tag) => parts.FirstOrDefault(p => p.Tag == tag).Value;
        var (witness, challenge, response) = (Part(0x80), Part(0x81), Part(0x82));
        if (witness is { Length: 0 })
        {
            Forget();
            _witness = RandomNumberGenerator.GetBytes(Block);
            return Tlv.Encode(0x7C, Tlv.Encode(0x80, Encrypt(_witness)));
        }
        if (witness is not null && challenge is { Length: > 0 })
        {
            Prove(_witness, witness);
            if (challenge.Length != Block)
                throw new StatusException(StatusWords.WrongData);
            return Tlv.Encode(0x7C, Tlv.Encode(0x82, Encrypt(challenge)));
        }
        if (challenge is { Length: 0 })
        {
            Forget();
            _challenge = RandomNumberGenerator.GetBytes(Block);
            return Tlv.Encode(0x7C, Tlv.Encode(0x81, _challenge));
        }
        if (response is not { Length: > 0 })
            throw new StatusException(StatusWords.WrongData);
        Prove(_challenge.Length == 0 ? [] : Encrypt(_challenge), response);
        return [];
    }

    /// <summary>The vendor's FF: algorithm, 9B, length, key.</summary>
    public byte[] Replace(CommandApdu command)
    {
        if (command.P1 != 0xFF || command.Data is not [var algorithm, 0x9B, var length, .. var key] || key.Length != length)
            throw new StatusException(StatusWords.WrongData);
        if (length != algorithm switch { 0x03 or 0x0A => 24, 0x08 => 16, 0x0C => 32, _ => 0 })
            throw new StatusException(StatusWords.WrongData);
        file.State.ManagementAlgorithm = algorithm;
        file.State.ManagementKey = [.. key];
        file.Save();
        return [];
    }

    private int Block => file.State.ManagementAlgorithm == 0x03 ? 8 : 16;

    private void Prove(byte[] expected, byte[] given)
    {
        var right = expected.Length > 0 && CryptographicOperations.FixedTimeEquals(expected, given);
        Forget();
        Verified = right ? true : throw new StatusException(StatusWords.SecurityNotSatisfied);
    }

    private byte[] Encrypt(byte[] block)
    {
        var key = file.State.ManagementKey;
        if (file.State.ManagementAlgorithm != 0x03)
        {
            using var aes = Aes.Create();
            aes.SetKey(key);
            return aes.EncryptEcb(block, PaddingMode.None);
        }
#pragma warning disable CA5350, CA5351 // What such cards have from the factory. The default's three keys are one: the platform refuses that as 3DES.
        using SymmetricAlgorithm des = key.AsSpan(0, 8).SequenceEqual(key.AsSpan(8, 8)) ? DES.Create() : TripleDES.Create();
#pragma warning restore CA5350, CA5351
        des.Key = des is DES ? key[16..] : key;
        return des.EncryptEcb(block, PaddingMode.None);
    }
}
