using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// Marks what this gateway wrote, so that it knows it again and nobody else can write it: HMAC-SHA-256 under a key of the vault, the same
/// one at each start and on each node. Thread-safe.
/// </summary>
public sealed class MarkKey : IDisposable
{
    // Pinned: the collector must not leave copies behind.
    private readonly byte[] _key = GC.AllocateArray<byte>(32, pinned: true);

    internal MarkKey(ReadOnlySpan<byte> vaultKey) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, vaultKey, _key, salt: [], info: Encoding.ASCII.GetBytes("GatewaySecure/vault/marks/1"));

    /// <returns>32 octets.</returns>
    public byte[] Tag(ReadOnlySpan<byte> data) => HMACSHA256.HashData(_key, data);

    public void Dispose() => CryptographicOperations.ZeroMemory(_key);
}
