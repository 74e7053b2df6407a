using System.Buffers;

namespace GatewaySecure.Smtp.Client;

/// <summary>
/// Where a message's octets are written to: frames them for DATA (dots doubled at line starts, RFC 5321 §4.5.2) or BDAT (as
/// they are), in blocks. Counts them against the length that was promised. For DATA a CR or LF outside CRLF stops everything,
/// because the next server may take it for a line end (§2.3.8). Asynchronous only.
/// </summary>
internal sealed class ContentStream(ClientConnection connection, long length, bool dots, TimeSpan blockTimeout) : Stream
{
    private const int BlockSize = 32 * 1024;
    private const byte Cr = (byte)'\r';
    private const byte Lf = (byte)'\n';

    private readonly byte[] _block = ArrayPool<byte>.Shared.Rent(BlockSize);
    private int _used;
    private State _state = State.LineStart;

    private enum State
    {
        LineStart,
        Text,
        AfterCr,
    }

    public long Count { get; private set; }

    /// <summary>Why nothing more goes out: the content can't travel in DATA.</summary>
    public bool HasBareLineEnd { get; private set; }

    /// <summary>Why nothing more goes out: the connection.</summary>
    public SmtpClientException? TransportFault { get; private set; }

    public override bool CanRead => false;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Before the content, in the same block.</summary>
    public void PutCommand(ReadOnlySpan<byte> line)
    {
        line.CopyTo(_block.AsSpan(_used));
        _used += line.Length;
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (TransportFault is not null)
            throw TransportFault;
        if (buffer.Length > length - Count)
            throw new InvalidOperationException($"The content is longer than the {length} octets it promised.");
        Count += buffer.Length;
        while (!buffer.IsEmpty)
        {
            // The second octet of room is for a doubled dot.
            if (_used + 2 > BlockSize)
                await SendBlockAsync(cancellationToken);
            buffer = buffer[(dots ? Stuff(buffer.Span) : Copy(buffer.Span))..];
            if (HasBareLineEnd)
                throw new InvalidDataException("A CR or LF outside CRLF can't travel in DATA.");
        }
    }

    /// <summary>The end: for DATA the final dot, after a CRLF where the content has none at its end. Only for whole content.</summary>
    /// <exception cref="InvalidOperationException">The content is shorter than it promised.</exception>
    public async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        if (Count != length)
            throw new InvalidOperationException($"The content has {Count} octets and promised {length}.");
        if (dots)
        {
            if (_state == State.AfterCr)
            {
                HasBareLineEnd = true;
                throw new InvalidDataException("A CR at the end can't travel in DATA.");
            }
            var end = _state == State.LineStart ? ".\r\n"u8.ToArray() : "\r\n.\r\n"u8.ToArray();
            if (_used + end.Length > BlockSize)
                await SendBlockAsync(cancellationToken);
            PutCommand(end);
        }
        await SendBlockAsync(cancellationToken);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Blocks go out when they are full and at the end.</summary>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override void Write(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException("Content is written asynchronously.");

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Gives the block back; the session calls it once, after which nothing may be written.</summary>
    public void Release() => ArrayPool<byte>.Shared.Return(_block);

    private int Copy(ReadOnlySpan<byte> input)
    {
        var count = Math.Min(input.Length, BlockSize - _used);
        input[..count].CopyTo(_block.AsSpan(_used));
        _used += count;
        return count;
    }

    /// <summary>Fills the block and gives how much of the input it took.</summary>
    private int Stuff(ReadOnlySpan<byte> input)
    {
        var taken = 0;
        while (taken < input.Length && _used + 2 <= BlockSize)
        {
            var rest = input[taken..];
            switch (_state)
            {
                case State.LineStart:
                    if (rest[0] == '.')
                        _block[_used++] = (byte)'.';
                    _state = State.Text;
                    break;

                case State.AfterCr:
                    if (rest[0] != Lf)
                    {
                        HasBareLineEnd = true;
                        return taken;
                    }
                    _block[_used++] = Lf;
                    taken++;
                    _state = State.LineStart;
                    break;

                default:
                    var hit = rest.IndexOfAny(Cr, Lf);
                    if (hit >= 0 && rest[hit] == Lf)
                    {
                        HasBareLineEnd = true;
                        return taken;
                    }
                    var wanted = hit < 0 ? rest.Length : hit + 1;
                    var copied = Copy(rest[..wanted]);
                    taken += copied;
                    if (hit >= 0 && copied == wanted)
                        _state = State.AfterCr;
                    break;
            }
        }
        return taken;
    }

    private async ValueTask SendBlockAsync(CancellationToken cancellationToken)
    {
        try
        {
            await connection.WriteAsync(_block.AsMemory(0, _used), blockTimeout, cancellationToken);
            _used = 0;
        }
        catch (SmtpClientException e)
        {
            TransportFault = e;
            throw;
        }
    }
}
