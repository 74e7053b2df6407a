using System.Security.Cryptography;

namespace GatewaySecure.VirtualCard;

/// <summary>
/// A PIN as PBKDF2, its length (CHANGE REFERENCE DATA sends old and new without a border) and the tries left: three, counted
/// down on disk before the comparison, so that pulling the card between the two wins nothing.
/// </summary>
internal sealed class PinRecord
{
    public const int MaxTries = 3;
    public const int MaxLength = 64;
    private const int Iterations = 10_000;

    public byte[] Salt { get; set; } = [];

    public byte[] Hash { get; set; } = [];

    public int Length { get; set; }

    public int TriesLeft { get; set; }

    /// <exception cref="StatusException">6983 blocked, 63Cx wrong.</exception>
    public void Check(ReadOnlySpan<byte> pin, Action save)
    {
        if (TriesLeft <= 0 || Hash.Length == 0)
            throw new StatusException(StatusWords.Blocked);
        TriesLeft--;
        save();
        if (!CryptographicOperations.FixedTimeEquals(Derive(pin, Salt), Hash))
            throw new StatusException(TriesLeft == 0 ? StatusWords.Blocked : (ushort)(0x63C0 | TriesLeft));
        TriesLeft = MaxTries;
        save();
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
