using System.Buffers;
using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;

namespace GatewaySecure.Smtp.Server;

/// <summary>The dialogue is over: the peer is gone, too slow, or sent away.</summary>
/// <param name="lastWord">Said before closing, if anybody is there to hear it.</param>
internal sealed class DialogueEndedException(SmtpReply? lastWord) : Exception("The dialogue is over.")
{
    public SmtpReply? LastWord { get; } = lastWord;
}

/// <summary>
/// The octets of one connection with their deadlines: reads lines and content, holds replies back until input runs out (so
/// that pipelined commands are answered in one flush, RFC 2920 §3.2), and puts TLS between. Whatever ends the connection,
/// it says so by <see cref="DialogueEndedException"/>.
/// </summary>
internal sealed class ServerConnection : IAsyncDisposable
{
    private const int MaxUnflushed = 16 * 1024;
    private static readonly TimeSpan LastWordTimeout = TimeSpan.FromSeconds(5);

    private readonly IDuplexPipe _clear;
    private readonly Watch _watch;
    private readonly CancellationToken _abort;
    private readonly TimeProvider _time;

    private PipeReader _input;
    private PipeWriter _output;
    private SslStream? _tls;
    private int _unflushed;
    private bool _broken;

    public ServerConnection(IDuplexPipe transport, SmtpServerOptions options, TimeProvider time, CancellationToken shutdown, CancellationToken abort)
    {
        _clear = transport;
        _input = transport.Input;
        _output = transport.Output;
        _time = time;
        _abort = abort;
        _watch = new Watch(options, time, shutdown, abort);
    }

    public SslStream? Tls => _tls;

    /// <summary>Of the message that arrives.</summary>
    public void BeginMessage() => _watch.BeginMessage();

    public void EndMessage() => _watch.EndMessage();

    /// <summary>True where input beyond the last command has arrived already.</summary>
    public bool HasBufferedInput
    {
        get
        {
            if (!_input.TryRead(out var result))
                return false;
            var any = !result.Buffer.IsEmpty;
            _input.AdvanceTo(result.Buffer.Start);
            return any;
        }
    }

    /// <summary>
    /// One line without its CRLF, as octets that live until the next call; null where it is longer than allowed (it has then
    /// been read to its end and forgotten). Only CRLF ends a line.
    /// </summary>
    /// <param name="limit">With CRLF; may look at the start of the line.</param>
    /// <param name="interruptible">A shutdown ends the wait.</param>
    public async ValueTask<byte[]?> ReadLineAsync(Func<ReadOnlySequence<byte>, int> limit, bool interruptible)
    {
        var deadline = _watch.CommandDeadline();
        var tooLong = false;
        while (true)
        {
            var result = await ReadAsync(deadline, interruptible);
            var buffer = result.Buffer;
            if (TryFindCrLf(buffer, out var end, out var next))
            {
                var line = buffer.Slice(0, end);
                var fits = !tooLong && line.Length + 2 <= limit(buffer);
                var octets = fits ? line.ToArray() : null;
                _input.AdvanceTo(next);
                return octets;
            }
            if (result.IsCompleted)
            {
                _input.AdvanceTo(buffer.End);
                throw new DialogueEndedException(null);
            }
            if (tooLong || buffer.Length > limit(buffer))
            {
                // Forget all but the last octet, which may be the CR of the CRLF to come.
                tooLong = true;
                _input.AdvanceTo(buffer.GetPosition(buffer.Length - 1), buffer.End);
            }
            else
            {
                _input.AdvanceTo(buffer.Start, buffer.End);
            }
        }
    }

    /// <summary>At least one octet of content. <see cref="AdvanceTo"/> must follow.</summary>
    public async ValueTask<ReadOnlySequence<byte>> ReadContentAsync()
    {
        while (true)
        {
            var result = await ReadAsync(_watch.DataDeadline(), interruptible: false);
            if (!result.Buffer.IsEmpty)
                return result.Buffer;
            _input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
                throw new DialogueEndedException(null);
        }
    }

    public void AdvanceTo(SequencePosition consumed) => _input.AdvanceTo(consumed);

    /// <summary>Held back until input runs out or <see cref="FlushAsync"/>.</summary>
    public ValueTask WriteAsync(SmtpReply reply)
    {
        _unflushed += ReplyFormat.Write(_output, reply);
        return _unflushed > MaxUnflushed ? FlushAsync() : ValueTask.CompletedTask;
    }

    public ValueTask FlushAsync() => FlushAsync(_watch.CommandDeadline());

