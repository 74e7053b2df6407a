using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;

namespace GatewaySecure.Smtp.Server;

// One method for each command.
public sealed partial class SmtpServerSession
{
    private async ValueTask<SmtpReply> EhloAsync(string arguments)
    {
        if (!SmtpCommandParser.TryParseHello(arguments, out var name))
            return Error(Replies.BadHello);
        await GreetedAsync(name, isExtended: true);
        return new SmtpReply(250, null, EhloLines());
    }

    private async ValueTask<SmtpReply> HeloAsync(string arguments)
    {
        if (!SmtpCommandParser.TryParseHello(arguments, out var name))
            return Error(Replies.BadHello);
        await GreetedAsync(name, isExtended: false);
        return new SmtpReply(250, (EnhancedStatus?)null, [_options.ServerName.Ascii]);
    }

    /// <summary>RFC 5321 §4.1.4: EHLO in the middle acts as RSET.</summary>
    private async ValueTask GreetedAsync(string name, bool isExtended)
    {
        await ForgetTransactionAsync();
        _isExtended = isExtended;
        _peer = _peer with { HeloName = name };
    }

    private ImmutableArray<string> EhloLines()
    {
        var lines = ImmutableArray.CreateBuilder<string>();
        lines.Add(_options.ServerName.Ascii);
        lines.Add("PIPELINING");
        lines.Add(FormattableString.Invariant($"SIZE {_options.MaxMessageSize}"));
        lines.Add("8BITMIME");
        lines.Add("SMTPUTF8");
        lines.Add("CHUNKING");
        lines.Add("ENHANCEDSTATUSCODES");
        lines.Add("DSN");
        if (_options.Tls is not null && !_peer.IsTls)
            lines.Add("STARTTLS");
        if (_options.OfferAuthentication && _peer.IsTls)
            lines.Add("AUTH PLAIN LOGIN");
        return lines.ToImmutable();
    }

    /// <summary>RFC 3207 §4, §4.2: what was said in clear is forgotten, and nothing said in clear is heard after the command.</summary>
    private async ValueTask<SmtpReply?> StartTlsAsync(string arguments)
    {
        if (_peer.IsTls)
            return Error(Replies.TlsAlready);
        if (_options.Tls is null)
            return Error(Replies.TlsNotOffered);
        if (arguments.Length > 0)
            return Error(Replies.NoArguments);
        if (_connection.HasBufferedInput)
        {
            // Somebody tries to have clear text taken for what is said under TLS. Nothing he sent is answered.
            _handler.OnFault(_peer, new InvalidDataException("Clear text came behind STARTTLS."));
            await _connection.FlushAsync();
            throw new DialogueEndedException(null);
        }
        await _connection.WriteAsync(Replies.ReadyForTls);
        await _connection.FlushAsync();
        await UpgradeAsync();
        return null;
    }

    private async Task UpgradeAsync()
    {
        await _connection.StartTlsAsync(_options.Tls!, _options.TlsHandshakeTimeout, e => _handler.OnFault(_peer, e));
        var tls = _connection.Tls!;
        _peer = _peer with
        {
            IsTls = true,
            TlsDescription = TlsNames.Describe(tls),
            ClientCertificate = tls.RemoteCertificate as X509Certificate2,
            HeloName = null,
            AuthenticatedAs = null,
        };
        _isExtended = false;
    }

    private async ValueTask<SmtpReply> AuthAsync(string arguments)
    {
        if (!_options.OfferAuthentication)
            return Error(Replies.AuthNotOffered);
        if (!_peer.IsTls)
            return Error(Replies.AuthNeedsTls);
        if (_peer.AuthenticatedAs is not null)
            return Error(Replies.AuthAlready);

        var words = arguments.Split(' ');
        if (words.Length > 2)
            return Error(Replies.AuthMalformed);
        var (userName, password, error) = await Authentication.RunAsync(_connection, words[0], words.Length == 2 ? words[1] : null);
        if (error is not null)
            return error.Code == 535 ? RefusePassword() : Error(error);

        string? identity;
        try
        {
            identity = await _handler.AuthenticateAsync(_peer, userName, password, _abort);
        }
        catch (Exception e) when (!_abort.IsCancellationRequested)
        {
            _handler.OnFault(_peer, e);
            return Replies.Fault;
        }
        if (identity is null)
            return RefusePassword();
        _peer = _peer with { AuthenticatedAs = identity };
        return Replies.Authenticated;
    }

    private SmtpReply RefusePassword()
    {
        if (++_authenticationFailures >= _options.MaxAuthenticationAttempts)
            _errors = _options.MaxErrors;
        return Replies.AuthFailed;
    }

    private async ValueTask<SmtpReply> MailAsync(string arguments)
    {
        var (envelope, error) = SmtpCommandParser.ParseMail(arguments);
        if (envelope is null)
            return Error(error!);
        // RFC 1870 §6.1
        if (envelope.DeclaredSize > _options.MaxMessageSize)
            return Replies.TooBig;
        var reply = await AskAsync(() => _handler.OnMailAsync(_peer, envelope, _abort));
        if (reply.IsPositive)
            _envelope = envelope;
        return reply;
    }

    private async ValueTask<SmtpReply> RcptAsync(string arguments)
    {
        var envelope = _envelope!;
        var (recipient, error) = SmtpCommandParser.ParseRcpt(arguments, envelope.SmtpUtf8, _options.ServerName);
        if (recipient is null)
            return Error(error!);
        // RFC 5321 §4.5.3.1.10
        if (envelope.Recipients.Length >= _options.MaxRecipients)
            return Replies.TooManyRecipients;
        var reply = await AskAsync(() => _handler.OnRecipientAsync(_peer, envelope, recipient, _abort));
        if (reply.IsPositive)
            _envelope = envelope with { Recipients = envelope.Recipients.Add(recipient) };
        return reply;
    }

    private async ValueTask<SmtpReply> RsetAsync(string arguments)
    {
        if (arguments.Length > 0)
            return Error(Replies.NoArguments);
        await ForgetTransactionAsync();
        return Junk(Replies.Ok);
    }

    private SmtpReply Quit(string arguments)
    {
        if (arguments.Length > 0)
            return Error(Replies.NoArguments);
        _isClosing = true;
        return Replies.Bye;
    }
}
