using MimeKit;
using MimeKit.IO;
using MimeKit.IO.Filters;

namespace GatewaySecure.MailProtection.Opening;

/// <summary>
/// Octets that can be read again from the beginning, each time by an independent stream: a file, a part of it, what it decodes or decrypts to.
/// So a mail of any size is opened by reading it more than once, and never held.
/// </summary>
internal abstract class OctetSource
{
    public abstract Stream OpenRead();

    public OctetSource Slice(long offset, long length) => new Part(this, offset, length);

    /// <summary>Takes off a Content-Transfer-Encoding (RFC 2045 §6).</summary>
    public OctetSource Decode(string? transferEncoding) => transferEncoding?.Trim().ToLowerInvariant() switch
    {
        "base64" => new Decoded(this, ContentEncoding.Base64),
        "quoted-printable" => new Decoded(this, ContentEncoding.QuotedPrintable),
        _ => this,
    };

    /// <summary>Up to so many octets from the beginning.</summary>
    public byte[] Peek(int count)
    {
        using var stream = OpenRead();
        var buffer = new byte[count];
        return buffer[..stream.ReadAtLeast(buffer, count, throwOnEndOfStream: false)];
    }

    private sealed class Part(OctetSource whole, long offset, long length) : OctetSource
    {
        public override Stream OpenRead()
        {
            var stream = whole.OpenRead();
            Skip(stream, offset);
            return new LimitedStream(stream, length);
        }
    }

    private sealed class Decoded(OctetSource encoded, ContentEncoding encoding) : OctetSource
    {
        public override Stream OpenRead()
        {
            var filtered = new FilteredStream(encoded.OpenRead());
            filtered.Add(DecoderFilter.Create(encoding));
            return filtered;
        }
    }

    internal static void Skip(Stream stream, long count)
    {
        if (stream.CanSeek)
        {
            stream.Seek(count, SeekOrigin.Current);
            return;
        }
        var buffer = new byte[(int)Math.Min(count, 16 * 1024)];
        while (count > 0)
        {
            var read = stream.Read(buffer, 0, (int)Math.Min(count, buffer.Length));
            if (read == 0)
                throw new EndOfStreamException();
            count -= read;
        }
    }
}

/// <summary>The message itself.</summary>
internal sealed class ContentSource(IMailContent content) : OctetSource
{
    public override Stream OpenRead() => content.OpenRead();
}

/// <summary>What all our forward-only streams share.</summary>
internal abstract class ForwardStream : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public abstract override int Read(Span<byte> buffer);

    // What is below is a file or memory: another thread for each block would cost more than it saves.
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Read(buffer.Span));
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush() { }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

/// <summary>The next so many octets of a stream that it owns.</summary>
internal sealed class LimitedStream(Stream inner, long length) : ForwardStream
{
    private long _left = length;

    public override int Read(Span<byte> buffer)
    {
        var take = (int)Math.Min(buffer.Length, _left);
        var read = take == 0 ? 0 : inner.Read(buffer[..take]);
        _left -= read;
        return read;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            inner.Dispose();
        base.Dispose(disposing);
    }
}
