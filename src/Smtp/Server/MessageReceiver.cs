namespace GatewaySecure.Smtp.Server;

/// <summary>
/// One message between the wire and its sink: counts octets against the limit as they arrive, remembers the first refusal and
/// then lets the rest run dry, so that the dialogue stays in step. A sink that throws refuses with 451.
/// </summary>
internal sealed class MessageReceiver(IMessageSink sink, SmtpServerOptions options, bool dots, Action<Exception> onFault, CancellationToken abort)
    : IAsyncDisposable
{
    private long _size;
    private SmtpReply? _refusal;

    /// <summary>The framing of this message; lives across all chunks of BDAT.</summary>
    public DataReader Reader { get; } = new(dots, options.NormaliseBareLineEnds);

    /// <summary>What the message is refused with, as far as it is known now.</summary>
    public SmtpReply? Refusal => _refusal ?? (Reader.HasBareLineEnd ? Replies.BareLineEnd : Reader.HasNul ? Replies.Nul : null);

    /// <summary>A chunk of that size is about to come: one that can't fit is refused before it was read.</summary>
    public void Announce(long octets)
    {
        if (octets > options.MaxMessageSize - _size)
            _refusal ??= Replies.TooBig;
    }

    public async ValueTask AcceptAsync(ReadOnlyMemory<byte> octets)
    {
        _size += octets.Length;
        if (octets.IsEmpty || Refusal is not null)
            return;
        if (_size > options.MaxMessageSize)
        {
            _refusal = Replies.TooBig;
            return;
        }
        try
        {
            if (await sink.WriteAsync(octets, abort) is { } refusal)
                _refusal = refusal.IsTransient || refusal.IsPermanent ? refusal : Fault(refusal);
        }
        catch (Exception e) when (!abort.IsCancellationRequested)
        {
            onFault(e);
            _refusal = Replies.Fault;
        }
    }

    /// <summary>The reply to the whole message.</summary>
    public async ValueTask<SmtpReply> CommitAsync()
    {
        if (Refusal is { } refusal)
            return refusal;
        try
        {
            var reply = await sink.CommitAsync(abort);
            return reply.Code is >= 200 and < 300 or >= 400 and < 600 ? reply : Fault(reply);
        }
        catch (Exception e) when (!abort.IsCancellationRequested)
        {
            onFault(e);
            return Replies.Fault;
        }
    }

    /// <summary>A sink that can't even be discarded is reported, and changes nothing for the peer.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await sink.DisposeAsync();
        }
        catch (Exception e)
        {
            onFault(e);
        }
    }

    private SmtpReply Fault(SmtpReply wrong)
    {
        onFault(new InvalidOperationException($"A sink may not answer {wrong.Code} here."));
        return Replies.Fault;
    }
}
