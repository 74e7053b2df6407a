using System.CommandLine;
using GatewaySecure.Cards;

namespace GatewaySecure.CardClient;

/// <summary>The options by which every command finds its card.</summary>
internal static class CardOptions
{
    public static readonly Option<string?> Reader = new("--reader") { Description = "PC/SC reader; without it the first one that has a card." };

    public static readonly Option<string?> VirtualCard = new("--virtual-card") { Description = "File of a virtual card (for trials)." };

    public static readonly Option<string?> Module = new("--module") { Description = "PKCS #11 module (a file); the card is a token of it." };

    public static readonly Option<string?> Token = new("--token") { Description = "Label of the token, where the module shows several." };

    public static readonly Option<int> Wait = new("--wait") { Description = "Seconds to wait for a card to be inserted." };

    public static readonly Option<bool> Json = new("--json") { Description = "One JSON object on standard output instead of words." };

    public static CardChoice Choice(ParseResult parse) => new(parse.GetValue(Reader), parse.GetValue(VirtualCard), parse.GetValue(Module), parse.GetValue(Token));

    public static Task<CardConnection> OpenAsync(ParseResult parse, CancellationToken cancellationToken) =>
        CardConnection.OpenAsync(Choice(parse), TimeSpan.FromSeconds(parse.GetValue(Wait)), TimeProvider.System, cancellationToken);

    public static void AddTo(Command command)
    {
        foreach (var option in new Option[] { Reader, VirtualCard, Module, Token, Wait, Json })
            command.Options.Add(option);
    }
}
