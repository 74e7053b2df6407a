using System.Buffers;
using System.Security.Cryptography;
using GatewaySecure.MailProtection;
using Microsoft.Win32.SafeHandles;

namespace GatewaySecure.Gateway.Spool;

/// <summary>The content of one item: from memory until that is released, then from its file. Every octet given was authenticated.</summary>
internal sealed class SpoolContent(string path, ItemKeys keys, int offset, long length, byte[][]? inMemory) : IMailContent
{
    private volatile byte[][]? _inMemory = inMemory;

    public long Length => length;

    /// <summary>Whether there was something to let go; readers that are open keep theirs.</summary>
    public bool ReleaseMemory()
    {
        var had = _inMemory is not null;
        _inMemory = null;
        return had;
    }

    public Stream OpenRead() => _inMemory is { } chunks ? new MemoryReader(chunks, length) : new FileReader(path, keys, offset, length);

    /// <summary>Forward only. Reads do not wait for anything but the local disk, so the asynchronous ones complete at once.</summary>
    private abstract class Reader(long length) : Stream
    {
        private long _position;
        private ReadOnlyMemory<byte> _chunk;
        private long _next;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position
        {
            get => _position;
            set => throw new NotSupportedException();
        }

        protected bool IsDisposed { get; private set; }

        public override int Read(Span<byte> buffer)
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            if (buffer.IsEmpty)
                return 0;
            if (_chunk.IsEmpty && _next < ItemFormat.ChunkCount(length))
            {
                _chunk = Chunk(_next);
                _next++;
            }
            var count = Math.Min(buffer.Length, _chunk.Length);
            _chunk.Span[..count].CopyTo(buffer);
            _chunk = _chunk[count..];
            _position += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (cancellationToken.IsCancellationRequested)
                return ValueTask.FromCanceled<int>(cancellationToken);
            try
            {
                return ValueTask.FromResult(Read(buffer.Span));
            }
            catch (IOException e)
            {
                return ValueTask.FromException<int>(e);
            }
            catch (InvalidDataException e)
            {
                return ValueTask.FromException<int>(e);
            }
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected abstract ReadOnlyMemory<byte> Chunk(long number);

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            _chunk = default;
            base.Dispose(disposing);
        }
    }

    private sealed class MemoryReader(byte[][] chunks, long length) : Reader(length)
    {
        protected override ReadOnlyMemory<byte> Chunk(long number) => chunks[number];
    }

    private sealed class FileReader : Reader
    {
        private readonly SafeFileHandle _file;
        private readonly AesGcm _gcm;
        private readonly int _offset;
        private readonly byte[] _sealed = ArrayPool<byte>.Shared.Rent(ItemFormat.ChunkLength + ItemKeys.TagLength);
        private readonly byte[] _plain = ArrayPool<byte>.Shared.Rent(ItemFormat.ChunkLength);

        public FileReader(string path, ItemKeys keys, int offset, long length)
            : base(length)
        {
            _file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            _gcm = keys.ForContent();
            _offset = offset;
        }

        protected override ReadOnlyMemory<byte> Chunk(long number)
        {
            var start = number * ItemFormat.ChunkLength;
            var count = (int)Math.Min(ItemFormat.ChunkLength, Length - start);
            var octets = _sealed.AsSpan(0, count + ItemKeys.TagLength);
            ItemFormat.ReadExactly(_file, octets, _offset + start + (number * ItemKeys.TagLength));
            Span<byte> nonce = stackalloc byte[ItemKeys.NonceLength];
            ItemKeys.ContentNonce(nonce, number, start + count == Length);
            try
            {
                _gcm.Decrypt(nonce, octets[..count], octets[count..], _plain.AsSpan(0, count));
            }
            catch (CryptographicException e)
            {
                throw new InvalidDataException("The content of a spool item was altered on the disk.", e);
            }
            return _plain.AsMemory(0, count);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing && !IsDisposed)
            {
                _file.Dispose();
                _gcm.Dispose();
                ArrayPool<byte>.Shared.Return(_sealed);
                ArrayPool<byte>.Shared.Return(_plain);
            }
            base.Dispose(disposing);
        }
    }
}
