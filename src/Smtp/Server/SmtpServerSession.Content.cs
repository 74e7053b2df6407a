namespace GatewaySecure.Smtp.Server;

// DATA (RFC 5321 §4.1.1.4) and BDAT (RFC 3030).
public sealed partial class SmtpServerSession
{
    private async ValueTask<SmtpReply> DataAsync(string arguments)
    {
        if (arguments.Length > 0)
            return Error(Replies.NoArguments);
        if (await StartMessageAsync(dots: true) is { } refusal)
            return await EndTransactionAsync(refusal);

        await _connection.WriteAsync(Replies.StartData);
        var message = _message!;
        while (!message.Reader.IsAtEnd)
        {
            var buffer = await _connection.ReadContentAsync();
            long used = 0;
            foreach (var segment in buffer)
            {
                var rest = segment;
                while (!rest.IsEmpty && !message.Reader.IsAtEnd)
                    await message.AcceptAsync(message.Reader.Next(ref rest));
                used += segment.Length - rest.Length;
            }
            _connection.AdvanceTo(buffer.GetPosition(used));
        }
        return await EndTransactionAsync(await message.CommitAsync());
    }

    private async ValueTask<SmtpReply> BdatAsync(string arguments, bool isLast)
    {
        if (!SmtpCommandParser.TryParseBdat(arguments, out var size))
            return LostInChunks();
        if (_message is null && await StartMessageAsync(dots: false) is { } refusal)
        {
            await SkipAsync(size);
            return await EndTransactionAsync(refusal);
        }

        var message = _message!;
        message.Announce(size);
        for (var left = size; left > 0;)
        {
            var buffer = await _connection.ReadContentAsync();
            if (buffer.Length > left)
                buffer = buffer.Slice(0, left);
            foreach (var segment in buffer)
            {
                var rest = segment;
                while (!rest.IsEmpty)
                    await message.AcceptAsync(message.Reader.Next(ref rest));
            }
            left -= buffer.Length;
            _connection.AdvanceTo(buffer.End);
        }
        if (isLast)
        {
            await message.AcceptAsync(message.Reader.Finish());
            return await EndTransactionAsync(await message.CommitAsync());
        }
        // RFC 3030 §2: a failure may be told at any chunk; chunks that are under way already are skipped and get 503.
        return message.Refusal is { } failure ? await EndTransactionAsync(failure) : Replies.ChunkReceived;
    }

    /// <summary>A chunk that may not come now: its octets are no commands, so they are read all the same.</summary>
    private async ValueTask<SmtpReply> SkipChunkAsync(string arguments, SmtpReply refusal)
    {
        if (!SmtpCommandParser.TryParseBdat(arguments, out var size))
            return LostInChunks();
        _connection.BeginMessage();
        await SkipAsync(size);
        _connection.EndMessage();
        return refusal;
    }

    /// <summary>Without a size nobody knows where the content ends and commands begin again.</summary>
    private SmtpReply LostInChunks()
    {
        _isClosing = true;
        return Error(Replies.BadBdat);
    }

    private async ValueTask SkipAsync(long size)
    {
        while (size > 0)
        {
            var buffer = await _connection.ReadContentAsync();
            if (buffer.Length > size)
                buffer = buffer.Slice(0, size);
            size -= buffer.Length;
            _connection.AdvanceTo(buffer.End);
        }
    }

    /// <summary>Null where a sink takes the content.</summary>
    private async ValueTask<SmtpReply?> StartMessageAsync(bool dots)
    {
        _connection.BeginMessage();
        MessageStart start;
        try
        {
            start = await _handler.OnMessageAsync(_peer, _envelope!, ProtocolWord(), _abort);
        }
        catch (Exception e) when (!_abort.IsCancellationRequested)
        {
            _handler.OnFault(_peer, e);
            return Replies.Fault;
        }
        if (start.Sink is { } sink)
        {
            // A listed device is listed by the address it connects from, not by what a proxy says.
            var options = _isProxied ? _options with { NormaliseBareLineEnds = false } : _options;
            _message = new MessageReceiver(sink, options, dots, e => _handler.OnFault(_peer, e), _abort);
            return null;
        }
        return start.Refusal is { IsPositive: false } refusal ? refusal : Replies.Fault;
    }

    /// <summary>RFC 5321 §4.1.1.4: whatever became of the message, its transaction is over.</summary>
    private async ValueTask<SmtpReply> EndTransactionAsync(SmtpReply reply)
    {
        await ForgetTransactionAsync();
        _state = SessionState.Greeted;
        if (reply.IsPositive)
            _junk = 0;
        return reply;
    }

    /// <summary>The word after <c>with</c> in a Received header (RFC 3848; RFC 6531 §4.3).</summary>
    private string ProtocolWord()
    {
        if (!_isExtended)
            return "SMTP";
        var word = _envelope!.SmtpUtf8 ? "UTF8SMTP" : "ESMTP";
        return word + (_peer.IsTls ? "S" : "") + (_peer.AuthenticatedAs is not null ? "A" : "");
    }
}
