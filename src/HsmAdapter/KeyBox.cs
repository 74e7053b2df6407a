using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// AES-256-GCM under one key of this process, bound to a purpose and a context: nonce (12) ‖ ciphertext ‖ tag (16).
/// Random nonces: good for 2³² boxes under one key. Thread-safe.
/// </summary>
internal sealed class KeyBox : IDisposable
{
    public const int Overhead = NonceSize + TagSize;

    private const int NonceSize = 12;
    private const int TagSize = 16;

    private readonly byte[] _key = GC.AllocateArray<byte>(32, pinned: true);
    private readonly ThreadLocal<AesGcm> _gcm;

    public KeyBox(ReadOnlySpan<byte> key)
    {
        key.CopyTo(_key);
        // One for each thread: AesGcm's native state is not thread-safe. Those of ended threads go with the collector.
        _gcm = new ThreadLocal<AesGcm>(() => new AesGcm(_key, TagSize));
    }

    /// <summary>A box under a key of its own for each purpose, derived from the vault's.</summary>
    public static KeyBox For(ReadOnlySpan<byte> vaultKey, string purpose)
    {
        Span<byte> key = stackalloc byte[32];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, vaultKey, key, salt: [], info: Encoding.ASCII.GetBytes(purpose));
        var box = new KeyBox(key);
        CryptographicOperations.ZeroMemory(key);
        return box;
    }

    public byte[] Seal(ReadOnlySpan<byte> plain, ReadOnlySpan<byte> context)
    {
        var box = new byte[plain.Length + Overhead];
        var nonce = box.AsSpan(0, NonceSize);
        RandomNumberGenerator.Fill(nonce);
        _gcm.Value!.Encrypt(nonce, plain, box.AsSpan(NonceSize, plain.Length), box.AsSpan(NonceSize + plain.Length), context);
        return box;
    }

    /// <exception cref="CryptographicException">Changed, or sealed under another key, purpose or context.</exception>
    public void Open(ReadOnlySpan<byte> box, ReadOnlySpan<byte> context, Span<byte> plain)
    {
        if (box.Length != plain.Length + Overhead)
            throw new CryptographicException("A wrapped key has the wrong size.");
        _gcm.Value!.Decrypt(
            box[..NonceSize], box.Slice(NonceSize, plain.Length), box[(NonceSize + plain.Length)..], plain, context);
    }

    public void Dispose()
    {
        _gcm.Dispose();
        CryptographicOperations.ZeroMemory(_key);
    }
}
