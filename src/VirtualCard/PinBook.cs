using System.Security.Cryptography;

namespace GatewaySecure.VirtualCard;

/// <summary>
/// PW1, PW3 and the resetting code: three tries each, counted down on disk before the comparison, so that
/// pulling the card between the two wins nothing (OpenPGP card 3.4 §4.2).
/// </summary>
internal sealed class PinBook(CardFile file)
{
    public const int MaxTries = 3;
    public const int MaxLength = 64;
    public const int MinUser = 6;
    public const int MinAdmin = 8;
    private const int Iterations = 10_000;

    public bool SignVerified { get; set; }

    public bool UserVerified { get; set; }

    public bool AdminVerified { get; set; }

    public void ForgetAll() => SignVerified = UserVerified = AdminVerified = false;

    public PinRecord Record(byte reference) => reference switch
    {
        0x81 or 0x82 => file.State.UserPin,
        0x83 => file.State.AdminPin,
        _ => throw new StatusException(StatusWords.ReferencedDataNotFound),
    };

    public bool IsVerified(byte reference) => reference switch
    {
        0x81 => SignVerified,
        0x82 => UserVerified,
        0x83 => AdminVerified,
        _ => throw new StatusException(StatusWords.ReferencedDataNotFound),
    };

    public void SetVerified(byte reference, bool value)
    {
        switch (reference)
        {
            case 0x81:
                SignVerified = value;
                break;
            case 0x82:
                UserVerified = value;
                break;
            case 0x83:
                AdminVerified = value;
                break;
            default:
                throw new StatusException(StatusWords.ReferencedDataNotFound);
        }
    }

    /// <exception cref="StatusException">6983 blocked, 6982 or 63Cx wrong.</exception>
    public void Check(PinRecord record, ReadOnlySpan<byte> pin)
    {
        if (record.TriesLeft <= 0 || record.Hash.Length == 0)
            throw new StatusException(StatusWords.Blocked);
        record.TriesLeft--;
        file.Save();
        var hash = Derive(pin, record.Salt);
        if (!CryptographicOperations.FixedTimeEquals(hash, record.Hash))
        {
            throw new StatusException(record.TriesLeft == 0 ? StatusWords.Blocked : (ushort)(0x63C0 | record.TriesLeft));
        }
        record.TriesLeft = MaxTries;
        file.Save();
    }

    public static void Set(PinRecord record, ReadOnlySpan<byte> pin)
    {
        record.Salt = RandomNumberGenerator.GetBytes(16);
        record.Hash = Derive(pin, record.Salt);
        record.Length = pin.Length;
        record.TriesLeft = MaxTries;
    }

    public static void Clear(PinRecord record)
    {
        record.Salt = [];
        record.Hash = [];
        record.Length = 0;
        record.TriesLeft = 0;
    }

    private static byte[] Derive(ReadOnlySpan<byte> pin, byte[] salt) =>
        Rfc2898DeriveBytes.Pbkdf2(pin, salt, Iterations, HashAlgorithmName.SHA256, 32);
}
