using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using GatewaySecure.Gateway.Scanning;
using GatewaySecure.Policies;
using GatewaySecure.Settings;

namespace GatewaySecure.Gateway.Configuration;

/// <summary>Reads <c>scanners</c>.</summary>
internal static class ScannerReader
{
    public static ImmutableArray<Scanner> Read(ConfigurationSection top)
    {
        var scanners = ImmutableArray.CreateBuilder<Scanner>();
        foreach (var section in top.Sections("scanners", ConfigurationKeys.Scanner))
        {
            var name = section.Required<string>("name", ValueParsers.Text!);
            if (name is not null && scanners.Any(s => s.Name == name))
                section.Problem("name", $"'{name}' is the name of another scanner too");
            var directions = section.List(
                "direction",
                ValueParsers.Word(("inbound", Direction.Inbound), ("outbound", Direction.Outbound), ("internal", Direction.Internal)));
            scanners.Add(new Scanner(
                name!,
                section.Required<EndPoint>("milter", Peer!)!,
                directions.IsEmpty ? [Direction.Inbound, Direction.Outbound, Direction.Internal] : directions,
                section.Optional<TimeSpan>("timeout", ValueParsers.TimeLimit, TimeSpan.FromMinutes(2)),
                section.Optional("connections", ValueParsers.Number(1, 1000), 10),
                section.Optional(
                    "infected",
                    ValueParsers.Word(("hold", InfectedHandling.Hold), ("bounce", InfectedHandling.Bounce), ("discard", InfectedHandling.Discard)),
                    InfectedHandling.Hold)));
        }
        return scanners.ToImmutable();
    }

    /// <summary><c>127.0.0.1:7357</c> or <c>unix:/run/scanner.sock</c>.</summary>
    private static bool Peer(string text, [NotNullWhen(true)] out EndPoint? value, [NotNullWhen(false)] out string? problem)
    {
        const string Unix = "unix:";
        if (text.StartsWith(Unix + "/", StringComparison.Ordinal) && text.Length <= Unix.Length + 107)
        {
            (value, problem) = (new UnixDomainSocketEndPoint(text[Unix.Length..]), null);
            return true;
        }
        var good = ValueParsers.EndPoint(text, out var address, out _);
        (value, problem) = (address, good ? null : "is not an address with a port, such as 127.0.0.1:7357, nor a socket, such as unix:/run/scanner.sock");
        return good;
    }
}
