using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;

namespace GatewaySecure.Smtp.Server;

/// <summary>
/// Reads the header of the PROXY protocol, version 1 and 2, from the start of a connection. Pure; no I/O. Whether the peer may be
/// believed is the caller's question, and comes first.
/// </summary>
public static class ProxyHeader
{
    /// <summary>Octets of the longest header that is read; room for the addresses and for what TLVs proxies send.</summary>
    public const int MaxLength = 4096;

    // Version 1: with its CRLF.
    private const int MaxText = 107;
    private const int BinaryStart = 16;

    private static ReadOnlySpan<byte> Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    private static ReadOnlySpan<byte> Word => "PROXY "u8;

    /// <param name="input">All that came so far; a prefix of the header or more than it.</param>
    public static ProxyHeaderResult Parse(ReadOnlySpan<byte> input)
    {
        if (StartsLike(input, Word))
            return ParseText(input);
        return StartsLike(input, Signature) ? ParseBinary(input) : ProxyHeaderResult.Bad;
    }

    private static bool StartsLike(ReadOnlySpan<byte> input, ReadOnlySpan<byte> start)
    {
        var common = Math.Min(input.Length, start.Length);
        return input[..common].SequenceEqual(start[..common]);
    }

    private static ProxyHeaderResult ParseText(ReadOnlySpan<byte> input)
    {
        var end = input[..Math.Min(input.Length, MaxText)].IndexOf("\r\n"u8);
        if (end < 0)
            return input.Length < MaxText ? ProxyHeaderResult.More : ProxyHeaderResult.Bad;
        var words = Encoding.Latin1.GetString(input[..end]).Split(' ');
        // What follows UNKNOWN is to be ignored.
        if (words[1] == "UNKNOWN")
            return new ProxyHeaderResult.Found(null, null, end + 2);
        if (words is not [_, "TCP4" or "TCP6", var source, var destination, var sourcePort, var destinationPort])
            return ProxyHeaderResult.Bad;
        if (ParseAddress(words[1], source) is not { } from || ParseAddress(words[1], destination) is not { } to)
            return ProxyHeaderResult.Bad;
        if (ParsePort(sourcePort) is not { } fromPort || ParsePort(destinationPort) is not { } toPort)
            return ProxyHeaderResult.Bad;
        return new ProxyHeaderResult.Found(new IPEndPoint(from, fromPort), new IPEndPoint(to, toPort), end + 2);
    }

    /// <summary>The platform reads more spellings of an address than the protocol has.</summary>
    private static IPAddress? ParseAddress(string family, string text)
    {
        if (family == "TCP4")
            return text.Split('.') is { Length: 4 } parts && parts.All(p => IsNumber(p, 255)) ? IPAddress.Parse(text) : null;
        return text.All(c => char.IsAsciiHexDigit(c) || c is ':' or '.') && text.Contains(':', StringComparison.Ordinal)
            && IPAddress.TryParse(text, out var address) ? address : null;
    }

    private static int? ParsePort(string text) => IsNumber(text, 65535) ? int.Parse(text, CultureInfo.InvariantCulture) : null;

    private static bool IsNumber(string text, int maximum) =>
        text.Length is > 0 and <= 5 && text.All(char.IsAsciiDigit) && (text.Length == 1 || text[0] != '0')
        && int.Parse(text, CultureInfo.InvariantCulture) <= maximum;

    private static ProxyHeaderResult ParseBinary(ReadOnlySpan<byte> input)
    {
        if (input.Length < BinaryStart)
            return ProxyHeaderResult.More;
        var (command, family) = (input[12], input[13]);
        var length = BinaryStart + BinaryPrimitives.ReadUInt16BigEndian(input[14..]);
        // Version 2; LOCAL or PROXY.
        if (command is not (0x20 or 0x21) || length > MaxLength)
            return ProxyHeaderResult.Bad;
        if (input.Length < length)
            return ProxyHeaderResult.More;
        var own = new ProxyHeaderResult.Found(null, null, length);
        if (command == 0x20)
            return own;
        var addresses = input[BinaryStart..length];
        return family switch
        {
            // Unspecified, and local sockets: who is behind them has no address.
            0x00 or 0x31 => own,
            0x11 when addresses.Length >= 12 => new ProxyHeaderResult.Found(EndPoint(addresses, 0, 4, 8), EndPoint(addresses, 4, 4, 10), length),
            0x21 when addresses.Length >= 36 => new ProxyHeaderResult.Found(EndPoint(addresses, 0, 16, 32), EndPoint(addresses, 16, 16, 34), length),
            _ => ProxyHeaderResult.Bad,
        };
    }

    private static IPEndPoint EndPoint(ReadOnlySpan<byte> addresses, int at, int size, int port) =>
        new(new IPAddress(addresses.Slice(at, size)), BinaryPrimitives.ReadUInt16BigEndian(addresses[port..]));
}

/// <summary>What came of reading a PROXY header.</summary>
public abstract record ProxyHeaderResult
{
    private ProxyHeaderResult()
    {
    }

    internal static Incomplete More { get; } = new();

    internal static Invalid Bad { get; } = new();

    /// <summary>So far it may become one.</summary>
    public sealed record Incomplete : ProxyHeaderResult;

    /// <summary>It is none, or one that must not be used.</summary>
    public sealed record Invalid : ProxyHeaderResult;

    /// <summary>The connection as the proxy saw it.</summary>
    /// <param name="Source">The client; null: the proxy speaks for itself, or does not know.</param>
    /// <param name="Destination">Where the client had connected to; null as above.</param>
    /// <param name="Length">Octets of the header; the dialogue begins behind them.</param>
    public sealed record Found(IPEndPoint? Source, IPEndPoint? Destination, int Length) : ProxyHeaderResult;
}
