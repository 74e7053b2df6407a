using System.Globalization;
using System.Text;

namespace GatewaySecure.Smtp.Client;

/// <summary>From an open stream to a peer that is ready for MAIL: greeting, EHLO or HELO, TLS by policy, AUTH.</summary>
internal sealed class Handshake(ClientConnection connection, SmtpClientOptions options, CancellationToken cancellationToken)
{
    // RFC 4954 §4: an initial response that makes the line longer than a command may be is sent as an answer to 334.
    private const int MaxCommandText = 510;

    /// <exception cref="SmtpClientException">No session.</exception>
    public async Task<SmtpExtensions> RunAsync()
    {
        if (options.ImplicitTls)
            await connection.StartTlsAsync(cancellationToken);
        var greeting = await connection.ReadReplyAsync(options.GreetingTimeout, cancellationToken, "the greeting");
        if (greeting.Code != 220)
            throw new SmtpClientException("The peer does not want to talk", greeting);

        var extensions = await HelloAsync();
        if (connection.Tls is null && options.Tls != TlsPolicy.Never)
            extensions = await StartTlsAsync(extensions);
        if (options.Credentials is { } credentials)
            await AuthenticateAsync(credentials, extensions);
        return extensions;
    }

    private async Task<SmtpExtensions> HelloAsync()
    {
        var reply = await AskAsync($"EHLO {options.LocalName.Ascii}");
        if (reply.Code == 250)
            return Parse(reply);
        // RFC 5321 §3.2: a peer that knows no EHLO is asked again the old way.
        if (reply.IsPermanent)
            reply = await AskAsync($"HELO {options.LocalName.Ascii}");
        return reply.Code == 250 ? SmtpExtensions.None : throw new SmtpClientException("The peer refused the greeting", reply);
    }

    private async Task<SmtpExtensions> StartTlsAsync(SmtpExtensions extensions)
    {
        var required = options.Tls == TlsPolicy.Required;
        if (!extensions.StartTls)
            return required ? throw NoTls("The peer offers no STARTTLS.") : extensions;
        var reply = await AskAsync("STARTTLS");
        if (reply.Code != 220)
        {
            if (reply.Code == 421)
                throw new SmtpClientException("The peer refused STARTTLS", reply);
            return required ? throw NoTls($"The peer refused STARTTLS: {reply}") : extensions;
        }
        await connection.StartTlsAsync(cancellationToken);
        // RFC 3207 §4.2: what was offered in clear counts for nothing.
        return await HelloAsync();
    }

    private async Task AuthenticateAsync(SmtpCredentials credentials, SmtpExtensions extensions)
    {
        if (connection.Tls is null)
            throw NoTls("Credentials are not sent in clear.");
        SmtpReply reply;
        if (extensions.Authentication.Contains("PLAIN"))
        {
            var response = Base64($"\0{credentials.UserName}\0{credentials.Password}");
            reply = response.Length + "AUTH PLAIN ".Length <= MaxCommandText
                ? await AskAsync($"AUTH PLAIN {response}")
                : await AnswerAsync(await AskAsync("AUTH PLAIN"), response);
        }
        else if (extensions.Authentication.Contains("LOGIN"))
        {
            reply = await AnswerAsync(await AskAsync("AUTH LOGIN"), Base64(credentials.UserName));
            reply = await AnswerAsync(reply, Base64(credentials.Password));
        }
        else
        {
            throw new SmtpClientException(SmtpClientFailure.Protocol, "The peer offers neither AUTH PLAIN nor LOGIN.");
        }
        if (reply.Code != 235)
            throw new SmtpClientException("The peer refused the credentials", reply);
    }

    /// <summary>The response to a challenge; a reply that is none is handed through.</summary>
    private async Task<SmtpReply> AnswerAsync(SmtpReply challenge, string response) =>
        challenge.Code == 334 ? await AskAsync(response) : challenge;

    private async Task<SmtpReply> AskAsync(string line)
    {
        await connection.WriteLineAsync(line, options.CommandTimeout, cancellationToken);
        return await connection.ReadReplyAsync(options.CommandTimeout, cancellationToken);
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    private static SmtpClientException NoTls(string why) => new(SmtpClientFailure.TlsUnavailable, why);

    private static SmtpExtensions Parse(SmtpReply ehlo)
    {
        var result = SmtpExtensions.None;
        foreach (var line in ehlo.Lines.Skip(1))
        {
            var words = line.ToUpperInvariant().Split(' ', StringSplitOptions.RemoveEmptyEntries);
            result = (words.FirstOrDefault() ?? "") switch
            {
                "PIPELINING" => result with { Pipelining = true },
                "8BITMIME" => result with { EightBitMime = true },
                "SMTPUTF8" => result with { SmtpUtf8 = true },
                "CHUNKING" => result with { Chunking = true },
                "DSN" => result with { Dsn = true },
                "STARTTLS" => result with { StartTls = true },
                "ENHANCEDSTATUSCODES" => result with { EnhancedStatusCodes = true },
                "SIZE" => result with { Size = true, MaxMessageSize = Limit(words) },
                "AUTH" => result with { Authentication = [.. words.Skip(1)] },
                _ => result,
            };
        }
        return result;

        // RFC 1870 §4: no number and zero both mean no limit.
        static long? Limit(string[] words) =>
            words.Length > 1 && long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit > 0 ? limit : null;
    }
}
