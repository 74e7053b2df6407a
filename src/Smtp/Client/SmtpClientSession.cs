using System.Collections.Immutable;
using System.Text;

namespace GatewaySecure.Smtp.Client;

/// <summary>
/// One SMTP connection seen from the client (RFC 5321): greeting, EHLO, TLS, and then message after message, byte-exact (DATA adds
/// a CRLF where content does not end with one; BDAT adds nothing). Calls come one at a time.
/// </summary>
public sealed class SmtpClientSession : IAsyncDisposable
{
    private readonly ClientConnection _connection;
    private readonly SmtpClientOptions _options;

    /// <summary>The 421 after which the peer says nothing more; it stands for every answer that is still due.</summary>
    private SmtpReply? _farewell;

    /// <summary>The peer may still hold a transaction open.</summary>
    private bool _needsReset;

    private SmtpClientSession(ClientConnection connection, SmtpClientOptions options, SmtpExtensions extensions) =>
        (_connection, _options, Extensions, TlsDescription) =
            (connection, options, extensions, connection.Tls is { } tls ? TlsNames.Describe(tls) : null);

    /// <summary>What the peer offers, as said last (under TLS where there is TLS).</summary>
    public SmtpExtensions Extensions { get; }

    public bool IsTls => TlsDescription is not null;

    /// <summary>Such as <c>TLSv1.3:TLS_AES_256_GCM_SHA384</c>; null without TLS.</summary>
    public string? TlsDescription { get; }

    /// <summary>True where another message may be sent on this connection.</summary>
    public bool IsUsable { get; private set; } = true;

    /// <summary>Greeting, EHLO (or HELO), TLS by policy, AUTH where credentials were given. Owns the stream from here on.</summary>
    /// <exception cref="SmtpClientException">No session; the stream is closed.</exception>
    public static async Task<SmtpClientSession> ConnectAsync(Stream transport, SmtpClientOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(transport);
        ArgumentNullException.ThrowIfNull(options);
        if (options.ImplicitTls && options.Tls == TlsPolicy.Never)
            throw new ArgumentException("Implicit TLS and no TLS exclude each other.", nameof(options));
        var connection = new ClientConnection(transport, options);
        try
        {
            var extensions = await new Handshake(connection, options, cancellationToken).RunAsync();
            return new SmtpClientSession(connection, options, extensions);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Sends one message and gives one result for each recipient, in the envelope's order. What the peer can't take is refused
    /// here, without a word to it: 5.6.7 (SMTPUTF8), 5.6.3 (8-bit), 5.3.4 (size), 5.6.0 (bare CR or LF, where there is no CHUNKING).
    /// If the content throws, the connection is closed without the end of the message and the exception goes on.
    /// </summary>
    /// <exception cref="SmtpClientException">The connection broke; nothing is known of the recipients.</exception>
    /// <exception cref="InvalidOperationException">The session is not usable, or the content broke its promise of a length.</exception>
    public async Task<ImmutableArray<RecipientResult>> SendAsync(Envelope envelope, IOutgoingContent content, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        ArgumentNullException.ThrowIfNull(content);
        if (!IsUsable)
            throw new InvalidOperationException("The session is not usable any more.");
        if (envelope.Recipients.IsDefaultOrEmpty)
            throw new ArgumentException("No recipients.", nameof(envelope));
        if (Obstacle(envelope, content) is { } obstacle)
            return Results(envelope, _ => obstacle);

        // True again only where the dialogue is known to be in step.
        IsUsable = false;
        if (_needsReset && await AskAsync("RSET", cancellationToken) is { Code: not 250 } refusal)
            return await GiveUpAsync(envelope, refusal);
        var results = await TransactAsync(envelope, content, cancellationToken);
        if (_farewell is not null)
            await _connection.DisposeAsync();
        return results;
    }

    /// <summary>Also tells whether the peer is still there: it throws, or <see cref="IsUsable"/> is false, where it is not.</summary>
    /// <exception cref="SmtpClientException">The connection broke.</exception>
    public async Task RsetAsync(CancellationToken cancellationToken)
    {
        if (!IsUsable)
            throw new InvalidOperationException("The session is not usable any more.");
        IsUsable = false;
        IsUsable = await AskAsync("RSET", cancellationToken) is { Code: 250 };
        _needsReset = false;
    }

    /// <summary>Says QUIT and closes. Does not throw for what the peer does.</summary>
    public async Task QuitAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (IsUsable)
            {
                IsUsable = false;
                await _connection.WriteLineAsync("QUIT", _options.QuitTimeout, cancellationToken);
                await _connection.ReadReplyAsync(_options.QuitTimeout, cancellationToken);
            }
        }
        catch (SmtpClientException)
        {
            // It is over either way.
        }
        finally
        {
            await DisposeAsync();
        }
    }

