using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace GatewaySecure.Gateway.Spool;

/// <summary>The keys of one item, each for one purpose, derived from its data key (docs/formats/spool.md, "Keys").</summary>
internal sealed class ItemKeys
{
    public const int NonceLength = 12;
    public const int TagLength = 16;
    private const int KeyLength = 32;

    private readonly byte[] _content;
    private readonly byte[] _metadata;
    private readonly byte[] _journal;

    private ItemKeys(byte[] dataKey)
    {
        _content = Derive(dataKey, "content"u8);
        _metadata = Derive(dataKey, "metadata"u8);
        _journal = Derive(dataKey, "journal"u8);
    }

    /// <summary>Fresh keys for a new item, and the data key wrapped for its header.</summary>
    public static ItemKeys Create(ISpoolKey spoolKey, QueueId id, out byte[] wrapped)
    {
        var dataKey = RandomNumberGenerator.GetBytes(KeyLength);
        wrapped = spoolKey.Wrap(dataKey, Context(id));
        return Take(dataKey);
    }

    /// <exception cref="CryptographicException">Another spool key, another item, or altered octets.</exception>
    public static ItemKeys Unwrap(ISpoolKey spoolKey, QueueId id, ReadOnlySpan<byte> wrapped)
    {
        var dataKey = spoolKey.Unwrap(wrapped, Context(id));
        if (dataKey.Length != KeyLength)
            throw new CryptographicException("The wrapped key is of another length.");
        return Take(dataKey);
    }

    public AesGcm ForContent() => new(_content, TagLength);

    public AesGcm ForMetadata() => new(_metadata, TagLength);

    public AesGcm ForJournal() => new(_journal, TagLength);

    /// <summary>Number of the chunk, big-endian in 11 octets, then 1 for the last chunk, else 0: so order and end are authenticated.</summary>
    public static void ContentNonce(Span<byte> nonce, long chunk, bool isLast)
    {
        nonce.Clear();
        BinaryPrimitives.WriteInt64BigEndian(nonce[3..11], chunk);
        nonce[11] = isLast ? (byte)1 : (byte)0;
    }

    private static byte[] Context(QueueId id) => Encoding.ASCII.GetBytes(id.ToString());

    private static ItemKeys Take(byte[] dataKey)
    {
        var keys = new ItemKeys(dataKey);
        CryptographicOperations.ZeroMemory(dataKey);
        return keys;
    }

    private static byte[] Derive(byte[] dataKey, ReadOnlySpan<byte> purpose)
    {
        var key = new byte[KeyLength];
        HKDF.Expand(HashAlgorithmName.SHA256, dataKey, key, purpose);
        return key;
    }
}
