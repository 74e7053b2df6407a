using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using GatewaySecure.Addresses;

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
        if (MayXclient)
            lines.Add($"XCLIENT {XclientCommand.Attributes}{(_options.BelieveXclientLogin ? " LOGIN" : "")}");
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
            _handler.OnHandshakeFailed(_peer, new InvalidDataException("Clear text came behind STARTTLS."));
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
        var issuers = new List<X509Certificate2>();
        var options = _options.AskForClientCertificate ? ClientCertificates.Asking(_options.Tls!, issuers) : _options.Tls!;
        await _connection.StartTlsAsync(options, _options.TlsHandshakeTimeout, e => _handler.OnHandshakeFailed(_peer, e));
        var tls = _connection.Tls!;
        _peer = _peer with
        {
            IsTls = true,
            TlsDescription = TlsNames.Describe(tls),
            CertifiedAs = null,
            HeloName = null,
            AuthenticatedAs = null,
        };
        _isExtended = false;
        if (tls.RemoteCertificate is X509Certificate2 certificate)
            _peer = _peer with { CertifiedAs = await IdentifyAsync(certificate, issuers) };
    }

    /// <summary>A certificate that can't be checked gives no right, and takes none away.</summary>
    private async ValueTask<string?> IdentifyAsync(X509Certificate2 certificate, List<X509Certificate2> issuers)
    {
        try
        {
            return await _handler.IdentifyAsync(_peer, certificate, issuers, _abort);
        }
        catch (Exception e) when (!_abort.IsCancellationRequested)
        {
            _handler.OnFault(_peer, e);
            return null;
        }
        finally
        {
            issuers.ForEach(c => c.Dispose());
        }
    }

    /// <summary>Once: proxies pass on what their clients say afterwards, and none of these may become another.</summary>
    private bool MayXclient => _options.OfferXclient && !_isProxied;

    /// <summary>
    /// The session begins anew, as one of the client that the proxy names. What the proxy itself had proved is not the client's; an
    /// address that it does not know is no address, rather than the proxy's.
    /// </summary>
    private async ValueTask<SmtpReply> XclientAsync(string arguments)
    {
        if (!MayXclient)
            return Error(Replies.XclientNotAllowed);
        var (command, error) = XclientCommand.Parse(arguments);
        if (command is null)
            return Error(error!);
        _peer = _peer with
        {
            RemoteEndPoint = EndPoint(_peer.RemoteEndPoint, command.Address, command.Port),
            LocalEndPoint = EndPoint(_peer.LocalEndPoint, command.DestinationAddress, command.DestinationPort),
            HeloName = command.Helo?.Value,
            AuthenticatedAs = _options.BelieveXclientLogin ? command.Login?.Value : null,
            CertifiedAs = null,
        };
        _isExtended = false;
        _isProxied = true;
        var greeting = await GreetingAsync();
        _isClosing = !greeting.IsPositive;
        return greeting;
    }

    private static IPEndPoint EndPoint(IPEndPoint before, XclientValue<IPAddress>? address, XclientValue<int?>? port) => new(
        address is null ? before.Address : address.Value ?? IPAddress.Any,
        port?.Value ?? (address is null ? before.Port : 0));

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

        AuthenticationResult result;
        try
        {
            result = await _handler.AuthenticateAsync(_peer, userName, password, _abort);
        }
        catch (Exception e) when (!_abort.IsCancellationRequested)
        {
            _handler.OnFault(_peer, e);
            return Replies.Fault;
        }
        switch (result)
        {
            case AuthenticationResult.Proved proved:
                _peer = _peer with { AuthenticatedAs = proved.Identity };
                return Replies.Authenticated;
            case AuthenticationResult.NotNow notNow:
                return Error(notNow.Reply);
            default:
                return RefusePassword();
        }
    }

    private SmtpReply RefusePassword()
    {
        if (++_authenticationFailures >= _options.MaxAuthenticationAttempts)
            _errors = _options.MaxErrors;
        return Replies.AuthFailed;
    }

    private async ValueTask<SmtpReply> MailAsync(string arguments)
    {
        if (_options.RequireTls && !_peer.IsTls)
            return Error(Replies.TlsFirst);
        if (_options.RequireAuthentication && _peer.AuthenticatedAs is null)
            return Error(Replies.AuthFirst);
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
        var (recipient, error) = SmtpCommandParser.ParseRcpt(arguments, envelope.SmtpUtf8, PostmasterDomain);
        if (recipient is null)
            return Error(error!);
        if (IsPostmasterHere(recipient.Address))
            recipient = recipient with { Address = MailAddress.Parse($"{recipient.Address.LocalPart}@{PostmasterDomain.Ascii}") };
        // RFC 5321 §4.5.3.1.10
        if (envelope.Recipients.Length >= _options.MaxRecipients)
            return Replies.TooManyRecipients;
        var reply = await AskAsync(() => _handler.OnRecipientAsync(_peer, envelope, recipient, _abort));
        if (reply.IsPositive)
            _envelope = envelope with { Recipients = envelope.Recipients.Add(recipient) };
        return reply;
    }

    private DomainName PostmasterDomain => _options.PostmasterDomain ?? _options.ServerName;

    /// <summary>RFC 5321 §4.5.1: of this machine, by its name or its address.</summary>
    private bool IsPostmasterHere(MailAddress address) =>
        address.LocalPart.Equals("postmaster", StringComparison.OrdinalIgnoreCase)
        && (address.Domain.Equals(_options.ServerName) || address.Domain.Equals(LiteralOf(_peer.LocalEndPoint.Address)));

    private static DomainName LiteralOf(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return DomainName.Parse(plain.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[IPv6:{plain}]" : $"[{plain}]");
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
