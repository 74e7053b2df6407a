using System.Globalization;
using System.Net.Sockets;
using System.Text;
using GatewaySecure.Addresses;
using GatewaySecure.Smtp;
using GatewaySecure.Smtp.Server;

namespace GatewaySecure.Gateway.Receiving;

/// <summary>Writes the trace field that every accepted message gets on top (RFC 5321 §4.4, RFC 3848).</summary>
internal static class ReceivedHeader
{
    /// <summary>The field as octets, folded, with its CRLF. What the client said of itself is cut to harmless characters.</summary>
    public static byte[] Write(SmtpPeer peer, Envelope envelope, string hostName, string protocol, string id, DateTimeOffset time)
    {
        var text = new StringBuilder(256);
        text.Append("Received: from ").Append(Harmless(peer.HeloName ?? "unknown")).Append(" (").Append(Literal(peer)).Append(")\r\n");
        if (peer.TlsDescription is not null)
        {
            // A comment: the word after "with" speaks of AUTH only (RFC 3848).
            text.Append("\t(").Append(Harmless(peer.TlsDescription))
                .Append(peer.CertifiedAs is { } name ? $", client certificate {Harmless(name)}" : "").Append(")\r\n");
        }
        // By its A-labels in every mail: HopCount finds our own fields by it.
        text.Append("\tby ").Append(hostName).Append(" with ").Append(protocol).Append(" id ").Append(id);
        // One recipient may be named; several would tell each of the others (RFC 5321 §7.2).
        if (envelope.Recipients is [var only] && Mailbox(only.Address, envelope.SmtpUtf8) is { } mailbox)
            text.Append("\r\n\tfor <").Append(mailbox).Append('>');
        text.Append(";\r\n\t")
            .Append(time.ToString("ddd, dd MMM yyyy HH:mm:ss ", CultureInfo.InvariantCulture))
            .Append(time.ToString("zzz", CultureInfo.InvariantCulture).Replace(":", "", StringComparison.Ordinal))
            .Append("\r\n");
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>RFC 6531 §3.7.3: under SMTPUTF8 in UTF-8 with U-labels, else in ASCII with A-labels.</summary>
    /// <returns>Null where a reader could take its characters for something else.</returns>
    private static string? Mailbox(MailAddress address, bool isUtf8)
    {
        // A quoted local part may hold comments, semicolons and angle brackets.
        var isPlain = address.ToString()[0] != '"' && address.LocalPart.All(isUtf8 ? Printable.IsHarmless : char.IsAscii);
        if (!isPlain)
            return null;
        var domain = isUtf8 && address.Domain.Unicode is var spelt && spelt.All(Printable.IsHarmless) ? spelt : address.Domain.Ascii;
        return $"{address.LocalPart}@{domain}";
    }

    private static string Literal(SmtpPeer peer)
    {
        var address = peer.RemoteEndPoint.Address.IsIPv4MappedToIPv6 ? peer.RemoteEndPoint.Address.MapToIPv4() : peer.RemoteEndPoint.Address;
        return address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[IPv6:{address}]" : $"[{address}]";
    }

    private static string Harmless(string text) =>
        string.Concat(text.Take(255).Select(c => IsHarmless(c) ? c : '?'));

    private static bool IsHarmless(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or ':' or '[' or ']' or '+' or '=';
}
