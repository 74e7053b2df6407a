using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.HsmAdapter;

/// <summary>
/// AES-256-GCM, bound to a purpose and a context: salt (16 random octets) ‖ ciphertext ‖ tag (16). Each box has a key of its
/// own, HMAC-SHA-256(purpose's key, salt), and the zero nonce: GCM's 96-bit random nonces would be good for 2³² boxes under one key,
/// which a busy spool fills in weeks. Thread-safe.
/// </summary>
internal sealed class KeyBox : IDisposable
{
    public const int Overhead = SaltSize + TagSize;

    private const int KeySize = 32;
    private const int SaltSize = 16;
    private const int NonceSize = 12;
    private const int TagSize = 16;

    // Pinned: the collector must not leave copies behind.
    private readonly byte[] _key = GC.AllocateArray<byte>(KeySize, pinned: true);

    private volatile bool _disposed;

    /// <summary>A key for each purpose, derived from the vault's.</summary>
    public KeyBox(ReadOnlySpan<byte> vaultKey, string purpose) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, vaultKey, _key, salt: [], info: Encoding.ASCII.GetBytes(purpose));

    public byte[] Seal(ReadOnlySpan<byte> plain, ReadOnlySpan<byte> context)
    {
        var box = new byte[plain.Length + Overhead];
        var salt = box.AsSpan(0, SaltSize);
        RandomNumberGenerator.Fill(salt);
        Span<byte> nonce = stackalloc byte[NonceSize];
        nonce.Clear();
        using var gcm = KeyFor(salt);
        gcm.Encrypt(nonce, plain, box.AsSpan(SaltSize, plain.Length), box.AsSpan(SaltSize + plain.Length), context);
        return box;
    }

    /// <exception cref="CryptographicException">Changed, or sealed under another key, purpose or context.</exception>
    public void Open(ReadOnlySpan<byte> box, ReadOnlySpan<byte> context, Span<byte> plain)
    {
        if (box.Length != plain.Length + Overhead)
            throw new CryptographicException("A wrapped key has the wrong size.");
        Span<byte> nonce = stackalloc byte[NonceSize];
        nonce.Clear();
        using var gcm = KeyFor(box[..SaltSize]);
        gcm.Decrypt(nonce, box.Slice(SaltSize, plain.Length), box[(SaltSize + plain.Length)..], plain, context);
    }

    public void Dispose()
    {
        _disposed = true;
        CryptographicOperations.ZeroMemory(_key);
    }

    private AesGcm KeyFor(ReadOnlySpan<byte> salt)
    {
        Span<byte> key = stackalloc byte[KeySize];
        HMACSHA256.HashData(_key, salt, key);
        // After the key was read: it must not have been the zeroed one.
        ObjectDisposedException.ThrowIf(_disposed, this);
        var gcm = new AesGcm(key, TagSize);
        CryptographicOperations.ZeroMemory(key);
        return gcm;
    }
}
