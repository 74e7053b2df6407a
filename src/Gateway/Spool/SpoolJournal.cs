using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;

namespace GatewaySecure.Gateway.Spool;

/// <summary>What happened to one item since it was accepted: authenticated records, appended in order (docs/formats/spool.md, "Journal").</summary>
internal sealed class SpoolJournal(string path, ItemKeys keys, DirectorySync? directory)
{
    private const int PrefixLength = 8 + ItemKeys.NonceLength;
    private const int MaximumRecord = 64 << 20;

    private readonly Lock _gate = new();
    private long _end;
    private long _count;
    private bool _nameIsDurable;
    private bool _needsCut;

    private static ReadOnlySpan<byte> Magic => "GSSJRNL\x01"u8;

    public string Path => path;

    /// <summary>Appends one record; after a failure the journal stands as before.</summary>
    /// <exception cref="SpoolUnavailableException">The disk is full or fails.</exception>
    public void Append(JournalEntry entry, bool durable)
    {
        lock (_gate)
        {
            if (directory is null)
                throw new InvalidOperationException("This view of the spool is for reading.");
            try
            {
                Write(Seal(entry, _count, isFirst: _end == 0), durable);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                _needsCut = true;
                throw new SpoolUnavailableException("The spool's journal could not be written.", e);
            }
            _count++;
        }
    }

    /// <summary>Gives the records of the file, if there is one. What a crash left of the last one is not given, and is cut off at the next append.</summary>
    /// <exception cref="InvalidDataException">A record was altered: nothing after it can be believed.</exception>
    public IReadOnlyList<JournalEntry> Replay()
    {
        byte[] file;
        try
        {
            file = File.ReadAllBytes(path);
        }
        catch (FileNotFoundException)
        {
            return [];
        }
        _needsCut = true;
        if ((file.Length < Magic.Length && Magic.StartsWith(file)) || !file.AsSpan().ContainsAnyExcept((byte)0))
            return [];
        if (!file.AsSpan().StartsWith(Magic))
            throw new InvalidDataException("Its journal is of another format.");
        _end = Magic.Length;
        var entries = new List<JournalEntry>();
        using var gcm = keys.ForJournal();
        while (Next(gcm, file.AsSpan((int)_end), _end, _count, out var length) is { } entry)
        {
            entries.Add(entry);
            _end += length;
            _count++;
        }
        _needsCut = _end != file.Length;
        return entries;
    }

    /// <returns>Null at the end, or where a crash cut the last record.</returns>
    private static JournalEntry? Next(AesGcm gcm, ReadOnlySpan<byte> rest, long offset, long number, out int total)
    {
        total = 0;
        // A crash leaves a prefix, or zeros in place of sectors; anything else was altered.
        if (rest.Length < 8 || !rest.ContainsAnyExcept((byte)0))
            return null;
        var length = BinaryPrimitives.ReadUInt32BigEndian(rest);
        if (length != ~BinaryPrimitives.ReadUInt32BigEndian(rest[4..]) || length > MaximumRecord)
            throw new InvalidDataException("A record of its journal was altered.");
        total = PrefixLength + (int)length + ItemKeys.TagLength;
        if (rest.Length < total)
            return null;
        var record = rest[..total];
        var plain = new byte[length];
        try
        {
            gcm.Decrypt(record[8..PrefixLength], record[PrefixLength..^ItemKeys.TagLength], record[^ItemKeys.TagLength..], plain, Bound(number));
            return JsonSerializer.Deserialize(plain, JournalJson.Default.JournalEntry)
                ?? throw new InvalidDataException("A record of its journal is empty.");
        }
        catch (CryptographicException e)
        {
            if (EndsInUnwrittenSectors(rest, offset, total))
                return null;
            throw new InvalidDataException("A record of its journal was altered.", e);
        }
    }

    /// <summary>The file grew but the record's last sectors never came: zeros from a boundary inside the record to the end of the file.</summary>
    private static bool EndsInUnwrittenSectors(ReadOnlySpan<byte> rest, long offset, int total)
    {
        const int sector = 512;
        var end = offset + rest.LastIndexOfAnyExcept((byte)0) + 1;
        return (end + sector - 1) / sector * sector < offset + total;
    }

    private void Write(byte[] octets, bool durable)
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, Share = FileShare.Read, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var file = new FileStream(path, options);
        if (_needsCut)
        {
            RandomAccess.SetLength(file.SafeFileHandle, _end);
            _needsCut = false;
        }
        RandomAccess.Write(file.SafeFileHandle, octets, _end);
        if (durable)
        {
            RandomAccess.FlushToDisk(file.SafeFileHandle);
            if (!_nameIsDurable)
                directory!.Flush();
            _nameIsDurable = true;
        }
        _end += octets.Length;
    }

    /// <summary>Random nonces: a record that a crash took away may be written anew under the same number.</summary>
    private byte[] Seal(JournalEntry entry, long number, bool isFirst)
    {
        var plain = JsonSerializer.SerializeToUtf8Bytes(entry, JournalJson.Default.JournalEntry);
        var start = isFirst ? Magic.Length : 0;
        var octets = new byte[start + PrefixLength + plain.Length + ItemKeys.TagLength];
        if (isFirst)
            Magic.CopyTo(octets);
        var record = octets.AsSpan(start);
        BinaryPrimitives.WriteUInt32BigEndian(record, (uint)plain.Length);
        BinaryPrimitives.WriteUInt32BigEndian(record[4..], ~(uint)plain.Length);
        RandomNumberGenerator.Fill(record[8..PrefixLength]);
        using var gcm = keys.ForJournal();
        gcm.Encrypt(record[8..PrefixLength], plain, record[PrefixLength..^ItemKeys.TagLength], record[^ItemKeys.TagLength..], Bound(number));
        return octets;
    }

    private static byte[] Bound(long number)
    {
        var bound = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bound, number);
        return bound;
    }
}
