using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;

namespace GatewaySecure.Gateway.Spool;

/// <summary>The octets of a <c>.mail</c> file around its content chunks (docs/formats/spool.md, "Item").</summary>
internal static class ItemFormat
{
    public const int ChunkLength = 64 << 10;
    public const int PrefixLength = 10;
    public const int TrailerLength = 20;
    private const int MaximumMetadata = 64 << 20;

    private static ReadOnlySpan<byte> Magic => "GSSPOOL\x01"u8;

    private static ReadOnlySpan<byte> End => "GSSPOEND"u8;

    /// <summary>At least one chunk: empty content is one empty last chunk.</summary>
    public static long ChunkCount(long contentLength) => Math.Max(1, (contentLength + ChunkLength - 1) / ChunkLength);

    public static long SealedLength(long contentLength) => contentLength + (ChunkCount(contentLength) * ItemKeys.TagLength);

    public static byte[] Header(ReadOnlySpan<byte> wrapped)
    {
        var header = new byte[PrefixLength + wrapped.Length];
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(8), checked((ushort)wrapped.Length));
        wrapped.CopyTo(header.AsSpan(PrefixLength));
        return header;
    }

    /// <summary>The metadata block and the trailer, bound to the header and to the content's length.</summary>
    public static byte[] Tail(ItemKeys keys, byte[] header, long contentLength, AcceptedMail mail)
    {
        var plain = JsonSerializer.SerializeToUtf8Bytes(mail, MailMetadata.Format);
        if (plain.Length > MaximumMetadata)
            throw new SpoolUnavailableException("What is to be kept about the mail is too long.");
        var tail = new byte[plain.Length + ItemKeys.TagLength + TrailerLength];
        using var gcm = keys.ForMetadata();
        gcm.Encrypt(new byte[ItemKeys.NonceLength], plain, tail.AsSpan(0, plain.Length), tail.AsSpan(plain.Length, ItemKeys.TagLength),
            Bound(header, contentLength));
        var trailer = tail.AsSpan(plain.Length + ItemKeys.TagLength);
        BinaryPrimitives.WriteInt64BigEndian(trailer, contentLength);
        BinaryPrimitives.WriteInt32BigEndian(trailer[8..], plain.Length);
        End.CopyTo(trailer[12..]);
        return tail;
    }

    /// <summary>Reads all but the content, and proves that the file is whole.</summary>
    /// <exception cref="InvalidDataException">Cut, altered or of another format.</exception>
    /// <exception cref="CryptographicException">Another spool key, another item, or altered octets.</exception>
    public static ItemFacts Read(string path, QueueId id, ISpoolKey spoolKey)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var length = RandomAccess.GetLength(file);
        var prefix = ReadAt(file, 0, PrefixLength, length);
        if (!prefix.AsSpan().StartsWith(Magic))
            throw new InvalidDataException("It is no spool item of a known version.");
        var header = ReadAt(file, 0, PrefixLength + BinaryPrimitives.ReadUInt16BigEndian(prefix.AsSpan(8)), length);
        var trailer = ReadAt(file, length - TrailerLength, TrailerLength, length);
        if (!trailer.AsSpan(12).SequenceEqual(End))
            throw new InvalidDataException("Its end is missing.");
        var contentLength = BinaryPrimitives.ReadInt64BigEndian(trailer);
        var metadataLength = BinaryPrimitives.ReadInt32BigEndian(trailer.AsSpan(8));
        if (contentLength < 0 || contentLength > length || metadataLength is < 0 or > MaximumMetadata
            || length != header.Length + SealedLength(contentLength) + metadataLength + ItemKeys.TagLength + TrailerLength)
            throw new InvalidDataException("Its lengths contradict each other.");

        var keys = ItemKeys.Unwrap(spoolKey, id, header.AsSpan(PrefixLength));
        var block = ReadAt(file, length - TrailerLength - ItemKeys.TagLength - metadataLength, metadataLength + ItemKeys.TagLength, length);
        var plain = new byte[metadataLength];
        using var gcm = keys.ForMetadata();
        gcm.Decrypt(new byte[ItemKeys.NonceLength], block.AsSpan(0, metadataLength), block.AsSpan(metadataLength), plain,
            Bound(header, contentLength));
        var mail = JsonSerializer.Deserialize(plain, MailMetadata.Format) ?? throw new InvalidDataException("It says nothing of the mail.");
        if (mail.Envelope.Recipients.IsDefault || mail.Decisions.IsDefault)
            throw new InvalidDataException("It names no recipients.");
        return new ItemFacts(keys, mail, header.Length, contentLength);
    }

    private static byte[] Bound(byte[] header, long contentLength)
    {
        var bound = new byte[header.Length + sizeof(long)];
        header.CopyTo(bound, 0);
        BinaryPrimitives.WriteInt64BigEndian(bound.AsSpan(header.Length), contentLength);
        return bound;
    }

    private static byte[] ReadAt(Microsoft.Win32.SafeHandles.SafeFileHandle file, long offset, int count, long fileLength)
    {
        if (offset < 0 || count > fileLength - offset)
            throw new InvalidDataException("It is cut short.");
        var octets = new byte[count];
        ReadExactly(file, octets, offset);
        return octets;
    }

    /// <exception cref="InvalidDataException">The file ends before.</exception>
    public static void ReadExactly(Microsoft.Win32.SafeHandles.SafeFileHandle file, Span<byte> octets, long offset)
    {
        while (!octets.IsEmpty)
        {
            var read = RandomAccess.Read(file, octets, offset);
            if (read == 0)
                throw new InvalidDataException("It is cut short.");
            octets = octets[read..];
            offset += read;
        }
    }
}

/// <summary>What a <c>.mail</c> file says, but for the content.</summary>
internal sealed record ItemFacts(ItemKeys Keys, AcceptedMail Mail, int ContentOffset, long ContentLength);
