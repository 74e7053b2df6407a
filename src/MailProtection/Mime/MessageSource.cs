using System.Buffers;

namespace GatewaySecure.MailProtection.Mime;

/// <summary>
/// A message with its header parsed. A small one is read once and kept; of a larger one only the header stays in memory and
/// the body is read again when it is written.
/// </summary>
internal sealed class MessageSource
{
    /// <summary>Up to here a message is kept whole. Below the large object heap's limit.</summary>
    private const int KeepWholeUpTo = 64 * 1024;

    private const int MaximumHeader = 1024 * 1024;

    private readonly IMailContent _content;
    private readonly byte[]? _whole;

    private MessageSource(IMailContent content, HeaderBlock header, byte[]? whole)
    {
        _content = content;
        Header = header;
        _whole = whole;
    }

    public HeaderBlock Header { get; }

    public long BodyLength => _content.Length - Header.BodyOffset;

    /// <summary>Null: the header is larger than one megabyte.</summary>
    public static async ValueTask<MessageSource?> ReadAsync(IMailContent content, CancellationToken cancellationToken)
    {
        var stream = content.OpenRead();
        await using (stream)
        {
            if (content.Length <= KeepWholeUpTo)
            {
                var whole = new byte[content.Length];
                await stream.ReadExactlyAsync(whole, cancellationToken);
                return new MessageSource(content, HeaderBlock.TryParse(whole, isWhole: true)!, whole);
            }
            var size = KeepWholeUpTo;
            var buffer = new byte[size];
            var filled = 0;
            while (true)
            {
                filled += await stream.ReadAtLeastAsync(buffer.AsMemory(filled), size - filled, throwOnEndOfStream: false, cancellationToken);
                var isWhole = filled < size;
                if (HeaderBlock.TryParse(buffer.AsMemory(0, filled), isWhole) is { } header)
                    return new MessageSource(content, header, whole: null);
                if (size >= MaximumHeader)
                    return null;
                size *= 4;
                Array.Resize(ref buffer, size);
            }
        }
    }

    /// <summary>Hands over the body in blocks.</summary>
    /// <exception cref="IOException">The content is not as long as it said.</exception>
    public async ValueTask ReadBodyAsync(Func<ReadOnlyMemory<byte>, ValueTask> block, CancellationToken cancellationToken)
    {
        if (_whole is not null)
        {
            await block(_whole.AsMemory(Header.BodyOffset));
            return;
        }
        var buffer = ArrayPool<byte>.Shared.Rent(PassThroughWriter.BlockSize);
        var stream = _content.OpenRead();
        try
        {
            long toSkip = Header.BodyOffset;
            var left = _content.Length;
            while (left > 0)
            {
                var read = await stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(PassThroughWriter.BlockSize, left)), cancellationToken);
                if (read == 0)
                    throw new EndOfStreamException("The content ended before its length.");
                left -= read;
                var skipped = (int)Math.Min(toSkip, read);
                toSkip -= skipped;
                if (skipped < read)
                    await block(buffer.AsMemory(skipped, read - skipped));
            }
            if (await stream.ReadAsync(buffer.AsMemory(0, 1), cancellationToken) != 0)
                throw new IOException("The content is longer than its length.");
        }
        finally
        {
            await stream.DisposeAsync();
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }
}

/// <summary>Copies a message unchanged, in blocks.</summary>
internal static class PassThroughWriter
{
    public const int BlockSize = 32 * 1024;

    /// <exception cref="IOException">The content is not as long as it said.</exception>
    public static async ValueTask WriteAsync(IMailContent content, Stream destination, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BlockSize);
        var stream = content.OpenRead();
        try
        {
            long written = 0;
            int read;
            while ((read = await stream.ReadAsync(buffer.AsMemory(0, BlockSize), cancellationToken)) > 0)
            {
                written += read;
                if (written > content.Length)
                    throw new IOException("The content is longer than its length.");
                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }
            if (written != content.Length)
                throw new EndOfStreamException("The content ended before its length.");
        }
        finally
        {
            await stream.DisposeAsync();
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }
}
