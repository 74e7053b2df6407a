using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// One version of the vault key, wrapped by the HSM under a backup key that exists as shares only; a MAC under that key covers all of it.
/// Not secret by itself: it goes with the backups of the state directory.
/// </summary>
/// <param name="Name">By which shares name it.</param>
/// <param name="Wrapped">RFC 3394.</param>
public sealed record VaultBackup(string Name, int Version, int Threshold, int Shares, DateTimeOffset Made, byte[] Wrapped, byte[] Mac)
{
    private const string Title = "GatewaySecure vault backup 1";

    internal static VaultBackup Make(VaultBackup backup, ReadOnlySpan<byte> backupKey) => backup with { Mac = backup.ComputeMac(backupKey) };

    /// <exception cref="CryptographicException">The shares open another backup, or this one was changed.</exception>
    internal void Demand(ReadOnlySpan<byte> backupKey)
    {
        if (!CryptographicOperations.FixedTimeEquals(ComputeMac(backupKey), Mac))
            throw new CryptographicException("The shares do not open this backup: they are of another one, too few, or it was changed.");
    }

    public static string FileName(int version) => $"vault-key-{version}.backup";

    public string ToText() => JsonSerializer.Serialize(new File(Title, this), VaultBackupJson.Default.File);

    /// <exception cref="InvalidDataException">Not a backup.</exception>
    public static VaultBackup Parse(string text)
    {
        try
        {
            return JsonSerializer.Deserialize(text, VaultBackupJson.Default.File) is { Format: Title, Backup: { Wrapped: not null, Mac: not null, Name: not null } backup }
                ? backup
                : throw new InvalidDataException("This is no backup of a vault key.");
        }
        catch (JsonException)
        {
            throw new InvalidDataException("This is no backup of a vault key.");
        }
    }

    private byte[] ComputeMac(ReadOnlySpan<byte> backupKey)
    {
        Span<byte> key = stackalloc byte[32];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, backupKey, key, salt: [], info: "GatewaySecure/vault/backup/1"u8);
        var text = Encoding.UTF8.GetBytes(string.Create(
            null, $"{Name}\n{Version}\n{Threshold}\n{Shares}\n{Made.ToUnixTimeSeconds()}\n{Convert.ToHexString(Wrapped)}"));
        var mac = HMACSHA256.HashData(key, text);
        CryptographicOperations.ZeroMemory(key);
        return mac;
    }

    internal sealed record File(string Format, VaultBackup Backup);
}

/// <summary>The backup's JSON, without reflection.</summary>
[System.Text.Json.Serialization.JsonSerializable(typeof(VaultBackup.File))]
[System.Text.Json.Serialization.JsonSourceGenerationOptions(WriteIndented = true)]
internal sealed partial class VaultBackupJson : System.Text.Json.Serialization.JsonSerializerContext;