    /// <summary>Closes the connection, without a word.</summary>
    public ValueTask DisposeAsync()
    {
        IsUsable = false;
        return _connection.DisposeAsync();
    }

    /// <summary>Why the message can't go to this peer, whoever it is for.</summary>
    private SmtpReply? Obstacle(Envelope envelope, IOutgoingContent content)
    {
        if (CommandLines.NeedsUtf8(envelope) && !Extensions.SmtpUtf8)
            return new SmtpReply(553, "5.6.7", "The next server does not offer SMTPUTF8");
        if ((content.MayHoldEightBit && !Extensions.EightBitMime) || envelope.Body == BodyType.BinaryMime)
            return new SmtpReply(554, "5.6.3", "The next server can't take this body as it is, and it must not be changed");
        if (content.Length > Extensions.MaxMessageSize)
            return new SmtpReply(552, "5.3.4", "The message is larger than the next server takes");
        return null;
    }

    private async Task<ImmutableArray<RecipientResult>> TransactAsync(Envelope envelope, IOutgoingContent content, CancellationToken cancellationToken)
    {
        var commands = new List<string>(envelope.Recipients.Length + 2) { CommandLines.Mail(envelope, content, Extensions) };
        foreach (var recipient in envelope.Recipients)
            commands.Add(CommandLines.Rcpt(recipient, envelope, Extensions));
        var chunked = Extensions.Chunking && _options.UseChunking;
        var pipelined = Extensions.Pipelining && _options.UsePipelining;
        // RFC 2920 §3.1: DATA may end the group. BDAT may not here: content would be on its way before anybody wants it.
        if (pipelined && !chunked)
            commands.Add("DATA");

        _needsReset = true;
        var replies = pipelined ? await AskTogetherAsync(commands, cancellationToken) : await AskOneByOneAsync(commands, cancellationToken);
        // In a positive sense MAIL and RCPT know 2yz only.
        if (replies.Take(envelope.Recipients.Length + 1).FirstOrDefault(r => r.IsPositive && !IsSuccess(r)) is { } odd)
            throw Unexpected("MAIL or RCPT", odd);
        var mail = replies[0];
        var recipients = replies.GetRange(1, envelope.Recipients.Length);
        var data = pipelined && !chunked ? replies[^1] : null;

        var anybody = IsSuccess(mail) && recipients.Any(IsSuccess);
        if (!anybody)
        {
            if (data is { Code: 354 })
                await TakeBackAsync(cancellationToken);
            IsUsable = _farewell is null;
            return Results(envelope, i => IsSuccess(mail) ? recipients[i] : mail);
        }
        if (!chunked)
            data ??= await AskAsync("DATA", _options.DataInitiationTimeout, cancellationToken);
        if (data is { IsPositive: true, Code: not 354 })
            throw Unexpected("DATA", data);
        if (data is { Code: not 354 })
            return EndOfMessage(envelope, recipients, data);
        if (chunked && _farewell is { } farewell)
            return EndOfMessage(envelope, recipients, farewell);
        return EndOfMessage(envelope, recipients, await SendContentAsync(content, chunked, cancellationToken));
    }

    /// <summary>The whole content and the answer to it.</summary>
    private async Task<SmtpReply> SendContentAsync(IOutgoingContent content, bool chunked, CancellationToken cancellationToken)
    {
        await using var stream = new ContentStream(_connection, content.Length, dots: !chunked, _options.DataBlockTimeout);
        try
        {
            if (chunked)
                stream.PutCommand(Encoding.ASCII.GetBytes(FormattableString.Invariant($"BDAT {content.Length} LAST\r\n")));
            await content.WriteToAsync(stream, cancellationToken);
            await stream.CompleteAsync(cancellationToken);
        }
        catch (Exception e)
        {
            // No final dot, no whole chunk: the peer can't take this half for a message.
            await _connection.DisposeAsync();
            if (stream.TransportFault is { } fault && !ReferenceEquals(fault, e))
                throw fault;
            if (stream.HasBareLineEnd)
            {
                _farewell = new SmtpReply(554, "5.6.0", "The message holds a CR or LF outside CRLF, which can't travel safely");
                return _farewell;
            }
            throw;
        }
        stream.Release();
        return await ReadAsync(_options.DataTerminationTimeout, cancellationToken, "the reply to the end of the mail");
    }

    private ImmutableArray<RecipientResult> EndOfMessage(Envelope envelope, List<SmtpReply> recipients, SmtpReply end)
    {
        if (end.IsPositive && !IsSuccess(end))
            throw Unexpected("the message", end);
        IsUsable = _farewell is null;
        _needsReset = !IsSuccess(end);
        return Results(envelope, i => IsSuccess(recipients[i]) ? end : recipients[i]);
    }

