namespace GatewaySecure.MailAuthentication.Dkim;

/// <summary>Takes a message, keeps its header and hashes its body (relaxed). Its octets come in pieces of any size and go nowhere.</summary>
internal sealed class MessageDigestStream : Stream
{
    private readonly BodyHash _body = new(Canonicalisation.Relaxed, limit: null);
    private readonly HeaderBuffer _header = new();

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public (ReadOnlyMemory<byte> Header, byte[] BodyHash) Finish() => (_header.Octets, _body.Finish());

    public override void Write(ReadOnlySpan<byte> buffer) => _body.Append(_header.Take(buffer));

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _body.Dispose();
        base.Dispose(disposing);
    }
}
