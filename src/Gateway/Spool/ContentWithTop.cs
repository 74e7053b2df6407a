using GatewaySecure.MailProtection;

namespace GatewaySecure.Gateway.Spool;

/// <summary>Content with header fields put on top; the rest is octet for octet what it was.</summary>
internal sealed class ContentWithTop(byte[] top, IMailContent content) : IMailContent
{
    public long Length => top.Length + content.Length;

    public Stream OpenRead() => new Reader(top, content.OpenRead());

    /// <summary>Forward only.</summary>
    private sealed class Reader(byte[] top, Stream rest) : Stream
    {
        private long _position;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => top.Length + rest.Length;

        public override long Position
        {
            get => _position;
            set => throw new NotSupportedException();
        }

        public override int Read(Span<byte> buffer)
        {
            var count = _position < top.Length ? FromTop(buffer) : rest.Read(buffer);
            _position += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = _position < top.Length ? FromTop(buffer.Span) : await rest.ReadAsync(buffer, cancellationToken);
            _position += count;
            return count;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                rest.Dispose();
            base.Dispose(disposing);
        }

        private int FromTop(Span<byte> buffer)
        {
            var count = (int)Math.Min(buffer.Length, top.Length - _position);
            top.AsSpan((int)_position, count).CopyTo(buffer);
            return count;
        }
    }
}
