using System.Security.Cryptography;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// The vault's own keys, wrapped by the vault key, as files below <c>vault/</c> of the state directory: with the database and the shares of
/// the vault key they are all that a restore needs. Files appear whole or not at all.
/// </summary>
internal sealed class HsmKeyFiles
{
    public const string Binding = "binding";
    public const string Storage = "storage";

    private readonly string _directory;

    private HsmKeyFiles(string directory) => _directory = directory;

    public static HsmKeyFiles Below(string stateDirectory)
    {
        var directory = Path.Combine(stateDirectory, "vault");
        DurableFile.CreateDirectory(directory);
        return new HsmKeyFiles(directory);
    }

    /// <summary>A wrapped key and, of a pair, its public half.</summary>
    public (HsmBlob Blob, byte[] PublicKey)? Read(string name)
    {
        if (ReadFile($"{name}.hsm") is not { } octets)
            return null;
        var length = octets.Length >= 2 ? octets[0] << 8 | octets[1] : int.MaxValue;
        if (octets.Length - 2 < length)
            throw new CryptographicException($"{Path.Combine(_directory, name)}.hsm is damaged.");
        return (HsmBlob.Decode(octets.AsSpan(2, length)), octets[(2 + length)..]);
    }

    public void Write(string name, HsmBlob blob, ReadOnlySpan<byte> publicKey)
    {
        var wrapped = blob.Encode();
        DurableFile.Replace(Path.Combine(_directory, $"{name}.hsm"), [(byte)(wrapped.Length >> 8), (byte)wrapped.Length, .. wrapped, .. publicKey]);
    }

    /// <summary>The names of all that are there.</summary>
    public IReadOnlyList<string> Names() =>
        [.. Directory.EnumerateFiles(_directory, "*.hsm").Select(f => Path.GetFileNameWithoutExtension(f)!).Order(StringComparer.Ordinal)];

    public byte[]? ReadCarrier(byte[] fingerprint) => ReadFile(CarrierName(fingerprint));

    public void WriteCarrier(byte[] fingerprint, byte[] wrapped) => DurableFile.Replace(Path.Combine(_directory, CarrierName(fingerprint)), wrapped);

    private static string CarrierName(byte[] fingerprint) => $"transport-{Convert.ToHexStringLower(fingerprint)}.carrier";

    private byte[]? ReadFile(string name)
    {
        var path = Path.Combine(_directory, name);
        return File.Exists(path) ? File.ReadAllBytes(path) : null;
    }
}
