using System.Text;

namespace GatewaySecure.Smtp.Server;

/// <summary>The SASL exchange of AUTH PLAIN (RFC 4616) and LOGIN, as far as a name and a password (RFC 4954 §4).</summary>
internal static class Authentication
{
    // RFC 4954 §4: 12288 octets, with CRLF.
    public const int MaxLine = 12288;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>A name and password, or the reply that ends the exchange.</summary>
    public static async ValueTask<(string UserName, string Password, SmtpReply? Error)> RunAsync(
        ServerConnection connection, string mechanism, string? initialResponse)
    {
        switch (mechanism.ToUpperInvariant())
        {
            case "PLAIN":
                var (plain, error) = initialResponse is null ? await AskAsync(connection, "") : Decode(initialResponse);
                return error is not null ? ("", "", error) : SplitPlain(plain);

            case "LOGIN":
                // base64 of "Username:" and "Password:", by which old clients know what is asked.
                var (user, noUser) = initialResponse is null ? await AskAsync(connection, "VXNlcm5hbWU6") : Decode(initialResponse);
                if (noUser is not null)
                    return ("", "", noUser);
                var (password, noPassword) = await AskAsync(connection, "UGFzc3dvcmQ6");
                return noPassword is not null ? ("", "", noPassword) : (user, password, null);

            default:
                return ("", "", Replies.AuthUnknownMechanism);
        }
    }

    private static async ValueTask<(string Text, SmtpReply? Error)> AskAsync(ServerConnection connection, string challenge)
    {
        await connection.WriteAsync(new SmtpReply(334, null, challenge));
        var line = await connection.ReadLineAsync(static _ => MaxLine, interruptible: true);
        if (line is null)
            return ("", Replies.LineTooLong);
        if (!SmtpCommandParser.TryDecodeLine(line, out var text))
            return ("", Replies.AuthMalformed);
        return text == "*" ? ("", Replies.AuthCancelled) : Decode(text);
    }

    private static (string Text, SmtpReply? Error) Decode(string base64)
    {
        // RFC 4954 §4: "=" is an initial response of no octets.
        if (base64 == "=")
            return ("", null);
        // The platform's decoder overlooks white space; the grammar does not.
        if (base64.Contains(' ', StringComparison.Ordinal))
            return ("", Replies.AuthMalformed);
        try
        {
            return (StrictUtf8.GetString(Convert.FromBase64String(base64)), null);
        }
        catch (Exception e) when (e is FormatException or DecoderFallbackException)
        {
            return ("", Replies.AuthMalformed);
        }
    }

    /// <summary>[authzid] NUL authcid NUL password; acting for somebody else is not supported.</summary>
    private static (string UserName, string Password, SmtpReply? Error) SplitPlain(string message)
    {
        var parts = message.Split('\0');
        if (parts.Length != 3 || parts[1].Length == 0 || parts[2].Length == 0)
            return ("", "", Replies.AuthMalformed);
        return parts[0].Length == 0 || parts[0] == parts[1] ? (parts[1], parts[2], null) : ("", "", Replies.AuthFailed);
    }
}
