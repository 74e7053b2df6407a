using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// The software vault's one key on disk: a first line that says what it is, then 64 hexadecimal digits. Readable by its
/// owner alone (0600); a file that others may read is refused. Appears whole or not at all, and is never overwritten.
/// </summary>
internal static class TrialKeyFile
{
    public const string Marker = "GatewaySecure software vault key - FOR TRIALS, NOT FOR PRODUCTION";

    private const int KeySize = 32;

    /// <exception cref="InvalidDataException">The file is not one of these, or others may read it.</exception>
    public static byte[] OpenOrCreate(string path)
    {
        if (!File.Exists(path))
            Create(path);
        return Read(path);
    }

    private static byte[] Read(string path)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) != 0)
            throw new InvalidDataException($"{path}: other users may read this key file; it must have mode 0600.");
        var lines = File.ReadAllLines(path, Encoding.ASCII);
        if (lines is not [Marker, { Length: 2 * KeySize } hex])
            throw new InvalidDataException($"{path}: not a software vault's key file.");
        var key = new byte[KeySize];
        if (Convert.FromHexString(hex, key, out _, out var written) != System.Buffers.OperationStatus.Done || written != KeySize)
            throw new InvalidDataException($"{path}: not a software vault's key file.");
        return key;
    }

    private static void Create(string path)
    {
        var key = RandomNumberGenerator.GetBytes(KeySize);
        var text = Encoding.ASCII.GetBytes($"{Marker}\n{Convert.ToHexStringLower(key)}\n");
        try
        {
            DurableFile.CreateNew(path, text);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(text);
        }
    }
}
