using System.Net.Security;
using System.Security.Authentication;
using System.Text;

namespace GatewaySecure.Smtp.Client;

/// <summary>
/// The octets of one outgoing connection with their time limits: commands out, replies in, TLS between. Whatever breaks it is a
/// <see cref="SmtpClientException"/>; the caller's own cancellation stays what it is.
/// </summary>
internal sealed class ClientConnection(Stream transport, SmtpClientOptions options) : IAsyncDisposable
{
    private Stream _stream = transport;
    private byte[] _buffer = new byte[4096];
    private int _start;
    private int _end;

    public SslStream? Tls { get; private set; }

    /// <summary>The peer said more than it was asked for.</summary>
    public bool HasBufferedInput => _end > _start;

    /// <param name="limit">For the whole of it: who says a little now and then gets no more time.</param>
    /// <param name="what">Is waited for; for the one who reads that it did not come.</param>
    public async ValueTask<SmtpReply> ReadReplyAsync(TimeSpan limit, CancellationToken cancellationToken, string what = "a reply") =>
        TakeBuffered() ?? await LimitAsync(limit, ReadReplyAsync, "waiting for " + what, cancellationToken);

    public ValueTask WriteLineAsync(string line, TimeSpan limit, CancellationToken cancellationToken) =>
        WriteAsync(Encoding.UTF8.GetBytes(line + "\r\n"), limit, cancellationToken);

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> octets, TimeSpan limit, CancellationToken cancellationToken) =>
        await LimitAsync(
            limit,
            async token =>
            {
                await _stream.WriteAsync(octets, token);
                await _stream.FlushAsync(token);
                return 0;
            },
            "sending",
            cancellationToken);

    /// <exception cref="SmtpClientException"><see cref="SmtpClientFailure.TlsUnavailable"/>: the handshake failed, or clear text came before it.</exception>
    public async Task StartTlsAsync(CancellationToken cancellationToken)
    {
        // Replies injected in clear behind the answer to STARTTLS must not be heard under TLS.
        if (HasBufferedInput)
            throw new SmtpClientException(SmtpClientFailure.TlsUnavailable, "Clear text came behind the answer to STARTTLS.");
        var tls = new SslStream(_stream, leaveInnerStreamOpen: false);
        _stream = tls;
        try
        {
            await LimitAsync(
                options.TlsHandshakeTimeout,
                async token =>
                {
                    await tls.AuthenticateAsClientAsync(TlsOptions(), token);
                    return 0;
                },
                "in the TLS handshake",
                cancellationToken);
        }
        catch (SmtpClientException e)
        {
            throw new SmtpClientException(SmtpClientFailure.TlsUnavailable, "The TLS handshake failed.", e.InnerException ?? e);
        }
        Tls = tls;
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private async ValueTask<SmtpReply> ReadReplyAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            MakeRoom();
            var count = await _stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            if (count == 0)
                throw new SmtpClientException(SmtpClientFailure.Connection, "The peer closed the connection.");
            _end += count;
            if (TakeBuffered() is { } reply)
                return reply;
        }
    }

    private SmtpReply? TakeBuffered()
    {
        switch (SmtpReplyParser.Parse(_buffer.AsSpan(_start, _end - _start), out var reply, out var consumed))
        {
            case ReplyParse.Complete:
                _start += consumed;
                return reply;
            case ReplyParse.Malformed:
                throw new SmtpClientException(SmtpClientFailure.Protocol, "The peer's reply is malformed.");
            default:
                return null;
        }
    }

    private SslClientAuthenticationOptions TlsOptions()
    {
        return new SslClientAuthenticationOptions
        {
            TargetHost = options.TargetHost,
            // RFC 8996: nothing older.
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            RemoteCertificateValidationCallback = options.CertificateValidation ?? DefaultValidation(),
            ClientCertificateContext = options.ClientCertificate,
        };
    }

    [System.Diagnostics.CodeAnalysis.SuppressMessage("Security", "CA5359:Do Not Disable Certificate Validation",
        Justification = "Opportunistic TLS: the alternative to an unknown peer under TLS is an unknown peer in clear (RFC 7435 §3).")]
    private RemoteCertificateValidationCallback? DefaultValidation() =>
        options.Tls == TlsPolicy.Required || options.Credentials is not null ? null : (_, _, _, _) => true;

    private void MakeRoom()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }
        if (_end == _buffer.Length)
            Array.Resize(ref _buffer, _buffer.Length * 2);
    }

    private async ValueTask<T> LimitAsync<T>(
        TimeSpan limit, Func<CancellationToken, ValueTask<T>> operation, string doing, CancellationToken cancellationToken)
    {
        using var timer = new CancellationTokenSource(limit, options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            return await operation(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new SmtpClientException(SmtpClientFailure.Connection, $"Timed out {doing}, after {limit.TotalSeconds:0.#} seconds.", new TimeoutException());
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or System.Net.Sockets.SocketException or AuthenticationException)
        {
            throw new SmtpClientException(SmtpClientFailure.Connection, $"The connection broke {doing}.", e);
        }
    }
}
