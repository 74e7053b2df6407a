using System.Globalization;
using System.Net;

namespace GatewaySecure.Smtp.Server;

/// <summary>A value of XCLIENT that may be said to be unknown.</summary>
/// <param name="Value">Null: <c>[UNAVAILABLE]</c> or <c>[TEMPUNAVAIL]</c>.</param>
internal sealed record XclientValue<T>(T? Value);

/// <summary>
/// The arguments of Postfix's XCLIENT: what a proxy says of the client behind it. An attribute that was not given is null.
/// Pure and strict.
/// </summary>
internal sealed record XclientCommand
{
    /// <summary>What <c>EHLO</c> offers, without the login.</summary>
    public const string Attributes = "NAME ADDR PORT PROTO HELO DESTADDR DESTPORT";

    private const string V6 = "IPV6:";

    private static readonly SmtpReply Malformed = new(501, "5.5.4", "Expected XCLIENT with known attributes and xtext values");

    public XclientValue<IPAddress>? Address { get; init; }

    public XclientValue<int?>? Port { get; init; }

    public XclientValue<string>? Helo { get; init; }

    public XclientValue<string>? Login { get; init; }

    public XclientValue<IPAddress>? DestinationAddress { get; init; }

    public XclientValue<int?>? DestinationPort { get; init; }

    /// <summary>The attributes, or the reply that refuses them.</summary>
    public static (XclientCommand? Command, SmtpReply? Error) Parse(string arguments)
    {
        var command = new XclientCommand();
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var pair in arguments.Split(' '))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || !seen.Add(pair[..equals]) || !Xtext.TryDecode(pair.AsSpan(equals + 1), allowUtf8: false, out var value))
                return (null, Malformed);
            // Said in xtext too, where brackets may stand as they are.
            var unknown = value.ToUpperInvariant() is "[UNAVAILABLE]" or "[TEMPUNAVAIL]";
            var next = command.With(pair[..equals].ToUpperInvariant(), unknown ? null : value);
            if (next is null)
                return (null, Malformed);
            command = next;
        }
        return (command, null);
    }

    private XclientCommand? With(string attribute, string? value) => attribute switch
    {
        "ADDR" => value is null ? this with { Address = new(null) } : ParseAddress(value) is { } a ? this with { Address = new(a) } : null,
        "PORT" => value is null ? this with { Port = new(null) } : ParsePort(value) is { } p ? this with { Port = new(p) } : null,
        "DESTADDR" => value is null ? this with { DestinationAddress = new(null) } : ParseAddress(value) is { } a ? this with { DestinationAddress = new(a) } : null,
        "DESTPORT" => value is null ? this with { DestinationPort = new(null) } : ParsePort(value) is { } p ? this with { DestinationPort = new(p) } : null,
        "HELO" => value is null ? this with { Helo = new(null) } : SmtpCommandParser.TryParseHello(value, out var h) ? this with { Helo = new(h) } : null,
        "LOGIN" => value is null ? this with { Login = new(null) } : value.Length > 0 ? this with { Login = new(value) } : null,
        "PROTO" => value is null || value.ToUpperInvariant() is "SMTP" or "ESMTP" ? this : null,
        // The name that the DNS has for the client: nothing here goes by it.
        "NAME" => value is null || SmtpCommandParser.TryParseHello(value, out _) ? this : null,
        _ => null,
    };

    private static IPAddress? ParseAddress(string text)
    {
        var isV6 = text.StartsWith(V6, StringComparison.OrdinalIgnoreCase);
        var plain = isV6 ? text[V6.Length..] : text;
        // A lone number is an address too, for the platform and for nobody else.
        if (plain.Contains('%', StringComparison.Ordinal) || !plain.Contains(isV6 ? ':' : '.', StringComparison.Ordinal))
            return null;
        return IPAddress.TryParse(plain, out var address)
            && isV6 == (address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6) ? address : null;
    }

    private static int? ParsePort(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is >= 0 and <= 65535 ? port : null;
}
