using System.Buffers;
using System.Security.Cryptography;

namespace GatewaySecure.Gateway.Spool;

/// <summary>
/// Takes the content of one mail as it arrives. Disposal without a commit leaves nothing behind. Small content waits in memory, where
/// the spool's budget has room, and is written at once; all else is streamed to <c>incoming/</c> with one chunk in memory. Used by
/// one caller at a time.
/// </summary>
internal sealed class SpoolWriter : IAsyncDisposable
{
    /// <summary>Most mail is small, and a client may be slow: so much is had without asking the budget.</summary>
    private const int FirstLength = 8 << 10;

    private readonly MailSpool _spool;
    private readonly ItemKeys _keys;
    private readonly byte[] _header;
    private readonly List<byte[]> _chunks = [];
    private FileStream? _stream;
    private AesGcm? _gcm;
    private int _used;
    private long _written;
    private long _length;
    private long _sealedChunks;
    private long _reserved;
    private bool _isOver;

    internal SpoolWriter(MailSpool spool, QueueId id, ISpoolKey key)
    {
        _spool = spool;
        Id = id;
        _keys = ItemKeys.Create(key, id, out var wrapped);
        _header = ItemFormat.Header(wrapped);
    }

    public QueueId Id { get; }

    private string TempPath => _spool.IncomingPath(Id);