    /// <summary>Says it if it can be said soon, and never fails.</summary>
    public async ValueTask SayLastWordAsync(SmtpReply reply)
    {
        if (_broken)
            return;
        try
        {
            _unflushed += ReplyFormat.Write(_output, reply);
            await FlushAsync(_watch.After(LastWordTimeout));
        }
        catch (DialogueEndedException)
        {
            // Nobody listens any more.
        }
    }

    /// <summary>From here on everything is under TLS.</summary>
    /// <exception cref="DialogueEndedException">The handshake failed; nothing more can be said.</exception>
    public async Task StartTlsAsync(SslServerAuthenticationOptions options, TimeSpan limit, Action<Exception> onFault)
    {
        var tls = new SslStream(new DuplexPipeStream(_clear), leaveInnerStreamOpen: true);
        using var timer = new CancellationTokenSource(limit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, _abort);
        try
        {
            await tls.AuthenticateAsServerAsync(options, either.Token);
        }
        catch (Exception e) when (IsTransportFault(e) || e is AuthenticationException)
        {
            _broken = true;
            await tls.DisposeAsync();
            onFault(e);
            throw new DialogueEndedException(null);
        }
        _tls = tls;
        _input = PipeReader.Create(tls, new StreamPipeReaderOptions(bufferSize: 16 * 1024, minimumReadSize: 4 * 1024, leaveOpen: true));
        _output = PipeWriter.Create(tls, new StreamPipeWriterOptions(leaveOpen: true));
    }

    /// <summary>Ends TLS in good order where the peer still takes it, and completes the transport.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_tls is not null)
        {
            try
            {
                // Bounded, because a peer that does not read would hold the last octets back for ever.
                await EndTlsAsync(_tls).WaitAsync(LastWordTimeout, _time, _abort);
            }
            catch (Exception e) when (IsTransportFault(e) || e is TimeoutException or InvalidOperationException)
            {
                // The peer has left; there is nobody to say goodbye to.
            }
            finally
            {
                (_input, _output) = (_clear.Input, _clear.Output);
                await _tls.DisposeAsync();
            }
        }
        _watch.Dispose();
        await _clear.Input.CompleteAsync();
        await _clear.Output.CompleteAsync();
    }

    private async Task EndTlsAsync(SslStream tls)
    {
        await _input.CompleteAsync();
        // With an exception, so that it writes nothing more.
        await _output.CompleteAsync(_broken ? new IOException("The connection is broken.") : null);
        if (!_broken)
            await tls.ShutdownAsync();
    }

    private static bool IsTransportFault(Exception e) =>
        e is IOException or OperationCanceledException or ObjectDisposedException or System.Net.Sockets.SocketException;

    private async ValueTask<ReadResult> ReadAsync(long deadline, bool interruptible)
    {
        while (true)
        {
            if (_input.TryRead(out var result) && !result.IsCanceled && (!result.Buffer.IsEmpty || result.IsCompleted))
            {
                // Input that keeps coming must not outrun the deadline or the end of the session.
                if (_watch.IsPast(deadline))
                {
                    _input.AdvanceTo(result.Buffer.Start);
                    throw new DialogueEndedException(Replies.TooSlow);
                }
                return result;
            }
            if (result.IsCanceled || !result.Buffer.IsEmpty)
                _input.AdvanceTo(result.Buffer.Start, result.Buffer.End);

            await FlushAsync(deadline);
            _watch.Begin(_input, null, deadline, interruptible);
            try
            {
                result = await _input.ReadAsync(CancellationToken.None);
            }
            catch (Exception e) when (IsTransportFault(e))
            {
                _broken = true;
                throw new DialogueEndedException(null);
            }
            finally
            {
                _watch.End();
            }
            if (!result.IsCanceled)
                return result;
            _input.AdvanceTo(result.Buffer.Start);
            _watch.ThrowIfOver(deadline, interruptible);
        }
    }

    private async ValueTask FlushAsync(long deadline)
    {
        if (_unflushed == 0)
            return;
        _unflushed = 0;
        _watch.Begin(null, _output, deadline, interruptible: false);
        try
        {
            var result = await _output.FlushAsync(CancellationToken.None);
            if (!result.IsCanceled && !result.IsCompleted)
                return;
        }
        catch (Exception e) when (IsTransportFault(e))
        {
            // Told below.
        }
        finally
        {
            _watch.End();
        }
        _broken = true;
        throw new DialogueEndedException(null);
    }

    private static bool TryFindCrLf(ReadOnlySequence<byte> buffer, out SequencePosition end, out SequencePosition next)
    {
        var reader = new SequenceReader<byte>(buffer);
        var found = reader.TryReadTo(out ReadOnlySequence<byte> line, "\r\n"u8, advancePastDelimiter: true);
        end = line.End;
        next = reader.Position;
        return found;
    }
}