    /// <summary>RFC 2920 §3.1: the peer wants content though it took no recipient. It gets an empty message for nobody.</summary>
    private async Task TakeBackAsync(CancellationToken cancellationToken)
    {
        await _connection.WriteLineAsync(".", _options.CommandTimeout, cancellationToken);
        await ReadAsync(_options.DataTerminationTimeout, cancellationToken);
    }

    /// <summary>One write, then all replies; reading begins at once, so that neither side waits for the other (RFC 2920 §3.1).</summary>
    private async Task<List<SmtpReply>> AskTogetherAsync(List<string> commands, CancellationToken cancellationToken)
    {
        await HearUnaskedAsync(cancellationToken);
        if (_farewell is { } farewell)
            return [.. Enumerable.Repeat(farewell, commands.Count)];
        var octets = Encoding.UTF8.GetBytes(string.Join("\r\n", commands) + "\r\n");
        var writing = _connection.WriteAsync(octets, _options.CommandTimeout, cancellationToken).AsTask();
        var replies = new List<SmtpReply>(commands.Count);
        try
        {
            foreach (var command in commands)
                replies.Add(await ReadAsync(command == "DATA" ? _options.DataInitiationTimeout : _options.CommandTimeout, cancellationToken));
        }
        catch
        {
            await _connection.DisposeAsync();
            await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
        if (_farewell is not null)
            await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        else
            await writing;
        return replies;
    }

    private async Task<List<SmtpReply>> AskOneByOneAsync(List<string> commands, CancellationToken cancellationToken)
    {
        var replies = new List<SmtpReply>(commands.Count);
        foreach (var command in commands)
        {
            // Where MAIL was refused, RCPT could only be told so.
            replies.Add(replies.Count > 0 && !IsSuccess(replies[0]) ? replies[0] : await AskAsync(command, cancellationToken));
        }
        return replies;
    }

    private Task<SmtpReply> AskAsync(string line, CancellationToken cancellationToken) =>
        AskAsync(line, _options.CommandTimeout, cancellationToken);

    private async Task<SmtpReply> AskAsync(string line, TimeSpan limit, CancellationToken cancellationToken)
    {
        await HearUnaskedAsync(cancellationToken);
        if (_farewell is not null)
            return _farewell;
        await _connection.WriteLineAsync(line, limit, cancellationToken);
        return await ReadAsync(limit, cancellationToken);
    }

    /// <summary>
    /// A peer may say 421 unasked (RFC 5321 §3.8). Any other reply nobody asked for would be taken for the answer to the next
    /// command, and every answer after it for another's.
    /// </summary>
    private async Task HearUnaskedAsync(CancellationToken cancellationToken)
    {
        if (_farewell is null && _connection.HasBufferedInput && await ReadAsync(_options.CommandTimeout, cancellationToken) is { Code: not 421 } odd)
            throw Unexpected("nothing", odd);
    }

    private async Task<SmtpReply> ReadAsync(TimeSpan limit, CancellationToken cancellationToken, string what = "a reply")
    {
        if (_farewell is not null)
            return _farewell;
        var reply = await _connection.ReadReplyAsync(limit, cancellationToken, what);
        if (reply.Code == 421)
            _farewell = reply;
        return reply;
    }

    private async Task<ImmutableArray<RecipientResult>> GiveUpAsync(Envelope envelope, SmtpReply why)
    {
        await _connection.DisposeAsync();
        // A peer that refuses RSET says nothing about this message.
        var reply = why.IsTransient ? why : new SmtpReply(451, "4.5.0", $"The next server refused RSET with {why.Code}");
        return Results(envelope, _ => reply);
    }

    private ImmutableArray<RecipientResult> Results(Envelope envelope, Func<int, SmtpReply> reply) =>
        [.. envelope.Recipients.Select((recipient, i) => new RecipientResult(recipient, reply(i), Extensions.Dsn))];

    private static SmtpClientException Unexpected(string what, SmtpReply reply) =>
        new(SmtpClientFailure.Protocol, $"The peer answered {what} with {reply.Code}.");

    private static bool IsSuccess(SmtpReply reply) => reply.Code is >= 200 and < 300;
}

/// <summary>How it went for one recipient.</summary>
/// <param name="Recipient">As in the envelope.</param>
/// <param name="Reply">Positive: the peer has taken over. Transient: try again. Permanent: give up, with this reason.</param>
/// <param name="DsnRelayed">The peer offers DSN and got the sender's wishes for reports, so it reports success itself (RFC 3461 §5.2.2).</param>
public sealed record RecipientResult(EnvelopeRecipient Recipient, SmtpReply Reply, bool DsnRelayed);