    /// <exception cref="SpoolUnavailableException" />
    public ValueTask WriteAsync(ReadOnlyMemory<byte> octets, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isOver, this);
        cancellationToken.ThrowIfCancellationRequested();
        _spool.Guard(() => Append(octets.Span), Abandon);
        return ValueTask.CompletedTask;
    }

    /// <summary>Content and everything about it are durable when this returns: fsync of the file, rename, fsync of the directory.</summary>
    /// <exception cref="SpoolUnavailableException" />
    public async ValueTask<SpooledMail> CommitAsync(AcceptedMail mail, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isOver, this);
        cancellationToken.ThrowIfCancellationRequested();
        // From here on it is either durable or gone: nobody may give up in between.
        var item = await DiskThreads.RunAsync(() =>
        {
            SpooledMail? committed = null;
            _spool.Guard(() => committed = Commit(mail), Abandon);
            return committed!;
        });
        return item;
    }

    public ValueTask DisposeAsync()
    {
        if (!_isOver)
            Abandon();
        return ValueTask.CompletedTask;
    }

    private void Append(ReadOnlySpan<byte> octets)
    {
        while (!octets.IsEmpty)
        {
            if (_chunks.Count == 0 || _used == ItemFormat.ChunkLength)
                NextChunk();
            else if (_used == _chunks[^1].Length)
                GrowFirstChunk();
            var count = Math.Min(octets.Length, Math.Min(_chunks[^1].Length, ItemFormat.ChunkLength) - _used);
            octets[..count].CopyTo(_chunks[^1].AsSpan(_used));
            _used += count;
            _length += count;
            octets = octets[count..];
        }
    }

    private void NextChunk()
    {
        if (_stream is null && _length > 0 && (_length >= _spool.Options.KeepInMemory || !TryReserve()))
        {
            _spool.RequireSpace();
            OpenFile();
            Put(_header);
        }
        if (_stream is not null)
        {
            _spool.RequireSpace();
            // More follows, so none of these is the last.
            foreach (var chunk in _chunks)
                PutChunk(chunk.AsMemory(0, ItemFormat.ChunkLength), isLast: false);
            GiveBackChunks();
        }
        _chunks.Add(ArrayPool<byte>.Shared.Rent(_length == 0 ? FirstLength : ItemFormat.ChunkLength));
        _used = 0;
    }

    private void GrowFirstChunk()
    {
        var larger = ArrayPool<byte>.Shared.Rent(ItemFormat.ChunkLength);
        _chunks[0].AsSpan(0, _used).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_chunks[0]);
        _chunks[0] = larger;
    }

    private bool TryReserve()
    {
        if (!_spool.TryReserveMemory(ItemFormat.ChunkLength))
            return false;
        _reserved += ItemFormat.ChunkLength;
        return true;
    }

    private SpooledMail Commit(AcceptedMail mail)
    {
        var isSmall = _stream is null;
        if (isSmall)
            WriteWhole(mail);
        else
        {
            PutChunk(_chunks[^1].AsMemory(0, _used), isLast: true);
            Put(ItemFormat.Tail(_keys, _header, _length, mail));
        }
        RandomAccess.FlushToDisk(_stream!.SafeFileHandle);
        _stream.Dispose();

        var path = _spool.MailPath(Id);
        File.Move(TempPath, path);
        try
        {
            _spool.QueueSync.Flush();
        }
        catch
        {
            // It will be refused, so it must not be delivered either.
            File.Delete(path);
            throw;
        }
        // What it took while it came it needs no more.
        GiveBackReserve();
        var kept = isSmall && _length <= _spool.Options.KeepInMemory && _spool.TryReserveMemory(_length) ? CopyChunks() : null;
        var content = new SpoolContent(path, _keys, _header.Length, _length, kept);
        var item = new SpooledMail(_spool, Id, mail, content, path, new SpoolJournal(_spool.LogPath(Id), _keys, _spool.QueueSync));
        Close();
        return item;
    }

    /// <summary>Small content: one write for the whole file.</summary>
    private void WriteWhole(AcceptedMail mail)
    {
        var tail = ItemFormat.Tail(_keys, _header, _length, mail);
        var total = checked((int)(_header.Length + ItemFormat.SealedLength(_length) + tail.Length));
        var whole = ArrayPool<byte>.Shared.Rent(total);
        try
        {
            _header.CopyTo(whole, 0);
            var at = _header.Length;
            for (var i = 0; i < Math.Max(1, _chunks.Count); i++)
            {
                var isLast = i >= _chunks.Count - 1;
                var plain = _chunks.Count == 0 ? [] : _chunks[i].AsSpan(0, isLast ? _used : ItemFormat.ChunkLength);
                Seal(plain, whole.AsSpan(at, plain.Length), whole.AsSpan(at + plain.Length, ItemKeys.TagLength), isLast);
                at += plain.Length + ItemKeys.TagLength;
            }
            tail.CopyTo(whole, at);
            OpenFile();
            Put(whole.AsSpan(0, total));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(whole);
        }
    }

    private void OpenFile()
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.Read, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        _stream = new FileStream(TempPath, options);
    }

    private void Put(ReadOnlySpan<byte> octets)
    {
        _spool.BeforeWrite?.Invoke();
        RandomAccess.Write(_stream!.SafeFileHandle, octets, _written);
        _written += octets.Length;
    }

    /// <summary>Seals in place: the chunk's plain content is gone.</summary>
    private void PutChunk(Memory<byte> chunk, bool isLast)
    {
        var tag = new byte[ItemKeys.TagLength];
        Seal(chunk.Span, chunk.Span, tag, isLast);
        _spool.BeforeWrite?.Invoke();
        RandomAccess.Write(_stream!.SafeFileHandle, [chunk, tag], _written);
        _written += chunk.Length + tag.Length;
    }

    private void Seal(ReadOnlySpan<byte> plain, Span<byte> sealedOctets, Span<byte> tag, bool isLast)
    {
        _gcm ??= _keys.ForContent();
        Span<byte> nonce = stackalloc byte[ItemKeys.NonceLength];
        ItemKeys.ContentNonce(nonce, _sealedChunks++, isLast);
        _gcm.Encrypt(nonce, plain, sealedOctets, tag);
    }

    private byte[][] CopyChunks()
    {
        var copy = new byte[Math.Max(1, _chunks.Count)][];
        copy[0] = [];
        for (var i = 0; i < _chunks.Count; i++)
            copy[i] = _chunks[i].AsSpan(0, i == _chunks.Count - 1 ? _used : ItemFormat.ChunkLength).ToArray();
        return copy;
    }

    private void Abandon()
    {
        var hadFile = _stream is not null;
        Close();
        if (hadFile)
            MailSpool.TryDelete(TempPath);
    }

    private void Close()
    {
        _isOver = true;
        _stream?.Dispose();
        _gcm?.Dispose();
        _gcm = null;
        GiveBackChunks();
    }

    private void GiveBackChunks()
    {
        foreach (var chunk in _chunks)
            ArrayPool<byte>.Shared.Return(chunk);
        _chunks.Clear();
        GiveBackReserve();
    }

    private void GiveBackReserve()
    {
        _spool.FreeMemory(_reserved);
        _reserved = 0;
    }
}
