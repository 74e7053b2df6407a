using System.Buffers;
using System.IO.Pipelines;

namespace GatewaySecure.Smtp.Server;

/// <summary>
/// One SMTP connection seen from the server (RFC 5321), from greeting to close. Reads commands and content from the transport,
/// asks the handler, and answers each command with exactly one reply. What may follow what is in <c>SessionTable</c>.
/// </summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Design", "CA1001:Types that own disposable fields should be disposable", Justification = "RunAsync makes and disposes of them.")]
public sealed partial class SmtpServerSession
{
    private readonly IDuplexPipe _transport;
    private readonly SmtpServerOptions _options;
    private readonly ISmtpServerHandler _handler;
    private readonly TimeProvider _time;

    private ServerConnection _connection = null!;
    private CancellationToken _shutdown;
    private CancellationToken _abort;

    private SmtpPeer _peer;
    private SessionState _state = SessionState.Connected;
    private Envelope? _envelope;
    private MessageReceiver? _message;
    private bool _isExtended;
    private bool _isProxied;
    private SmtpReply? _sendAway;
    private bool _isClosing;
    private int _errors;
    private int _junk;
    private int _authenticationFailures;

    /// <param name="transport">Clear, unless <paramref name="peer"/> says TLS. The session completes both directions at its end.</param>
    /// <param name="peer">The two end points; and TLS, where the transport already is.</param>
    /// <param name="options">What this listener allows.</param>
    /// <param name="handler">For this connection alone.</param>
    /// <param name="timeProvider">For all deadlines.</param>
    /// <exception cref="ArgumentException">Implicit TLS without TLS options, or a limit that is not positive.</exception>
    public SmtpServerSession(
        IDuplexPipe transport, SmtpPeer peer, SmtpServerOptions options, ISmtpServerHandler handler, TimeProvider timeProvider)
    {
        ArgumentNullException.ThrowIfNull(transport);
        ArgumentNullException.ThrowIfNull(peer);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(handler);
        ArgumentNullException.ThrowIfNull(timeProvider);
        options.Check();
        (_transport, _peer, _options, _handler, _time) = (transport, peer, options, handler, timeProvider);
    }

    /// <summary>
    /// Runs to the end of the connection, once. Does not throw for what a peer or the handler does.
    /// </summary>
    /// <param name="shutdown">Content that is arriving is finished and answered; else 421 4.3.2 at once.</param>
    /// <param name="abort">Ends the session now, without a word. Handlers and sinks get this token.</param>
    public async Task RunAsync(CancellationToken shutdown, CancellationToken abort = default)
    {
        (_shutdown, _abort) = (shutdown, abort);
        _connection = new ServerConnection(_transport, _options, _time, shutdown, abort);
        try
        {
            if (_options.ImplicitTls && !_peer.IsTls)
                await UpgradeAsync();
            if (await GreetAsync())
                await ConverseAsync();
            await _connection.FlushAsync();
        }
        catch (DialogueEndedException end)
        {
            if (end.LastWord is { } word)
                await _connection.SayLastWordAsync(word);
        }
        catch (Exception) when (abort.IsCancellationRequested)
        {
            // Cut off as asked; what breaks because of that is no news.
        }
        finally
        {
            await ForgetTransactionAsync();
            await _connection.DisposeAsync();
        }
    }

    private async ValueTask<bool> GreetAsync()
    {
        var greeting = await GreetingAsync();
        await _connection.WriteAsync(greeting);
        return greeting.IsPositive;
    }

    private async ValueTask<SmtpReply> GreetingAsync()
    {
        SmtpReply? refusal;
        try
        {
            refusal = await _handler.OnConnectAsync(_peer, _abort);
        }
        catch (Exception e) when (!_abort.IsCancellationRequested)
        {
            _handler.OnFault(_peer, e);
            refusal = Replies.Unavailable;
        }
        return refusal ?? new SmtpReply(220, null, $"{_options.ServerName.Ascii} ESMTP ready");
    }

    private async Task ConverseAsync()
    {
        while (!_isClosing)
        {
            // A message whose chunks are arriving is finished first.
            var interruptible = _state != SessionState.Chunks;
            if (interruptible && _shutdown.IsCancellationRequested)
                throw new DialogueEndedException(Replies.ShuttingDown);

            var line = await _connection.ReadLineAsync(LineLimit, interruptible);
            if (await AnswerAsync(line) is { } reply)
                await SayAsync(reply);
        }
    }

