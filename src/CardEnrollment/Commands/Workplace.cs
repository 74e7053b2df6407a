using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using GatewaySecure.CardEnrollment.Station;
using GatewaySecure.Cards;
using GatewaySecure.KdcCore;
using GatewaySecure.KdcTransport.Operator;
using GatewaySecure.SmartCard;

namespace GatewaySecure.CardEnrollment.Commands;

/// <summary>An operator who is logged on, and the card before him.</summary>
/// <param name="OperatorReader">Where his own card is; never the one to work on.</param>
internal sealed record Workplace(OperatorSession Session, ParseResult Parsed, string? OperatorReader)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter() }, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public OperatorClient Client => Session.Client;

    public CardChoice Choice => StationOptions.Card(Parsed, OperatorReader);

    /// <exception cref="CardException">There is none.</exception>
    public CardConnection OpenCard() => CardConnection.Open(Choice);

    /// <summary>The latest record of a card; null: never issued here.</summary>
    public async Task<CardView?> LatestAsync(CardDescription card, CancellationToken cancellationToken) =>
        (await Client.CardsAsync(card.Kind.ToString(), SerialOf(card), cancellationToken)).LastOrDefault();

    /// <summary>As the KDC has it on record: without the spaces that some cards show it with.</summary>
    public static string SerialOf(CardDescription card) => card.Serial.Replace(" ", "", StringComparison.Ordinal);

    /// <summary>One line of words, or one JSON object.</summary>
    public void Tell(string words, object json) =>
        Console.WriteLine(Parsed.GetValue(StationOptions.Json) ? JsonSerializer.Serialize(json, Json) : words);

    /// <summary>Asks on the terminal, unless it was confirmed beforehand.</summary>
    public bool Confirm(string what)
    {
        Console.Error.WriteLine(what);
        if (Parsed.GetValue(StationOptions.Yes))
            return true;
        if (Console.IsInputRedirected)
            return false;
        Console.Error.Write("Go on? (yes/no) ");
        return Console.ReadLine()?.Trim() is "yes" or "y";
    }

    public static bool Is(CardView card, CardStanding standing) => card.Standing == standing.ToString();
}