    private async ValueTask SayAsync(SmtpReply reply)
    {
        // One reply for one command: the last straw is answered with 421 instead.
        if (_errors >= _options.MaxErrors)
            reply = Replies.TooManyErrors;
        else if (_junk >= _options.MaxJunkCommands)
            reply = Replies.TooManyJunkCommands;
        else if (_sendAway is not null)
            reply = _sendAway;
        // RFC 5321 §3.8: after 421 the connection is closed, whoever said it.
        _isClosing |= reply.Code == 421;
        await _connection.WriteAsync(reply);
    }

    /// <summary>The one reply to a line; null where the command has spoken for itself.</summary>
    private async ValueTask<SmtpReply?> AnswerAsync(byte[]? line)
    {
        if (line is null)
            return Error(Replies.LineTooLong);
        if (!SmtpCommandParser.TryDecodeLine(line, out var text))
            return Error(Replies.BadLine);

        var (verb, arguments) = SmtpCommandParser.SplitVerb(text);
        var (next, refusal) = SessionTable.Look(verb, _state);
        if (refusal is not null)
        {
            return verb is Verb.Bdat or Verb.BdatLast ? await SkipChunkAsync(arguments, refusal) : Error(refusal);
        }
        var reply = verb switch
        {
            Verb.Ehlo => await EhloAsync(arguments),
            Verb.Helo => await HeloAsync(arguments),
            Verb.StartTls => await StartTlsAsync(arguments),
            Verb.Xclient => await XclientAsync(arguments),
            Verb.Auth => await AuthAsync(arguments),
            Verb.Mail => await MailAsync(arguments),
            Verb.Rcpt => await RcptAsync(arguments),
            Verb.Data => await DataAsync(arguments),
            Verb.Bdat or Verb.BdatLast => await BdatAsync(arguments, isLast: verb == Verb.BdatLast),
            Verb.Rset => await RsetAsync(arguments),
            Verb.Noop => Junk(Replies.Ok),
            Verb.Vrfy => Junk(Replies.CannotVerify),
            Verb.Help => Junk(Replies.Help),
            Verb.Expn => Error(Replies.NotImplemented),
            Verb.Quit => Quit(arguments),
            _ => Error(Replies.Unknown),
        };
        if (reply is null || reply.IsPositive)
            _state = next;
        return reply;
    }

    /// <summary>Counts a protocol error.</summary>
    private SmtpReply Error(SmtpReply reply)
    {
        _errors++;
        _sendAway ??= _handler.OnError(_peer);
        return reply;
    }

    /// <summary>Counts a command that brings no message nearer.</summary>
    private SmtpReply Junk(SmtpReply reply)
    {
        _junk++;
        return reply;
    }

    /// <summary>What the handler answered, if it makes sense at this point; what does not is a fault, and temporary.</summary>
    private async ValueTask<SmtpReply> AskAsync(Func<ValueTask<SmtpReply>> question)
    {
        try
        {
            var reply = await question();
            if (reply.Code is >= 200 and < 300 or >= 400 and < 600)
                return reply;
            _handler.OnFault(_peer, new InvalidOperationException($"A handler may not answer {reply.Code} here."));
        }
        catch (Exception e) when (!_abort.IsCancellationRequested)
        {
            _handler.OnFault(_peer, e);
        }
        return Replies.Fault;
    }

    private async ValueTask ForgetTransactionAsync()
    {
        _envelope = null;
        _connection.EndMessage();
        if (_message is { } message)
        {
            _message = null;
            await message.DisposeAsync();
        }
    }

    /// <summary>For AUTH a line may be longer (RFC 4954 §4).</summary>
    private int LineLimit(ReadOnlySequence<byte> start)
    {
        if (start.Length < 5)
            return _options.MaxCommandLine;
        Span<byte> verb = stackalloc byte[5];
        start.Slice(0, 5).CopyTo(verb);
        return System.Text.Ascii.EqualsIgnoreCase(verb, "AUTH "u8) ? Authentication.MaxLine : _options.MaxCommandLine;
    }
}
